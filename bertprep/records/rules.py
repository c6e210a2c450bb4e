"""The rules of a legal record in plain Python, with a message for each: the compiled rules' twin.

A legal record is one that `bertprep create` could have written with the options in the manifest,
for any ordinary tokens: whether a tokenizer would produce them is not checked. Without a manifest
the number of masks and the truncation are not checked. 300 us per record of 128 tokens.

Source: create_instance_from_document, create_masked_lm_predictions and
write_instance_to_example_files in google-research/bert's create_pretraining_data.py.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bertprep.objectives import MASKINGS, OBJECTIVES
from bertprep.records.examples import FeatureValues, parse_example
from bertprep.records.manifest import instance_options
from bertprep.records.schema import RecordSchema
from bertprep.storage.plans import Plan
from bertprep.tokenization.characters import is_ideograph, is_punctuation
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary, is_reserved


@dataclass(frozen=True)
class Promise:
    """What is known about how the records of a data set were created.

    Attributes:
        schema: the features.
        budgets: most masks of a record, by its tokens; None if unknown.
        whole_words: words are masked whole; False if unknown.
        quirks: "keep" or "fix"; "keep" if unknown.
        has_plan: the options are known, and with them the tokens that text cannot hold.
        marks_words: ideographs were joined to words, which the records do not show.
        never_split: reserved tokens that text may hold.
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
        """Return what a manifest's plan promises; without one, only the features are known."""
        if plan is None:
            return cls(schema)
        options, tokenizer = instance_options(plan), plan.get("tokenizer", {})
        numbers = range(schema.max_seq_length + 1)
        return cls(
            schema,
            budgets=tuple(options.num_to_predict(n) for n in numbers),
            whole_words=MASKINGS[options.masking].whole_words,
            quirks=options.quirks,
            has_plan=True,
            marks_words=bool(tokenizer.get("segmented") or tokenizer.get("word_segmenter")),
            never_split=tuple(tokenizer.get("never_split", ())),
        )


class RecordRules:
    """The rules for the records of a data set.

    Args:
        promise: what is known about them.
        vocabulary: vocabulary of their ids.
    """

    def __init__(self, promise: Promise, vocabulary: Vocabulary) -> None:
        self.promise, self.vocabulary = promise, vocabulary
        self.pad_id = vocabulary.ids.get("[PAD]", 0)

    def is_special(self, token: str) -> bool:
        """Return whether text can never hold the token; it can hold [UNK]."""
        is_kept_out = token in SPECIAL_TOKENS or (self.promise.has_plan and is_reserved(token))
        return is_kept_out and token != "[UNK]" and token not in self.promise.never_split

    def is_drawn(self, token: str) -> bool:
        """Return whether the token can be drawn as a replacement."""
        return self.promise.quirks == "keep" or not is_reserved(token)

    def may_be_ideograph(self, token: str) -> bool:
        """Return whether the token is an ideograph, or [UNK], which may be one."""
        return token == "[UNK]" or (len(token) == 1 and is_ideograph(token))

    def is_mark(self, token: str) -> bool:
        """Return whether the token is a punctuation mark."""
        return len(token) == 1 and is_punctuation(token)

    def faults(self, record: bytes) -> list[str]:
        """Return a message for each fault of a serialized example; none if it is legal."""
        try:
            features = parse_example(record)
        except ValueError as error:
            return [f"it is not a tf.train.Example: {error}"]
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
                yield f"{stored} is missing"
            elif found.kind != kind:
                yield f"{stored} holds {found.kind} values instead of {kind}"
            elif len(found.values) != length:
                yield f"{stored} has {len(found.values):,} values instead of {length:,}"
        for name in sorted(features.keys() - known) if schema.is_closed else ():
            yield f"unexpected feature {name!r}"

    def _sequence(self, features: dict[str, FeatureValues]) -> Iterator[str]:
        """Yield the faults of a record that has all features."""
        schema = self.promise.schema
        names = ("input_ids", "input_mask", "segment_ids")
        ids, mask, segments = (features[schema.stored_names[name]].values for name in names)
        pair_label = OBJECTIVES[schema.objective].pair_label
        if pair_label:
            label = features[schema.stored_names[pair_label.feature]].values[0]
            if label not in (0, 1):
                yield f"{pair_label.feature} is {label}, not 0 or 1"
        length, num_tokens = len(ids), _run(mask, 1)
        if mask[num_tokens:] != [0] * (length - num_tokens):
            place = num_tokens + _run(mask[num_tokens:], 0)
            yield f"input_mask is not 1s followed by 0s: index {place} is {mask[place]}"
            return
        first, second = _run(segments, 0), _run(segments[_run(segments, 0) :], 1)
        first = min(first, num_tokens) if not second else first
        expected = [0] * first + [1] * (num_tokens - first) + [0] * (length - num_tokens)
        if segments != expected:
            place = next(i for i in range(length) if segments[i] != expected[i])
            yield (
                "segment_ids are not 0s, then 1s up to the last token, then 0s: index "
                f"{place} is {segments[place]}"
            )
            return
        sep, last = first - 1, num_tokens - 1
        if sep < 2 or last - sep < 2:
            yield f"segments of {first} and {num_tokens - first} tokens: one holds no text"
            return
        place = num_tokens + _run(ids[num_tokens:], self.pad_id)
        if place < length:
            yield f"input_ids has {ids[place]} at position {place}, after the last token"
        for place, token in ((0, "[CLS]"), (sep, "[SEP]"), (last, "[SEP]")):
            if ids[place] != self.vocabulary.ids.get(token):
                yield f"{self._named(ids[place])} at position {place} instead of {token}"
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
            if str(weights[place]) != "0.0":  # compared as text: no writer writes -0.0
                yield (
                    f"masked_lm_weights are not 1.0s followed by 0.0s: index {place} is "
                    f"{weights[place]:g}"
                )
                return
        for name, values in zip(names, (positions, labels), strict=False):
            if any(values[count:]):
                place = next(i for i in range(count, len(values)) if values[i])
                yield f"{name} has {values[place]} at index {place}, after the last mask"
        for place, (before, position) in enumerate(pairwise([0, *positions[:count]])):
            if position <= before:
                yield f"mask {place} is at position {position}, which must be above {before}"
            elif position in (sep, num_tokens - 1):
                yield f"mask {place} is at position {position}, which holds [SEP]"
            elif position >= num_tokens:
                yield f"mask {place} is at position {position}, after the last token"
        for place, label in enumerate(labels[:count]):
            if not 0 <= label < len(self.vocabulary.tokens):
                yield (
                    f"label {label} of mask {place} is outside the vocabulary of "
                    f"{len(self.vocabulary.tokens):,} pieces"
                )
        if self.promise.budgets is not None and count > self.promise.budgets[num_tokens]:
            most = self.promise.budgets[num_tokens]
            yield f"{count} masks, but {num_tokens} tokens have at most {most}"

    def _text(self, features: dict[str, FeatureValues], ids: list[int], sep: int) -> Iterator[str]:
        """Yield the faults of the text before masking."""
        weights = features["masked_lm_weights"].values
        count, tokens, last = _run(weights, 1.0), self.vocabulary.tokens, len(ids) - 1
        positions = features["masked_lm_positions"].values[:count]
        restored = list(ids)
        for place, position in enumerate(positions):
            label = restored[position] = features["masked_lm_ids"].values[place]
            now = tokens[ids[position]]
            if ids[position] != label and now != "[MASK]" and not self.is_drawn(now):
                yield f"{now} replaces a token at position {position}, but is never drawn"
        text = [tokens[number] for number in restored]
        for place, token in enumerate(text):
            if place not in (0, sep, last) and self.is_special(token):
                yield f"{token} at position {place}, inside the text"
        yield from self._cuts(text, sep)
        yield from self._words(text, positions, sep)

    def _cuts(self, text: list[str], sep: int) -> Iterator[str]:
        """Yield segments that begin inside a word without having been truncated."""
        is_full = len(text) == self.promise.schema.max_seq_length
        first, second = sep - 1, len(text) - sep - 2
        for place, is_longer in ((1, first >= second), (sep + 1, second >= first - 1)):
            if not text[place].startswith("##") or (is_full and not self.promise.has_plan):
                continue
            what = f"{text[place]} at position {place} begins a segment inside a word, but"
            if not is_full:
                yield f"{what} the record is not full, so nothing was truncated"
            elif not is_longer:  # the longer one is shortened, B of two alike
                yield f"{what} the other one was longer ({first} and {second} tokens)"

    def _words(self, text: list[str], positions: list[int], sep: int) -> Iterator[str]:
        masked = set(positions)
        for candidate in self._candidates(text, sep, self._is_piece):
            of_it = masked.intersection(candidate)
            if of_it and len(of_it) < len(candidate):
                word = " ".join(text[place] for place in candidate)
                yield f"the word {word} at position {candidate[0]} is partly masked"
        if self.promise.budgets is None:
            return
        room = self.promise.budgets[len(text)] - len(positions)
        # Words that are not known are taken to be as long as they can have been.
        joins = self._may_be_joined if self.promise.marks_words else self._is_piece
        candidates = self._candidates(text, sep, joins)
        sizes = [len(candidate) for candidate in candidates if not masked.intersection(candidate)]
        if any(size <= room for size in sizes):
            most = self.promise.budgets[len(text)]
            yield f"{len(positions)} of {most} masks, but a word that would fit is not masked"

    def _candidates(
        self, text: list[str], sep: int, joins: Callable[[list[str], int, int], bool]
    ) -> list[list[int]]:
        """Return the positions of each mask candidate; `joins` says what continues one."""
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
        """Return whether a token may continue a word: a `##` piece, or next to an ideograph."""
        before, token = text[place - 1], text[place]
        if self._is_piece(text, place, sep) or self.is_mark(token):
            return not self.is_mark(token)
        is_beside = self.may_be_ideograph(before) or self.may_be_ideograph(token)
        return place == sep + 1 or (is_beside and not self.is_mark(before))

    def _named(self, number: int) -> str:
        is_known = 0 <= number < len(self.vocabulary.tokens)
        return self.vocabulary.tokens[number] if is_known else f"id {number}"


def _run(values: Sequence[float], value: float) -> int:
    """Return how many values at the start are `value`."""
    return next((i for i, other in enumerate(values) if other != value), len(values))
