"""Expectations of the masks: how many there are, what they show, and where they are.

Source: create_masked_lm_predictions of google-research/bert.
"""

from dataclasses import replace

import numpy as np

from bertprep.inspection.statistics.findings import (
    ANOMALY_P,
    Finding,
    Statistics,
    is_anomaly,
    mean,
    percent,
    share_p,
    sum_p,
)
from bertprep.vocab import Vocabulary

_MASK, _KEPT, _REPLACED = 0.8, 0.1, 0.1

_OFF_BUDGET = "the masks do not follow masked_lm_prob and max_predictions_per_seq"
_MASKLESS = "records without masks teach the model nothing about words"
_NO_MASKS = "no record has a mask: there is nothing to predict"

#: Meaning for training of a share that is 0, too small, or too large.
_MEANINGS = {
    "mask_tokens": (
        "no mask shows [MASK]: the model sees every token that it predicts and learns to copy it",
        "too few masks show [MASK]: the model sees many of the tokens that it predicts",
        "too many masks show [MASK], a token that downstream text never has: the model learns "
        "little about the tokens that it sees",
    ),
    "kept": (
        "no mask keeps its token: the model learns that the token at a mask is always wrong, and "
        "learns nothing from unchanged tokens",
        "too few masks keep their token: the model learns that the token at a mask is almost "
        "always wrong",
        "too many masks keep their token: the model sees the tokens that it predicts",
    ),
    "replaced": (
        "no mask shows another token: the model has no reason to doubt the tokens that it sees",
        "too few masks show another token: the model has little reason to doubt what it sees",
        "too many masks show another token: the model reads corrupted text",
    ),
}
_SPECIAL = "special and unused tokens replace text"
_STRAY = "the model predicts [CLS], [SEP] or padding"
_SPLIT = "words are masked in part: the rest of the word gives the masked part away"
_UNEVEN = "masks are spread unevenly: some positions are hardly ever trained"


def _probabilities(
    vocabulary: Vocabulary, ordinary_only: bool, special_labels: float
) -> dict[str, float]:
    """Return the probabilities of what a mask shows; `special_replacements` of a replacement.

    Args:
        vocabulary: the vocabulary.
        ordinary_only: replacements are neither special nor unused tokens.
        special_labels: the share of the labels that are such tokens.
    """
    num_ordinary = len(vocabulary.ordinary_ids)
    num = max(1, num_ordinary if ordinary_only else len(vocabulary.ids))
    # The drawn token may be the original one, or [MASK].
    own = (1.0 - special_labels if ordinary_only else 1.0) / num
    mask = 0.0 if ordinary_only else 1.0 / num
    special = max(0.0, num - num_ordinary - 1 - special_labels) / max(1, num - 2)
    return {
        "mask_tokens": _MASK + _REPLACED * mask,
        "kept": _KEPT + _REPLACED * own,
        "replaced": _REPLACED * (1.0 - own - mask),
        "special_replacements": 0.0 if ordinary_only else special,
    }


def expect_masks(data: Statistics) -> list[Finding]:
    """Return the findings about masks."""
    counts = data.counts
    key, name = "stray_masks", "on [CLS], [SEP] or padding"
    return [
        *_numbers(data),
        *_shown_tokens(data),
        data.share(key, name, counts.stray_masks, counts.masks, 0.0, meaning=_STRAY),
        _whole_words(data),
        _positions(data),
    ]


def _numbers(data: Statistics) -> list[Finding]:
    """Return the findings about the number of masks; its expectation comes from the manifest."""
    counts, instances = data.counts, data.instances
    records, masks = counts.records, counts.masks
    number = mean("masks", "masks per record", masks, records, counts.masks_per_record)
    share = replace(
        data.share("masked", "share of tokens", masks, counts.tokens), num_observations=0
    )
    if instances is None:
        maskless = int(counts.masks_per_record[0])
        budget = data.share("without_masks", "records without masks", maskless, records, 0.0)
    else:
        number = replace(number, expected=f"{counts.budget / records:,.1f}")
        most = instances.max_predictions_per_seq
        wanted = f"{100 * instances.masked_lm_prob:.4g}%, at most {most:,}"
        share = replace(share, expected=wanted)
        budget = data.share("at_budget", "records at the budget", counts.at_budget, records)
        all_of = "nearly all" if instances.whole_word_mask else "all"
        budget = replace(budget, expected=all_of)
    wrong = counts.off_budget if masks else records
    p = share_p(wrong, records, 0.0, 0.0)
    is_off = is_anomaly(p, wrong / records)
    meaning = _NO_MASKS if not masks else _OFF_BUDGET if instances else _MASKLESS
    budget = replace(budget, p=p, is_anomaly=is_off, note=meaning if is_off else "")
    return [data.per_document(number), share, budget]


def _shown_tokens(data: Statistics) -> list[Finding]:
    """Return the findings about what masks show. Without a manifest `quirks` is not known."""
    counts, vocabulary = data.counts, data.vocabulary
    quirks = [data.instances.quirks] if data.instances else ["keep", "fix"]
    special_labels = counts.special_labels / max(1, counts.masks)
    known = [_probabilities(vocabulary, quirk == "fix", special_labels) for quirk in quirks]
    findings = []
    for key, name, total in (
        ("mask_tokens", "[MASK]", counts.masks),
        ("kept", "kept", counts.masks),
        ("replaced", "replaced", counts.masks),
        ("special_replacements", "replaced by special tokens", counts.replaced),
    ):
        count = getattr(counts, key)
        shares = [probabilities[key] for probabilities in known]
        low, high = min(shares), max(shares)
        zero, few, many = _MEANINGS.get(key, (_SPECIAL,) * 3)
        meaning = zero if not count else few if count < total * low else many
        findings.append(data.share(key, name, count, total, low, high, meaning=meaning))
    return findings


def _whole_words(data: Statistics) -> Finding:
    counts = data.counts
    touched, whole = counts.touched_words, counts.touched_words - counts.split_words
    key, name = "whole_words", "words masked whole"
    if data.instances and data.instances.whole_word_mask:
        return data.share(key, name, whole, touched, 1.0, meaning=_SPLIT)
    note = ""
    if touched and not counts.split_words:
        note = "as with whole-word masking"
    elif touched:
        note = "of the words of several tokens: masking is by token, not by word"
    return replace(data.share(key, name, whole, touched), note=note)


def _positions(data: Statistics) -> Finding:
    """Return the finding about the position whose masks are farthest from the expected number."""
    counts = data.counts
    masks, expected = counts.mask_positions, counts.expected_positions
    finding = Finding("positions", "most uneven position", 0.0, "-", "0 points")
    if not counts.masks:
        return finding
    reach = counts.records - np.cumsum(counts.lengths)[:-1]
    off = np.abs(masks - expected) / np.maximum(reach, 1)
    variances = counts.variance_positions.tolist()
    numbers = zip(masks.tolist(), expected.tolist(), variances, strict=True)
    p = np.array([sum_p(*of, data.duplicates.copies) for of in numbers])
    p = np.minimum(1.0, p * len(p))  # the least likely of many
    # The least likely position; among the impossible ones the farthest off.
    worst = int(np.lexsort((-off, np.where(p < ANOMALY_P, 0.0, p)))[0])
    value, records = float(off[worst]), max(1, int(reach[worst]))
    is_off = is_anomaly(float(p[worst]), value)
    found, wanted = (percent(float(of[worst]) / records) for of in (masks, expected))
    note = f"position {worst} is masked in {found} of its records, expected {wanted}"
    return replace(
        finding,
        value=value,
        shown=f"{100 * value:.2f} points",
        p=float(p[worst]),
        is_anomaly=is_off,
        note=f"{_UNEVEN}; {note}" if is_off else note,
    )
