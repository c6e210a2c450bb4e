"""Counts -> the findings of a data set, section by section, each with what the algorithm predicts.

    sections = expect(Statistics(data_set, schema, counts, duplicates))
    sections["masks"][0].value

An objective is one entry of `SECTIONS`: the titles of its sections, and the functions that make
their findings.

Source: create_pretraining_data.py of google-research/bert.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bertprep.inspection.statistics.findings import (
    ANOMALY_DISTANCE,
    Finding,
    Sections,
    Statistics,
    count_p,
    is_anomaly,
    mean,
    number,
    percent,
)
from bertprep.inspection.statistics.mask_expectations import expect_masks

#: Random next sentences: half of the chunks of several sentences, and all chunks of one. No text
#: has only such chunks, unless its documents are single sentences or longer than a record.
_LEAST_RANDOM, _MOST_RANDOM = 0.5, 0.98
#: Fewer records may have one label by chance.
_FEW_RECORDS = 50
#: Ways to mask a record of many words and masks, at least.
_WAYS = 1e9
_MANY_UNKNOWN = 0.01

_UNKNOWN = "check that the vocabulary matches the language and its case"
_ORDINARY = "special and [unused] pieces are not counted"
_ONE_SENTENCE = "above one half: a chunk of one sentence has no next sentence"
_ALL_RANDOM = (
    "every label is 1: the model learns to answer 'random' without reading, and nothing about "
    "sentences. Check whether sentences are separated by empty lines, or each line is a paragraph"
)
_NONE_RANDOM = "every label is 0: the model learns to answer 'next' without reading"
_MANY_RANDOM = (
    "almost every label is 1, and the model may answer 'random' without reading. Check that "
    "documents have more than one sentence, and that sentences are shorter than a record"
)
_FEW_RANDOM = (
    "fewer than half are random, which the algorithm never produces. Check that 1 means random"
)
_EMPTY = "A or B has no text: there are no two sentences to compare"
_MISPLACED = "the text holds special tokens, or [CLS] and [SEP] are not around A and B"
_OUTSIDE = "--vocab is not the vocabulary of these records, or the model has no row for these ids"
_UNREADABLE = "--verify says what is wrong with them"
_DUPLICATES = (
    "the same text has the same masks, so that another pass teaches nothing. Check for files that "
    "are here twice, or made with one seed"
)

Section = Callable[[Statistics], list[Finding]]


def expect(data: Statistics) -> Sections:
    """Return the findings of a data set with at least one record, by section."""
    return {title: section(data) for title, section in SECTIONS[data.objective.name].items()}


def _records(data: Statistics) -> list[Finding]:
    counts = data.counts
    records, tokens, unreadable = counts.records, counts.tokens, counts.unreadable
    size = records * (len(counts.lengths) - 1)
    length = mean("length", "tokens per record", tokens, records, counts.lengths)
    full = data.share("full", "without padding", counts.full, records)
    padding = data.share("padding", "padding", size - tokens, size)
    frames, key = records + unreadable, "unreadable"
    return [
        number("records", "records", records),
        data.share(key, "unreadable", unreadable, frames, 0.0, meaning=_UNREADABLE),
        number("tokens", "tokens", tokens),
        data.per_document(length),
        data.per_document(full),
        replace(padding, num_observations=0.0),  # follows from the length
    ]


def _next_sentence(data: Statistics) -> list[Finding]:
    num_random, records = data.counts.pair_label_1, data.counts.records
    meaning = _MANY_RANDOM
    if num_random in (0, records):
        meaning = _ALL_RANDOM if num_random else _NONE_RANDOM
    elif num_random < _LEAST_RANDOM * records:
        meaning = _FEW_RANDOM
    bounds = _LEAST_RANDOM, _MOST_RANDOM
    assert data.objective.pair_label is not None
    key, name = data.objective.pair_label.count, "random next sentence"
    finding = data.share(key, name, num_random, records, *bounds, meaning=meaning)
    if num_random in (0, records) and records >= _FEW_RECORDS:
        finding = replace(finding, is_anomaly=True, note=meaning)
    if key in data.manifest_counts and not finding.is_anomaly:
        known = data.manifest_counts[key] / records
        if abs(finding.value - known) > ANOMALY_DISTANCE:
            note = f"the manifest counts {percent(known)}: the labels have been changed"
            finding = replace(finding, p=0.0, is_anomaly=True, note=note)
    return [replace(finding, note=finding.note or _ONE_SENTENCE)]


def _segments(data: Statistics) -> list[Finding]:
    counts = data.counts
    records, num_random = counts.records, counts.pair_label_1
    tokens_b, random_b = counts.tokens_b, counts.tokens_b_label_1
    means = [
        mean("length_a", "tokens of A", counts.tokens_a, records, counts.lengths_a),
        mean("length_b", "tokens of B", tokens_b, records, counts.lengths_b),
        mean(
            *("length_b_next", "B follows A", tokens_b - random_b, records - num_random),
            counts.lengths_b,
        ),
        mean("length_b_random", "B is random", random_b, num_random, counts.lengths_b),
    ]
    key, empty = "empty_segments", counts.empty_segments
    return [
        *map(data.per_document, means),
        data.share(key, "A or B empty", empty, records, 0.0, meaning=_EMPTY),
    ]


def _text(data: Statistics) -> list[Finding]:
    counts = data.counts
    records, all_pieces = counts.records, int(counts.pieces.sum())
    pieces = counts.pieces[data.vocabulary.ordinary_ids]
    used = int((pieces > 0).sum())
    unknown = data.share("unknown", "[UNK]", counts.unknown, all_pieces)
    note = _UNKNOWN if unknown.value > _MANY_UNKNOWN else ""
    misplaced = min(records, int(counts.misplaced.sum()) + counts.missing_specials)
    outside, name = counts.outside_vocabulary, "ids outside the vocabulary"
    return [
        data.per_document(replace(unknown, num_observations=records, note=note)),
        data.share("used_pieces", "vocabulary used", used, len(pieces)),
        number("never_used", "pieces never used", len(pieces) - used, note=_ORDINARY),
        data.share(
            *("misplaced", "misplaced special tokens", misplaced, records, 0.0), meaning=_MISPLACED
        ),
        data.share("outside_vocabulary", name, outside, counts.tokens, 0.0, meaning=_OUTSIDE),
    ]


def _duplicates(data: Statistics) -> list[Finding]:
    """Return the findings about duplicates; short records can be equal by chance, long ones not."""
    duplicates = data.duplicates
    certain, total = duplicates.certain_duplicates, duplicates.certain
    p, is_off = None, False
    if total:
        p = count_p(certain, total * total / (2.0 * _WAYS * duplicates.share))
        is_off = is_anomaly(p, certain / total)
    notes = []
    if is_off:
        notes.append(_DUPLICATES)
    elif duplicates.duplicates and not certain:
        notes.append("short records can be equal by chance")
    if duplicates.share < 1.0:
        part = f"1 in {round(1 / duplicates.share):,}"
        notes.append(f"estimated from {duplicates.compared:,} records, {part} by hash")
    key, name = "duplicates", "equal to an earlier record"
    finding = data.share(key, name, duplicates.duplicates, data.counts.records)
    return [
        replace(finding, expected="almost none", p=p, is_anomaly=is_off, note="; ".join(notes)),
        number("largest_group", "largest group of duplicates", duplicates.largest_group),
    ]


#: The sections of each objective, in the order in which they are shown.
SECTIONS: Mapping[str, Mapping[str, Section]] = {
    "nsp": {
        "records": _records,
        "masks": expect_masks,
        "next sentence": _next_sentence,
        "segments": _segments,
        "text": _text,
        "duplicates": _duplicates,
    }
}
