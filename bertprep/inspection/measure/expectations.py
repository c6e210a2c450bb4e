"""What was counted -> findings, each with what the algorithm leads to expect of it.

    sections = expect(measures, duplicates, data_set)
    sections["masks"][0].value

A finding is marked where it is too unlikely and too far off at once, as `probability` says. The
draws for a text are new in each pass over it, and those for each piece of a word are its own; equal
records are no new draws, and count as one. What the text decides is the same for all records of a
document: for such a number a document, each time that it is gone through, is one observation.

Source: create_pretraining_data.py of google-research/bert.
"""

from dataclasses import replace

from bertprep.inspection.measure.judge import Judge, count_finding, mean_finding, percent, spread_of
from bertprep.inspection.measure.mask_expectations import expect_masks
from bertprep.inspection.measure.measures import Duplicates, Finding, Measures
from bertprep.inspection.measure.probability import MARK_POINTS, count_p, is_marked
from bertprep.records import DataSet

#: Random next: half of the chunks of several sentences, and all of one. In no text are there only
#: such, unless it has a sentence a document or sentences longer than a record.
_LEAST_RANDOM, _MOST_RANDOM = 0.5, 0.98
#: In how many ways a record of many words and masks could have been masked, at least.
_WAYS = 1e9
_MANY_UNKNOWN = 0.01
#: Records that one pass over a document makes, where no manifest tells; more than most do.
_RECORDS_A_DOCUMENT = 25

_UNKNOWN = "does the vocabulary fit the language, and its case?"
_ORDINARY = "special and [unused] ones are not counted"

_ONE_SENTENCE = "above one half, since a chunk of one sentence has no next one"
_ALL_RANDOM = (
    "every label is 1: the model learns to say 'random' without reading, and nothing about "
    "sentences. Does an empty line stand between sentences, or is every line a paragraph?"
)
_NONE_RANDOM = "every label is 0: the model learns to say 'next' without reading"
_MANY_RANDOM = (
    "nearly every label is 1, and the model may say 'random' without reading: are there documents "
    "of more than one sentence, and sentences shorter than a record?"
)
_FEW_RANDOM = "fewer than half are random, which the algorithm never gives: is 1 to mean random?"
_EMPTY = "A or B has no text: there are no two sentences to compare"
_MISPLACED = "special tokens stand in the text, or [CLS] and [SEP] are not around A and B"
_OUTSIDE = "--vocab is not the vocabulary of these records, or a model has no row for these ids"
_UNREADABLE = "--verify says what is wrong with them"
_DUPLICATES = (
    "the same text has the same masks, so that more passes teach nothing more: files are here "
    "twice, or several were made with one seed"
)


def expect(
    measures: Measures, duplicates: Duplicates, data_set: DataSet
) -> dict[str, list[Finding]]:
    """The findings of a data set with records, section by section."""
    judge = Judge(duplicates.copies)
    masks, *others = expect_masks(judge, measures, data_set)
    return {
        "records": _records(judge, measures, data_set),
        "masks": [_of_documents(masks, measures, data_set), *others],
        "next sentence": [_random_next(judge, measures, data_set)],
        "segments": _segments(judge, measures, data_set),
        "text": _text(judge, measures, data_set),
        "duplicates": _duplicates(judge, measures, duplicates),
    }


def _manifest_counts(measures: Measures, data_set: DataSet) -> dict[str, int]:
    """What the manifest counts, if it is of just these records; else nothing."""
    homes = data_set.homes
    if not (data_set.plan and len(homes) == 1 and homes[0].is_whole):
        return {}
    counts: dict[str, int] = homes[0].manifest["counts"]
    return counts if counts.get("instances") == measures.records else {}


def _of_documents(finding: Finding, measures: Measures, data_set: DataSet) -> Finding:
    """The finding as one of documents, each as often as it was gone through."""
    counts, plan = _manifest_counts(measures, data_set), data_set.plan
    passes = measures.records / _RECORDS_A_DOCUMENT
    if plan and counts.get("documents"):
        held_out = counts.get("eval_documents", 0)
        passes = (counts["documents"] - held_out) * plan["instances"]["dupe_factor"] + held_out
    return replace(finding, of=finding.of * min(1.0, passes / measures.records))


def _records(judge: Judge, measures: Measures, data_set: DataSet) -> list[Finding]:
    records, tokens, unreadable = measures.records, measures.tokens, measures.unreadable
    length, frames = len(measures.lengths) - 1, records + measures.unreadable
    of_length = mean_finding(
        "length", "tokens a record", tokens, records, spread_of(measures.lengths)
    )
    full = judge.share("full", "without padding", measures.full, records)
    padding = judge.share("padding", "padding", records * length - tokens, records * length)
    return [
        count_finding("records", "records", records),
        judge.share("unreadable", "unreadable", unreadable, frames, 0.0, meaning=_UNREADABLE),
        count_finding("tokens", "tokens", tokens),
        _of_documents(of_length, measures, data_set),
        _of_documents(full, measures, data_set),
        replace(padding, of=0.0),  # the length once more
    ]


def _random_next(judge: Judge, measures: Measures, data_set: DataSet) -> Finding:
    random_next, records = measures.random_next, measures.records
    meaning = _MANY_RANDOM
    if random_next in (0, records):
        meaning = _ALL_RANDOM if random_next else _NONE_RANDOM
    elif random_next < _LEAST_RANDOM * records:
        meaning = _FEW_RANDOM
    finding = judge.share(
        *("random_next", "random next", random_next, records, _LEAST_RANDOM, _MOST_RANDOM),
        meaning=meaning,
    )
    counts = _manifest_counts(measures, data_set)
    if "random_next" in counts and not finding.is_marked:
        known = counts["random_next"] / records
        if abs(finding.value - known) > MARK_POINTS:
            note = f"the manifest counts {percent(known)}: these are not the labels that were made"
            finding = replace(finding, p=0.0, is_marked=True, note=note)
    return replace(finding, note=finding.note or _ONE_SENTENCE)


def _segments(judge: Judge, measures: Measures, data_set: DataSet) -> list[Finding]:
    records, random_next = measures.records, measures.random_next
    tokens_b, of_random = measures.tokens_b, measures.tokens_b_random
    spread_a, spread_b = spread_of(measures.lengths_a), spread_of(measures.lengths_b)
    is_next = records - random_next
    means = [
        mean_finding("length_a", "tokens of A", measures.tokens_a, records, spread_a),
        mean_finding("length_b", "tokens of B", tokens_b, records, spread_b),
        mean_finding("length_b_next", "if B is next", tokens_b - of_random, is_next, spread_b),
        mean_finding("length_b_random", "if B is random", of_random, random_next, spread_b),
    ]
    empty = measures.empty_segments
    return [
        *(_of_documents(mean, measures, data_set) for mean in means),
        judge.share("empty_segments", "A or B empty", empty, records, 0.0, meaning=_EMPTY),
    ]


def _text(judge: Judge, measures: Measures, data_set: DataSet) -> list[Finding]:
    vocabulary, records = data_set.require_vocabulary(), measures.records
    pieces = measures.pieces[vocabulary.replacement_ids(ordinary_only=True)]
    all_pieces, used = int(measures.pieces.sum()), int((pieces > 0).sum())
    unknown = judge.share("unknown", "[UNK]", measures.unknown, all_pieces)
    if unknown.value > _MANY_UNKNOWN:
        unknown = replace(unknown, note=_UNKNOWN)
    unknown = _of_documents(replace(unknown, of=records), measures, data_set)
    misplaced = min(records, int(measures.misplaced.sum()) + measures.missing_specials)
    outside, tokens = measures.outside_vocabulary, measures.tokens
    key, name = "misplaced", "specials out of place"
    outside_key, outside_name = "outside_vocabulary", "ids outside the vocabulary"
    return [
        unknown,
        judge.share("used_pieces", "vocabulary used", used, len(pieces)),
        count_finding("never_used", "pieces never used", len(pieces) - used, note=_ORDINARY),
        judge.share(key, name, misplaced, records, 0.0, meaning=_MISPLACED),
        judge.share(outside_key, outside_name, outside, tokens, 0.0, meaning=_OUTSIDE),
    ]


def _duplicates(judge: Judge, measures: Measures, duplicates: Duplicates) -> list[Finding]:
    """Short records are equal by chance; those of many words and masks are not."""
    certain, of = duplicates.certain_duplicates, duplicates.certain
    p, marked = None, False
    if of:
        p = count_p(certain, of * of / (2.0 * _WAYS * duplicates.share))
        marked = is_marked(p, certain / of)
    notes = []
    if marked:
        notes.append(_DUPLICATES)
    elif duplicates.duplicates and not certain:
        notes.append("short records can be equal by chance")
    if duplicates.share < 1.0:
        part = f"1 in {round(1 / duplicates.share):,}"
        notes.append(f"estimated from {duplicates.compared:,} records, {part} by their hashes")
    name = "equal to an earlier record"
    finding = judge.share("duplicates", name, duplicates.duplicates, measures.records)
    return [
        replace(finding, expected="hardly any", p=p, is_marked=marked, note="; ".join(notes)),
        count_finding("largest_group", "largest group of equal ones", duplicates.largest_group),
    ]
