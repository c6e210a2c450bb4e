"""The plain rules of a legal record beside the compiled ones."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hand_built import (
    frames,
)

from bertprep.kernels import rules as kernel
from bertprep.options import InstanceOptions, TokenizerOptions
from bertprep.records import RecordSchema
from bertprep.records.checks import CompiledRules
from bertprep.records.columns import RecordReader
from bertprep.records.frames import look_at
from bertprep.records.manifest import describe_instances
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
        plan = {"instances": describe_instances(options)} if options else None
        if plan and tokenizer:
            plan["tokenizer"] = dataclasses.asdict(tokenizer)
        self._schema, self._path = schema, folder / "shard"
        self._promise = Promise.of(plan, schema)
        self.plain = RecordRules(self._promise, vocabulary)

    def compiled(self, records: Sequence[bytes]) -> list[bool]:
        """Which records are legal, without a word."""
        rules = CompiledRules.of(self._promise, self.plain.vocabulary)
        self._path.write_bytes(frames(records))
        found: list[bool] = []
        for batch in RecordReader(look_at(str(self._path)), self._schema):
            totals = np.zeros(1, kernel.TOTALS)
            found += map(bool, rules.check(batch.rows, batch.states, totals))
        return found

    def faults(self, record: bytes) -> list[str]:
        """What the plain rules say."""
        faults = self.plain.faults(record)
        assert self.compiled([record]) == [not faults]
        return faults
