"""What is to be expected of masks: their number, what stands at them, and where they are.

Source: create_masked_lm_predictions of google-research/bert.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bertprep.inspection.measure.judge import Judge, mean_finding, percent, spread_of
from bertprep.inspection.measure.measures import Finding, Measures
from bertprep.inspection.measure.probability import MARK_P, is_marked, share_p, sum_p
from bertprep.records import DataSet
from bertprep.vocab import Vocabulary

_MASK, _KEPT, _REPLACED = 0.8, 0.1, 0.1

_OFF_BUDGET = "the masks do not follow masked_lm_prob and max_predictions_per_seq"
_WITHOUT = "these records teach the model nothing about words"
_NOTHING = "no record has a mask: there are no words to predict"

#: What it means for training where the share of a kind is 0, too small, or too large.
_MEANINGS = {
    "mask_tokens": (
        "nothing stands as [MASK]: the model is shown the words that it is asked for, and learns "
        "to copy them",
        "too little is hidden: the model is shown many of the words that it is asked for",
        "too much is [MASK], which no text of a later task has: the model learns little about "
        "words that it is shown",
    ),
    "kept": (
        "no word is kept: the model learns that what stands at a mask is never right, and learns "
        "nothing about words as they are",
        "too few words are kept: the model learns that what stands at a mask is hardly ever right",
        "too many words are kept: the model is shown the words that it is asked for",
    ),
    "replaced": (
        "no word is replaced by another one: the model has no reason to doubt what it is shown",
        "too few words are replaced: the model has little reason to doubt what it is shown",
        "too many words are replaced by others: the model reads text that is wrong",
    ),
}
_SPECIALS = "special and unused tokens are put where words stand"
_STRAY = "the model is asked for [CLS], [SEP] or padding"
_SPLIT = "words are masked in part: what is left of them gives the rest away"
_MOST_UNEVEN, _ON_NO_WORD = "most uneven position", "on [CLS], [SEP] or padding"
_UNEVEN = "masks are not spread evenly: some positions are trained, others hardly ever"


@dataclass(frozen=True)
class _Kinds:
    """Probabilities of what stands at a mask; `special` is of a replacement."""

    mask_tokens: float
    kept: float
    replaced: float
    special: float

    @classmethod
    def of(cls, vocabulary: Vocabulary, ordinary_only: bool, special_labels: float) -> "_Kinds":
        """By what is drawn from; `special_labels` is their share of the labels."""
        num_ordinary = len(vocabulary.replacement_ids(ordinary_only=True))
        num = max(1, len(vocabulary.replacement_ids(ordinary_only)))
        # The draw may give the label itself, or [MASK].
        own = (1.0 - special_labels if ordinary_only else 1.0) / num
        mask = 0.0 if ordinary_only else 1.0 / num
        special = max(0.0, num - num_ordinary - 1 - special_labels) / max(1, num - 2)
        return cls(
            mask_tokens=_MASK + _REPLACED * mask,
            kept=_KEPT + _REPLACED * own,
            replaced=_REPLACED * (1.0 - own - mask),
            special=0.0 if ordinary_only else special,
        )


def expect_masks(judge: Judge, measures: Measures, data_set: DataSet) -> list[Finding]:
    """The findings about masks."""
    plan = data_set.plan["instances"] if data_set.plan else None
    count, of = measures.stray_masks, measures.masks
    return [
        *_numbers(judge, measures, plan),
        *_kinds(judge, measures, data_set.require_vocabulary(), plan),
        judge.share("stray_masks", _ON_NO_WORD, count, of, 0.0, meaning=_STRAY),
        _whole_words(judge, measures, plan),
        _positions(judge, measures),
    ]


def _numbers(judge: Judge, measures: Measures, plan: dict[str, Any] | None) -> list[Finding]:
    """How many masks there are. What there should be is known by the plan."""
    records, masks = measures.records, measures.masks
    spread = spread_of(measures.masks_per_record)
    number = mean_finding("masks", "masks a record", masks, records, spread)
    share = judge.share("masked", "share of the tokens", masks, measures.tokens)
    share = replace(share, of=0.0)  # the number once more
    if plan is None:
        without = int(measures.masks_per_record[0])
        budget = judge.share("without_masks", "records without masks", without, records, 0.0)
    else:
        is_whole = plan["masking"] == "whole-word"
        number = replace(number, expected=f"{measures.budget / records:,.1f}")
        wanted, most = plan["masked_lm_prob"], plan["max_predictions_per_seq"]
        share = replace(share, expected=f"{100 * wanted:.4g}%, {most:,} at most")
        budget = judge.share("at_budget", "records at the budget", measures.at_budget, records)
        budget = replace(budget, expected="nearly all" if is_whole else "all")
    wrong = measures.off_budget if masks else records
    p = share_p(wrong, records, 0.0, 0.0)
    marked = is_marked(p, wrong / records)
    meaning = _NOTHING if not masks else _OFF_BUDGET if plan else _WITHOUT
    return [number, share, replace(budget, p=p, is_marked=marked, note=meaning if marked else "")]


def _kinds(
    judge: Judge, measures: Measures, vocabulary: Vocabulary, plan: dict[str, Any] | None
) -> list[Finding]:
    """What stands at the masks. Without a plan the quirk of the replacements is not known."""
    quirks = [plan["quirks"]] if plan else ["keep", "fix"]
    special_labels = measures.special_labels / max(1, measures.masks)
    known = [_Kinds.of(vocabulary, quirk == "fix", special_labels) for quirk in quirks]
    findings = []
    for key, name in (("mask_tokens", "[MASK]"), ("kept", "kept"), ("replaced", "replaced")):
        count, of = getattr(measures, key), measures.masks
        shares = [getattr(kinds, key) for kinds in known]
        none, few, many = _MEANINGS[key]
        meaning = none if not count else few if count < of * min(shares) else many
        low, high = min(shares), max(shares)
        findings.append(judge.share(key, name, count, of, low, high, meaning=meaning))
    count, of = measures.special_replacements, measures.replaced
    shares = [kinds.special for kinds in known]
    name = "of these, by special tokens"
    low, high = min(shares), max(shares)
    special = judge.share("special_replacements", name, count, of, low, high, meaning=_SPECIALS)
    return [*findings, special]


def _whole_words(judge: Judge, measures: Measures, plan: dict[str, Any] | None) -> Finding:
    touched = measures.touched_words
    whole, name = touched - measures.split_words, "words masked whole"
    if plan is not None and plan["masking"] == "whole-word":
        return judge.share("whole_words", name, whole, touched, 1.0, meaning=_SPLIT)
    note = ""
    if touched and not measures.split_words:
        note = "as with whole-word masking"
    elif touched:
        note = "of the words of several pieces: masks fall on pieces, not on words"
    return judge.share("whole_words", name, whole, touched, note=note)


def _positions(judge: Judge, measures: Measures) -> Finding:
    """The position whose masks are farthest from what its records lead to expect."""
    masks, expected = measures.mask_positions, measures.expected_positions
    reach = measures.records - np.cumsum(measures.lengths)[:-1]
    off = np.abs(masks - expected) / np.maximum(reach, 1)
    p = np.array(
        [
            sum_p(*numbers, judge.copies)
            for numbers in zip(
                masks.tolist(),
                expected.tolist(),
                measures.variance_positions.tolist(),
                strict=True,
            )
        ]
    )
    p = np.minimum(1.0, p * len(p))  # the worst of many
    # What is least likely; of what cannot be, what is farthest off.
    worst = int(np.lexsort((-off, np.where(p < MARK_P, 0.0, p)))[0])
    value, there = float(off[worst]), max(1, int(reach[worst]))
    if not measures.masks:
        return Finding("positions", _MOST_UNEVEN, 0.0, "-", "0 points")
    marked = is_marked(float(p[worst]), value)
    found, wanted = percent(float(masks[worst]) / there), percent(float(expected[worst]) / there)
    place = f"position {worst} is masked in {found} of its records, and expected in {wanted}"
    return Finding(
        "positions",
        _MOST_UNEVEN,
        value,
        f"{100 * value:.2f} points",
        "0 points",
        float(p[worst]),
        marked,
        f"{_UNEVEN}; {place}" if marked else place,
    )
