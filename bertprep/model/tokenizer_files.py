"""The tokenizer files next to weights -> their vocabulary, and how their text was tokenized.

    vocab.txt               one piece per line
    tokenizer.json          vocabulary and normalizer, as the library tokenizers writes them
    tokenizer_config.json   options of transformers' tokenizer class; these win, as they do there

Source: BertNormalizer of tokenizers; BertTokenizer of transformers, which from version 5 on writes
no vocab.txt.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bertprep.errors import UsageError
from bertprep.json_files import COUNT, read_json
from bertprep.model.saved_run import VOCABULARY_NAME
from bertprep.vocab import MOST_PIECES, SPECIAL_TOKENS, Vocabulary

_ADDED = {"content": str, "special?": bool}
_SWITCH = (bool, None)
_TOKENIZER = {
    "model": {"type?": str, "vocab?": object},
    "normalizer?": (
        {"type": str, "lowercase?": bool, "strip_accents?": _SWITCH, "handle_chinese_chars?": bool},
        None,
    ),
    "added_tokens?": [{"id": COUNT, **_ADDED}],
}
_CONFIG = {
    "do_lower_case?": bool,
    "strip_accents?": _SWITCH,
    "tokenize_chinese_chars?": bool,
    "tokenizer_class?": (str, None),
    "added_tokens_decoder?": dict,
}
#: Names of these files for our options.
_OPTIONS = {
    "lowercase": "lowercase",
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
    "tokenize_chinese_chars": "tokenize_chinese_chars",
}


def read_tokenizer(folder: Path) -> tuple[Vocabulary | None, dict[str, Any]]:
    """Return the vocabulary in a folder and the tokenizer options that its files state, by name.

    Raises:
        UsageError: a file is damaged, or of a tokenizer that is not WordPiece.
    """
    whole, config = (
        read_json(folder / name, shape) if (folder / name).is_file() else {}
        for name, shape in (("tokenizer.json", _TOKENIZER), ("tokenizer_config.json", _CONFIG))
    )
    vocabulary, path = None, folder / VOCABULARY_NAME
    kind = whole.get("model", {}).get("type", "WordPiece")
    if kind != "WordPiece":
        raise UsageError(f"{folder / 'tokenizer.json'}: is a {kind} tokenizer, not WordPiece")
    if path.exists():
        vocabulary = Vocabulary.load(path, lenient=True)
    elif whole:
        vocabulary = _vocabulary_of(whole, str(folder / "tokenizer.json"))
    normalizer = whole.get("normalizer") or {}
    stated = normalizer if normalizer.get("type") == "BertNormalizer" else {}
    options = {_OPTIONS[name]: v for name, v in (stated | config).items() if name in _OPTIONS}
    if "lowercase" in options:  # what is not stated follows from it, as in BERT's tokenizers
        options = {"strip_accents": None, "tokenize_chinese_chars": True} | options
        if options["strip_accents"] is None:
            options["strip_accents"] = options["lowercase"]
    added = config.get("added_tokens_decoder", {}).values() or whole.get("added_tokens", ())
    if added:
        options["never_split"] = tuple(sorted(_ordinary(added)))
    return vocabulary, options


def _ordinary(added: Iterable[Any]) -> Iterable[str]:
    """Yield the added tokens that are not special."""
    for token in added:
        is_token = isinstance(token, dict) and isinstance(token.get("content"), str)
        if is_token and not token.get("special") and token["content"] not in SPECIAL_TOKENS:
            yield token["content"]


def _vocabulary_of(whole: dict[str, Any], name: str) -> Vocabulary:
    """Return the vocabulary of a tokenizer.json; ids without a piece are `[unused<id>]`."""
    pieces = whole["model"].get("vocab")
    ids = list(pieces.items()) if isinstance(pieces, dict) else []
    if not all(type(i) is int and 0 <= i < MOST_PIECES for _, i in ids) or not ids:
        raise UsageError(f"{name}: model.vocab must have the pieces of a WordPiece vocabulary")
    ids += [(t["content"], t["id"]) for t in whole.get("added_tokens", ()) if t["id"] < MOST_PIECES]
    lines = [f"[unused{i}]" for i in range(1 + max(i for _, i in ids))]
    for piece, i in ids:
        lines[i] = piece
    return Vocabulary.parse(
        "".join(f"{line}\n" for line in lines).encode(errors="replace"), name, True
    )
