"""vocab.txt -> a `Vocabulary`: the piece of each id, the id of each piece, the bytes of the file.

A file that makes no sense as a vocabulary (another tokenizer's, no [MASK], a duplicate piece) is an
error here, and not a useless model later. Reading 30,000 pieces takes 10 ms.

Example:
    vocabulary = Vocabulary.load("vocab.txt")
    vocabulary.ids["[MASK]"], vocabulary.tokens[103]
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np

from bertprep.errors import UsageError
from bertprep.json_files import parse_json

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MOST_PIECES = 2**21
_OTHERS_SPECIAL = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")

_UNUSED = re.compile(r"\[unused[0-9]+\]")
#: The file begins with the protobuf field of its first piece: field 1, its text, its score.
_SENTENCEPIECE_MODEL = re.compile(rb"\n[\x00-\x7f]\n[\x01-\x1f].{1,31}?[\x15\x18]", re.DOTALL)
_SCORED_PIECE = re.compile(r"[^\t]+\t-?[0-9.]+(e-?[0-9]+)?\r?")
_ASCII_BLANKS = " \t\r\x0b\x0c"
#: Share of pieces with capitals from which a vocabulary is cased; cased models have 0.2 or more.
_CASED_SHARE = 0.05
#: Share up to which it is uncased; the published Chinese vocabulary has `<S>` and `<T>`.
_STRAY_SHARE = 0.001


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The pieces of a WordPiece model.

    Attributes:
        tokens: the piece of each id; the id is the line number, from 0.
        ids: the id of each piece, in order of first appearance; the last id of a duplicate piece.
        data: the bytes of the file.
        sha256: their digest, in hexadecimal.
    """

    tokens: tuple[str, ...] = field(repr=False)
    ids: dict[str, int] = field(repr=False)
    data: bytes = field(repr=False)
    sha256: str

    @classmethod
    def load(cls, path: str | PathLike[str], lenient: bool = False) -> "Vocabulary":
        """Read a vocabulary file.

        Args:
            path: UTF-8, one piece per line.
            lenient: accept duplicate pieces, empty lines, and missing special tokens.

        Raises:
            UsageError: the file does not exist, or is not a vocabulary to make records with.

        Source: load_vocab in google-research/bert's tokenization.py.
        """
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError:
            raise UsageError(f"{path}: no such file. Pass the vocab.txt of the model.") from None
        except IsADirectoryError:
            raise UsageError(f"{path}: this is a folder. Name the vocab.txt in it.") from None
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}.") from None
        return cls.parse(data, str(path), lenient)

    @classmethod
    def parse(cls, data: bytes, name: str = "vocab.txt", lenient: bool = False) -> "Vocabulary":
        """Read a vocabulary from the bytes of a file, which errors call `name`."""
        text = _decode(data, name)
        lines = text.removesuffix("\n").split("\n")
        _refuse_other_formats(text, lines, name)
        if len(lines) > MOST_PIECES:
            raise UsageError(f"{name}: {len(lines):,} pieces, the limit is {MOST_PIECES:,}.")
        tokens = tuple(line.strip() for line in lines)
        if not lenient:
            _check_lines(lines, tokens, name)
        ids = {token: number for number, token in enumerate(tokens)}
        return cls(tokens, ids, data, hashlib.sha256(data).hexdigest())

    @property
    def pad_id(self) -> int:
        return self._special_id("[PAD]")

    @property
    def unk_id(self) -> int:
        return self._special_id("[UNK]")

    @property
    def cls_id(self) -> int:
        return self._special_id("[CLS]")

    @property
    def sep_id(self) -> int:
        return self._special_id("[SEP]")

    @property
    def mask_id(self) -> int:
        return self._special_id("[MASK]")

    def _special_id(self, token: str) -> int:
        if token not in self.ids:
            raise UsageError(f"the vocabulary has no {token}. Add it on a line of its own.")
        return self.ids[token]

    @property
    def ordinary_ids(self) -> np.ndarray:
        """Return the ids of distinct pieces, as int32[...], without special and unused tokens."""
        ids = self.ids.items()
        return np.array([number for token, number in ids if not is_reserved(token)], np.int32)

    def replacement_ids(self, ordinary_only: bool) -> np.ndarray:
        """Return the ids that may replace a masked token.

        Args:
            ordinary_only: without the special tokens and `[unused<number>]`.

        Returns:
            int32[...]. The ids of the distinct pieces, by first appearance.

        Raises:
            UsageError: there are none.
        """
        chosen = self.ordinary_ids if ordinary_only else np.array([*self.ids.values()], np.int32)
        if not len(chosen):
            raise UsageError(
                "--quirks fix replaces masked tokens by ordinary pieces, but the vocabulary has "
                "special and [unused] tokens only: pass another --vocab, or --quirks keep"
            )
        return chosen

    def casing_warning(self, lowercase: bool) -> str | None:
        """Return a warning if the case of the pieces does not match the option, else None."""
        ordinary = [token for token in self.ids if not is_reserved(token)]
        capitals = sum(token != token.lower() for token in ordinary)
        small = sum(token != token.upper() for token in ordinary)
        many = max(1.0, _CASED_SHARE * len(ordinary))
        few = _STRAY_SHARE * len(ordinary)
        if lowercase and capitals >= many:
            return (
                f"the vocabulary has {capitals:,} pieces with capitals, which never match "
                "lower-cased text. If the model is cased, pass --no-lowercase."
            )
        if not lowercase and capitals <= few and small >= many:
            return (
                f"the vocabulary has {capitals or 'no'} pieces with capitals, so that words with "
                "capitals become [UNK]. If the model is uncased, pass --lowercase."
            )
        return None


def is_reserved(token: str) -> bool:
    """Return whether a token is special or `[unused<number>]`: text becomes none but [UNK]."""
    return token in SPECIAL_TOKENS or _UNUSED.fullmatch(token) is not None


def _decode(data: bytes, name: str) -> str:
    if not data.strip():
        raise UsageError(f"{name}: this file is empty. Pass a file with one piece per line.")
    if _SENTENCEPIECE_MODEL.match(data):
        raise UsageError(
            f"{name}: this is a SentencePiece model, not WordPiece. "
            "Pass a BERT vocab.txt, or train one with `bertprep vocab`."
        )
    if data.startswith(b"\xef\xbb\xbf"):
        raise UsageError(
            f"{name}:1: the file starts with a byte order mark. Save it as UTF-8 without one."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{name}:{line}: not UTF-8 (byte 0x{data[error.start]:02x} at byte {error.start}). "
            f"Convert it: iconv -f <its encoding> -t utf-8 {name}"
        ) from None


def _refuse_other_formats(text: str, lines: list[str], name: str) -> None:
    """Raise UsageError for files that are often mistaken for a vocab.txt."""
    if text.lstrip()[:1] == "{":
        content = None
        with suppress(UsageError):  # A piece may be a brace.
            content = parse_json(text, name)
        if isinstance(content, dict):
            _refuse_json(content, name)
    if all(_SCORED_PIECE.fullmatch(line) for line in lines[:100]):
        raise UsageError(
            f"{name}:1: this is a SentencePiece vocabulary (pieces with scores), not WordPiece. "
            "Pass a BERT vocab.txt, or train one with `bertprep vocab`."
        )


def _refuse_json(content: dict[str, object], name: str) -> None:
    model, where = content.get("model"), ""
    if isinstance(model, dict):
        if model.get("type", "WordPiece") != "WordPiece":
            raise UsageError(
                f"{name}: this is a tokenizer.json of a {model['type']} model, not WordPiece. "
                "Pass a BERT vocab.txt, or train one with `bertprep vocab`."
            )
        where = "['model']['vocab']"
    raise UsageError(
        f"{name}: this is JSON, not a vocab.txt. Make one: "
        'python -c "import json; from pathlib import Path; '
        f"v = json.loads(Path('{name}').read_text('utf-8')){where}; "
        "Path('vocab.txt').write_text("
        "''.join(t + chr(10) for t in sorted(v, key=v.get)), 'utf-8')\""
    )


def _check_lines(lines: list[str], tokens: tuple[str, ...], name: str) -> None:
    """Raise UsageError for a vocabulary that no records should be made with."""
    first: dict[str, int] = {}
    for number, token in enumerate(tokens):
        # The published Chinese vocabulary has a line with only U+2028: a piece, not an empty line.
        if not token and not lines[number].strip(_ASCII_BLANKS):
            if not any(tokens[number:]):
                raise UsageError(
                    f"{name}:{number + 1}: this line and all after it are empty. Remove them: the "
                    f"vocabulary has {number:,} pieces."
                )
            raise UsageError(
                f"{name}:{number + 1}: this line is empty. Line {number + 1} is the piece of id "
                f"{number}: write a piece there, such as [unused{number}]; do not remove the line."
            )
        if token in first:
            raise UsageError(
                f"{name}:{number + 1}: {token!r} is already in line {first[token] + 1}. "
                f"Write another piece here, such as [unused{number}]."
            )
        first[token] = number
    missing = [token for token in SPECIAL_TOKENS if token not in first]
    if missing:
        others = [token for token in _OTHERS_SPECIAL if token in first]
        of_other = f" It has {', '.join(others)}, as RoBERTa's and ALBERT's have." if others else ""
        raise UsageError(
            f"{name}: has {len(tokens):,} lines, none of which is {', '.join(missing)}.{of_other} "
            "Pass a BERT vocab.txt, or add them on lines of their own."
        )
