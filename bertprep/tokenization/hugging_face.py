"""Write the tokenizer files that transformers reads.

The tokenizer of transformers differs in ways that the files cannot change: for special tokens that
are spelled out, long words, final sigmas, private use and newer characters. All: docs/export.md.

Source: `save_pretrained` of transformers' BertTokenizer.
"""

from pathlib import Path
from typing import Any

from bertprep.options import TokenizerOptions
from bertprep.storage.plans import encode
from bertprep.tokenization.characters import is_ideograph
from bertprep.vocab import Vocabulary


def write_tokenizer(
    folder: Path, vocabulary: Vocabulary, tokenizer: TokenizerOptions, max_length: int
) -> None:
    """Write the vocabulary and the tokenizer's configuration."""
    # Each line as bertprep reads it: transformers keeps blanks and \r at its end in the piece.
    text = "".join(f"{token}\n" for token in vocabulary.tokens)
    (folder / "vocab.txt").write_bytes(text.encode())
    content: dict[str, Any] = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
        "tokenize_chinese_chars": tokenizer.tokenize_chinese_chars,
        "model_max_length": max_length,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")},
    }
    if tokenizer.never_split:
        flags = dict.fromkeys(("lstrip", "rstrip", "normalized", "special"), False)
        content["added_tokens_decoder"] = {
            # Left whole between word boundaries. Ideographs are word characters there, so that a
            # token of them would never be found where they are words of their own.
            str(vocabulary.ids[token]): {
                "content": token,
                "single_word": not tokenizer.tokenize_chinese_chars
                or not any(map(is_ideograph, token)),
                **flags,
            }
            for token in tokenizer.never_split
        }
    (folder / "tokenizer_config.json").write_bytes(encode(content))
