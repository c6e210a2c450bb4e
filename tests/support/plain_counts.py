"""Counts of records in plain Python: the slow twin of the kernel.

A record is a dict of its features by their v1 names; words are lists of positions. A hundred
records take 0.1 s.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertprep.inspection.statistics.counts import Counts
from bertprep.records import RecordSchema
from bertprep.vocab import Vocabulary

Record = Mapping[str, np.ndarray]

SPREAD, MIX, WORD = 0x9E3779B97F4A7C15, 0x6A09E667F3BCC909, (1 << 64) - 1


def hash_row(numbers: Sequence[int]) -> int:
    """The hash of the numbers of a row, each as 32 bits."""

    def mixed(state: int, word: int) -> int:
        state = (state ^ word) * SPREAD & WORD
        return state ^ state >> 32

    numbers = [number & 0xFFFFFFFF for number in numbers]
    whole = len(numbers) // 8 * 8
    chains = [SPREAD, MIX, ~SPREAD & WORD, ~MIX & WORD]
    for at in range(0, whole, 2):
        chain = at // 2 % 4
        chains[chain] = mixed(chains[chain], numbers[at] | numbers[at + 1] << 32)
    for number in numbers[whole:]:
        chains[0] = mixed(chains[0], number)
    state = chains[0]
    for chain_state in chains[1:]:
        state = mixed(state, chain_state)
    return mixed(state * MIX & WORD, state >> 29)


def row_of(record: Record) -> list[int]:
    """All numbers of a record, in the order of the features."""
    names = ("input_ids", "input_mask", "segment_ids", "masked_lm_positions", "masked_lm_ids")
    row = [int(value) for name in names for value in record[name]]
    row += np.asarray(record["masked_lm_weights"], np.float32).view(np.int32).tolist()
    return [*row, int(record["next_sentence_labels"][0])]


class Twin:
    """Counts records one by one.

    Args:
        schema: their lengths.
        vocabulary: their pieces.
        instances: the options that they were made with, if these are known.
    """

    def __init__(
        self, schema: RecordSchema, vocabulary: Vocabulary, instances: dict[str, Any] | None
    ) -> None:
        self.vocabulary, self.instances = vocabulary, instances
        self.hashes: list[int] = []
        self.contexts: Counter[tuple[int, int]] = Counter()
        self.counts = Counts.empty(schema, len(vocabulary.tokens))

    def add(self, record: Record) -> None:
        """Counts a record."""
        counts = self.counts
        ids, marks = record["input_ids"].tolist(), record["input_mask"].tolist()
        num_tokens = max((i + 1 for i, mark in enumerate(marks) if mark), default=0)
        num_tokens = num_tokens or max((i + 1 for i, token in enumerate(ids) if token), default=0)
        segments = record["segment_ids"].tolist()[:num_tokens]
        b_start = segments.index(1) if 1 in segments else num_tokens
        a = range(1, max(1, b_start - 1))
        b = range(b_start, max(b_start, num_tokens - 1))
        counts.records += 1
        counts.tokens += num_tokens
        counts.full += num_tokens == len(ids)
        counts.lengths[num_tokens] += 1
        counts.lengths_a[len(a)] += 1
        counts.lengths_b[len(b)] += 1
        counts.tokens_a += len(a)
        counts.tokens_b += len(b)
        counts.empty_segments += not a or not b
        if int(record["next_sentence_labels"][0]) == 1:
            counts.pair_label_1 += 1
            counts.tokens_b_label_1 += len(b)
        places = {0, b_start - 1, num_tokens - 1}
        restored = ids[:num_tokens]
        masked, num_masks = self._count_masks(record, ids, restored, places)
        self._count_pieces(restored, b_start)
        words = self._words(restored, a, b)
        self._expect_masks(words, masked)
        self._count_budget(words, masked, num_masks, num_tokens, len(a) + len(b))
        is_certain = len(words) >= 40 and sum(not masked.isdisjoint(w) for w, _ in words) >= 8
        self.hashes.append((hash_row(row_of(record)) & ~1 | is_certain) or 2)

    def _count_masks(
        self, record: Record, ids: list[int], restored: list[int], places: set[int]
    ) -> tuple[set[int], int]:
        counts, tokens = self.counts, self.vocabulary.tokens
        reserved = set(range(len(tokens))) - set(self.vocabulary.replacement_ids(True).tolist())
        labels = zip(
            record["masked_lm_positions"].tolist(),
            record["masked_lm_ids"].tolist(),
            record["masked_lm_weights"].tolist(),
            strict=True,
        )
        masked, num_masks = set(), 0
        for position, label, weight in labels:
            if weight == 0.0:
                continue
            num_masks += 1
            if position < len(ids):
                counts.mask_positions[position] += 1
            if position >= len(restored):
                counts.stray_masks += 1
                continue
            now = ids[position]
            counts.stray_masks += position in places
            if now == self.vocabulary.mask_id:
                counts.mask_tokens += 1
            elif now == label:
                counts.kept += 1
            else:
                counts.replaced += 1
                counts.special_replacements += now in reserved
            counts.special_labels += label in reserved
            restored[position] = label
            masked.add(position)
        counts.masks += num_masks
        counts.masks_per_record[num_masks] += 1
        return masked, num_masks

    def _count_pieces(self, restored: list[int], b_start: int) -> None:
        counts, vocabulary = self.counts, self.vocabulary
        end, num_pieces = len(restored) - 1, len(vocabulary.tokens)
        ends = {b_start - 1, end} if b_start <= end else {end}
        wanted = dict.fromkeys(ends, vocabulary.sep_id) | {0: vocabulary.cls_id}
        special = {vocabulary.ids[token] for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]")}
        num_in_place = 0
        for i, token in enumerate(restored):
            if token >= num_pieces:
                counts.outside_vocabulary += 1
            elif wanted.get(i) == token:
                num_in_place += 1
            else:
                counts.pieces[token] += 1
                counts.misplaced[token] += token in special
            if token == vocabulary.unk_id:
                counts.unknown += 1
                around = (restored[i - 1], restored[i + 1]) if 0 < i < end else (num_pieces,)
                if max(around) < num_pieces:
                    self.contexts[around[0], around[-1]] += 1
                else:
                    counts.unknown_contexts_left_out += 1
        counts.missing_specials += 2 + (0 < b_start <= end) - num_in_place

    def _words(self, restored: list[int], a: range, b: range) -> list[tuple[list[int], bool]]:
        """The words, and whether a word may go on from A to B there."""
        tokens = self.vocabulary.tokens

        def continues(position: int) -> bool:
            token = restored[position]
            return token < len(tokens) and tokens[token].startswith("##")

        words: list[list[int]] = []
        for segment in (a, b):
            for position in segment:
                if position > segment.start and continues(position):
                    words[-1].append(position)
                else:
                    words.append([position])
        has_words = not self.instances or self.instances["masking"] == "whole-word"
        joined = {a[-1], b[0]} if has_words and a and b and continues(b[0]) else set()
        return [(word, not joined.isdisjoint(word)) for word in words]

    def _expect_masks(self, words: list[tuple[list[int], bool]], masked: set[int]) -> None:
        counts = self.counts
        b_starts = [word[0] for word, is_joined in words if is_joined][-1:]
        by_size: dict[int, list[int]] = {}
        for word, is_joined in words:
            num_masked = len(masked.intersection(word))
            if len(word) > 1 and num_masked and word[0] not in b_starts:
                counts.touched_words += 1
                counts.split_words += num_masked < len(word)
            if is_joined:
                counts.expected_positions[word] += [position in masked for position in word]
            else:
                by_size.setdefault(len(word), []).extend(word)
        for positions in by_size.values():
            share = len(masked.intersection(positions)) / len(positions)
            counts.expected_positions[positions] += share
            counts.variance_positions[positions] += share * (1 - share)

    def _count_budget(
        self,
        words: list[tuple[list[int], bool]],
        masked: set[int],
        num_masks: int,
        num_tokens: int,
        num_maskable: int,
    ) -> None:
        counts, instances = self.counts, self.instances
        budget = min(1, num_maskable)
        if instances:
            wanted = max(1, round(num_tokens * instances["masked_lm_prob"]))
            budget = min(wanted, instances["max_predictions_per_seq"], num_maskable)
            counts.budget += budget
            counts.at_budget += num_masks == budget
            counts.off_budget += num_masks > budget
        if instances and instances["masking"] != "whole-word":
            fits = num_masks < budget and any(not masked.issuperset(word) for word, _ in words)
        else:
            free = [
                len(word) for word, is_joined in words if not is_joined and masked.isdisjoint(word)
            ]
            fits = bool(free) and num_masks + min(free) <= budget
        counts.off_budget += fits
