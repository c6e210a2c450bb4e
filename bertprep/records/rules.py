"""What makes a record legal, told plainly and in words: the twin of the compiled rules.

A legal record is one that `bertprep create` could have written with what the manifest promises, of
any ordinary pieces: whether a tokenizer makes them of some text is not asked. Without a manifest
masks may be as many as they like, and segments cut in any way. 300 us a record of 128 tokens.

Source: create_instance_from_document, create_masked_lm_predictions and
write_instance_to_example_files in google-research/bert's create_pretraining_data.py.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bertprep.records.examples import FeatureValues, parse_example
from bertprep.records.manifest import instance_options
from bertprep.records.schema import RecordSchema
from bertprep.storage.plans import Plan
from bertprep.tokenization.properties import is_ideograph, is_punctuation
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary, is_reserved


@dataclass(frozen=True)
class Promise:
    """What is known of how the records of a data set were made.

    Attributes:
        schema: the features.
        budgets: most masks of a record, by its tokens; None where that is not known.
        whole_words: words are masked whole; False where that is not promised.
        quirks: "keep" or "fix", as the records were made; "keep" where that is not known.
        has_plan: the options are known, and with them what can never stand in text.
        marks_words: ideographs were joined to words, of which the records tell nothing.
        never_split: reserved tokens that stand in text all the same.
    """

    schema: RecordSchema
    budgets: tuple[int, ...] | None = None
    whole_words: bool = False
    quirks: str = "keep"
    has_plan: bool = False
    marks_words: bool = False
    never_split: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan | None, schema: RecordSchema) -> "Promise":
        """What a manifest's plan says; without one, nothing but the features."""
        if plan is None:
            return cls(schema)
        options, tokenizer = instance_options(plan), plan.get("tokenizer", {})
        numbers = range(schema.max_seq_length + 1)
        return cls(
            schema,
            budgets=tuple(options.num_to_predict(n) for n in numbers),
            whole_words=options.whole_word_mask,
            quirks=options.quirks,
            has_plan=True,
            marks_words=bool(tokenizer.get("segmented") or tokenizer.get("word_segmenter")),
            never_split=tuple(tokenizer.get("never_split", ())),
        )


class RecordRules:
    """The rules for the records of a data set.

    Args:
        promise: what is known of them.
        vocabulary: whose ids they hold.
    """

    def __init__(self, promise: Promise, vocabulary: Vocabulary) -> None:
        self.promise, self.vocabulary = promise, vocabulary

    def is_special(self, token: str) -> bool:
        """Never stands in text; [UNK] does."""
        is_kept_out = token in SPECIAL_TOKENS or (self.promise.has_plan and is_reserved(token))
        return is_kept_out and token != "[UNK]" and token not in self.promise.never_split

    def is_drawn(self, token: str) -> bool:
        """Can replace another token."""
        return self.promise.quirks == "keep" or not is_reserved(token)

    def may_be_ideograph(self, token: str) -> bool:
        """Stands for an ideograph; [UNK] may."""
        return token == "[UNK]" or (len(token) == 1 and is_ideograph(token))

    def is_mark(self, token: str) -> bool:
        """Is punctuation."""
        return len(token) == 1 and is_punctuation(token)

    def faults(self, record: bytes) -> list[str]:
        """What is wrong with a serialized example, a phrase each; nothing where it is legal."""
        try:
            features = parse_example(record)
        except ValueError as error:
            return [f"it is no tf.train.Example: {error}"]
        return list(self._features(features)) or list(self._sequence(features))

    def _features(self, features: dict[str, FeatureValues]) -> Iterator[str]:
        known = set()
        schema = self.promise.schema
        for feature in schema.features:
            stored, length = schema.stored_names[feature.name], schema.lengths[feature.name]
            known.add(stored)
            kind = "float" if feature.dtype == "float32" else "int64"
            found = features.get(stored)
            if found is None:
                yield f"{stored} is not there"
            elif found.kind != kind:
                yield f"{stored} holds {found.kind}, and should hold {kind}"
            elif len(found.values) != length:
                yield f"{stored} has {len(found.values):,} values, and should have {length:,}"
        for name in sorted(features.keys() - known) if schema.is_closed else ():
            yield f"a feature {name!r} that does not belong here"

    def _sequence(self, features: dict[str, FeatureValues]) -> Iterator[str]:
        """The faults of a record whose features are all there."""
        names = (
            self.promise.schema.stored_names[name]
            for name in ("input_ids", "input_mask", "segment_ids", "next_sentence_labels")
        )
        ids, mask, segments, label = (features[name].values for name in names)
        if label[0] not in (0, 1):
            yield f"next_sentence_labels is {label[0]}, and should be 0 or 1"
        length, num_tokens = len(ids), _run(mask, 1)
        if mask[num_tokens:] != [0] * (length - num_tokens):
            place = num_tokens + _run(mask[num_tokens:], 0)
            yield f"input_mask is not 1s and then 0s: place {place} has {mask[place]}"
            return
        first, second = _run(segments, 0), _run(segments[_run(segments, 0) :], 1)
        first = min(first, num_tokens) if not second else first
        expected = [0] * first + [1] * (num_tokens - first) + [0] * (length - num_tokens)
        if segments != expected:
            place = next(i for i in range(length) if segments[i] != expected[i])
            yield (
                "segment_ids are not 0s, 1s to the last token, and 0s: place "
                f"{place} has {segments[place]}"
            )
            return
        sep, last = first - 1, num_tokens - 1
        if sep < 2 or last - sep < 2:
            yield f"segments of {first} and {num_tokens - first} tokens: one has no text"
            return
        if any(ids[num_tokens:]):
            place = next(i for i in range(num_tokens, length) if ids[i])
            yield f"input_ids has {ids[place]} at position {place}, behind the last token"
        for place, token in ((0, "[CLS]"), (sep, "[SEP]"), (last, "[SEP]")):
            if ids[place] != self.vocabulary.ids.get(token):
                yield f"{self._named(ids[place])} at position {place}, where {token} belongs"
        outside = [i for i in range(num_tokens) if not 0 <= ids[i] < len(self.vocabulary.tokens)]
        for place in outside[:1]:
            yield (
                f"id {ids[place]} at position {place} is outside the vocabulary of "
                f"{len(self.vocabulary.tokens):,} pieces"
            )
        masks = list(self._masks(features, num_tokens, sep))
        yield from masks
        if not masks and not outside:
            yield from self._text(features, ids[:num_tokens], sep)

    def _masks(
        self, features: dict[str, FeatureValues], num_tokens: int, sep: int
    ) -> Iterator[str]:
        names = ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights")
        positions, labels, weights = (features[name].values for name in names)
        count = _run(weights, 1.0)
        for place in range(count, len(weights)):
            if str(weights[place]) != "0.0":  # as a text: no writer writes -0.0
                yield (
                    f"masked_lm_weights are not 1.0s and then 0.0s: place {place} has "
                    f"{weights[place]:g}"
                )
                return
        for name, values in zip(names, (positions, labels), strict=False):
            if any(values[count:]):
                place = next(i for i in range(count, len(values)) if values[i])
                yield f"{name} has {values[place]} in place {place}, behind the last mask"
        for place, (before, position) in enumerate(pairwise([0, *positions[:count]])):
            if position <= before:
                yield f"mask {place} is at position {position}, and should be above {before}"
            elif position in (sep, num_tokens - 1):
                yield f"mask {place} is at position {position}, where [SEP] stands"
            elif position >= num_tokens:
                yield f"mask {place} is at position {position}, behind the last token"
        for place, label in enumerate(labels[:count]):
            if not 0 <= label < len(self.vocabulary.tokens):
                yield (
                    f"label {label} of mask {place} is outside the vocabulary of "
                    f"{len(self.vocabulary.tokens):,} pieces"
                )
        if self.promise.budgets is not None and count > self.promise.budgets[num_tokens]:
            most = self.promise.budgets[num_tokens]
            yield f"{count} masks, where {num_tokens} tokens have at most {most}"

    def _text(self, features: dict[str, FeatureValues], ids: list[int], sep: int) -> Iterator[str]:
        """The faults of the text with the labels put back."""
        weights = features["masked_lm_weights"].values
        count, tokens, last = _run(weights, 1.0), self.vocabulary.tokens, len(ids) - 1
        positions = features["masked_lm_positions"].values[:count]
        restored = list(ids)
        for place, position in enumerate(positions):
            label = restored[position] = features["masked_lm_ids"].values[place]
            now = tokens[ids[position]]
            if ids[position] != label and now != "[MASK]" and not self.is_drawn(now):
                yield f"{now} replaces a token at position {position}, which no mask draws"
        text = [tokens[number] for number in restored]
        for place, token in enumerate(text):
            if place not in (0, sep, last) and self.is_special(token):
                yield f"{token} at position {place}, where text belongs"
        yield from self._cuts(text, sep)
        yield from self._words(text, positions, sep)

    def _cuts(self, text: list[str], sep: int) -> Iterator[str]:
        """Only where the front was cut off can a segment begin inside a word."""
        is_full = len(text) == self.promise.schema.max_seq_length
        first, second = sep - 1, len(text) - sep - 2
        for place, is_longer in ((1, first >= second), (sep + 1, second >= first - 1)):
            if not text[place].startswith("##") or (is_full and not self.promise.has_plan):
                continue
            what = f"{text[place]} at position {place} begins a segment inside a word, and"
            if not is_full:
                yield f"{what} the record is not full, so that nothing was cut"
            elif not is_longer:  # the longer one is shortened, B of two alike
                yield f"{what} the other one, of {first} and {second} tokens, was longer"

    def _words(self, text: list[str], positions: list[int], sep: int) -> Iterator[str]:
        masked = set(positions)
        for candidate in self._candidates(text, sep, self._is_piece):
            of_it = masked.intersection(candidate)
            if of_it and len(of_it) < len(candidate):
                word = " ".join(text[place] for place in candidate)
                yield f"the word {word} at position {candidate[0]} is masked in part"
        if self.promise.budgets is None:
            return
        room = self.promise.budgets[len(text)] - len(positions)
        # Where the words are not known, they are taken for as long as they can have been.
        joins = self._may_be_joined if self.promise.marks_words else self._is_piece
        candidates = self._candidates(text, sep, joins)
        sizes = [len(candidate) for candidate in candidates if not masked.intersection(candidate)]
        if any(size <= room for size in sizes):
            most = self.promise.budgets[len(text)]
            yield f"{len(positions)} of {most} masks, where a word that would fit is not masked"

    def _candidates(
        self, text: list[str], sep: int, joins: Callable[[list[str], int, int], bool]
    ) -> list[list[int]]:
        """The places of each candidate for a mask; `joins` tells what is no first place of one."""
        candidates: list[list[int]] = []
        for place in range(1, len(text) - 1):
            if place == sep:
                continue
            is_own = self.promise.quirks == "fix" and place == sep + 1
            if candidates and self.promise.whole_words and not is_own and joins(text, place, sep):
                candidates[-1].append(place)
            else:
                candidates.append([place])
        return candidates

    def _is_piece(self, text: list[str], place: int, sep: int) -> bool:
        return text[place].startswith("##")

    def _may_be_joined(self, text: list[str], place: int, sep: int) -> bool:
        """A `##` piece, or beside an ideograph; B may begin inside a word of several."""
        before, token = text[place - 1], text[place]
        if self._is_piece(text, place, sep) or self.is_mark(token):
            return not self.is_mark(token)
        is_beside = self.may_be_ideograph(before) or self.may_be_ideograph(token)
        return place == sep + 1 or (is_beside and not self.is_mark(before))

    def _named(self, number: int) -> str:
        is_known = 0 <= number < len(self.vocabulary.tokens)
        return self.vocabulary.tokens[number] if is_known else f"id {number}"


def _run(values: Sequence[float], value: float) -> int:
    """How many values at the start are `value`."""
    return next((i for i, other in enumerate(values) if other != value), len(values))
