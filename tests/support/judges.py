"""The plain rules of a legal record beside the compiled ones."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hand_built import (
    frames,
)

from bertprep.inspection import checks
from bertprep.kernels import rules as kernel
from bertprep.options import InstanceOptions, TokenizerOptions
from bertprep.records import RecordSchema
from bertprep.records.columns import RecordReader
from bertprep.records.frames import look_at
from bertprep.records.rules import Promise, RecordRules
from bertprep.vocab import Vocabulary


class Judges:
    """The plain rules and the compiled ones of one data set, which must agree.

    Args:
        options: what its records were made with; None where no manifest says so.
        tokenizer: how their text was cut, where that is said.
    """

    def __init__(
        self,
        folder: Path,
        vocabulary: Vocabulary,
        schema: RecordSchema,
        options: InstanceOptions | None,
        tokenizer: TokenizerOptions | None = None,
    ) -> None:
        plan = {"instances": dataclasses.asdict(options)} if options else None
        if plan and tokenizer:
            plan["tokenizer"] = dataclasses.asdict(tokenizer)
        self._schema, self._path = schema, folder / "shard"
        self._promise = Promise.of(plan, schema)
        (folder / "vocab.txt").write_bytes(vocabulary.data)
        self._vocabulary = folder / "vocab.txt"
        self.plain = RecordRules(self._promise, vocabulary)

    def compiled(self, records: Sequence[bytes]) -> list[bool]:
        """Which records are legal, without a word."""
        checks._compile_rules.cache_clear()
        rules = checks._compile_rules(checks.CheckJob(self._promise, self._vocabulary))
        self._path.write_bytes(frames(records))
        found: list[bool] = []
        scratch = np.zeros(2 * self._schema.max_seq_length, np.int32)
        for batch in RecordReader(look_at(str(self._path)), self._schema):
            is_legal = np.zeros(len(batch), np.uint8)
            totals = np.zeros(kernel.TOTALS_SIZE, np.int64)
            fixed = rules.fields, rules.kinds, rules.budgets, scratch
            kernel.check_rows(batch.rows, batch.states, *fixed, is_legal, totals)
            found += map(bool, is_legal)
        return found

    def faults(self, record: bytes) -> list[str]:
        """What the plain rules say."""
        faults = self.plain.faults(record)
        assert self.compiled([record]) == [not faults]
        return faults
