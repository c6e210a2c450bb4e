"""How text is cut -> the tokenizer files that transformers reads.

Deliberate differences of a tokenizer in transformers, which the files cannot take away: a word of
more than 100 characters is one [UNK] there, of more than `max_input_chars_per_word` (200) here;
text that spells `[MASK]` is the mask there; a final sigma is lower-cased as any other; a token that
is never split is not found there beside `_` or an ideograph, and is beside a symbol such as `€`.

Source: `save_pretrained` of transformers' BertTokenizer.
"""

from pathlib import Path
from typing import Any

from bertprep.options import TokenizerOptions
from bertprep.storage.plans import encode
from bertprep.tokenization.properties import is_ideograph
from bertprep.vocab import Vocabulary


def write_tokenizer(
    folder: Path, vocabulary: Vocabulary, tokenizer: TokenizerOptions, max_length: int
) -> None:
    """Writes the vocabulary and how text is cut with it."""
    # Each line as bertprep reads it: transformers takes blanks and \r at its end for the piece's.
    text = "".join(f"{token}\n" for token in vocabulary.tokens)
    (folder / "vocab.txt").write_bytes(text.encode())
    content: dict[str, Any] = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
        "tokenize_chinese_chars": True,
        "model_max_length": max_length,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")},
    }
    if tokenizer.never_split:
        content["added_tokens_decoder"] = {
            str(vocabulary.ids[token]): _added(token) for token in tokenizer.never_split
        }
    (folder / "tokenizer_config.json").write_bytes(encode(content))


def _added(token: str) -> dict[str, Any]:
    """How transformers is told of a token that stays whole, where it does not go on as a word."""
    return {
        "content": token,
        # Their words have ideographs in them, so that one of ideographs would never be found.
        "single_word": not any(map(is_ideograph, token)),
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": False,
    }
