"""A run -> the four files that `BertForPreTraining.from_pretrained` and `AutoTokenizer` read.

Deliberate differences of a tokenizer in transformers, which the files cannot take away: a word of
more than 100 characters is one [UNK] there, of more than `max_input_chars_per_word` (200) here;
text that spells `[MASK]` is the mask there; a final sigma is lower-cased as any other; a token that
is never split is not found there beside `_` or an ideograph, and is beside a symbol such as `€`.

Source: `save_pretrained` of transformers' BertForPreTraining and BertTokenizer.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from bertprep.options import TokenizerOptions
from bertprep.tokenization.properties import is_ideograph
from bertprep.trainer.config import BertConfig
from bertprep.trainer.layers import LAYER_NORM_EPSILON
from bertprep.vocab import Vocabulary


def write_hugging_face(
    folder: Path,
    config: BertConfig,
    weights: Mapping[str, np.ndarray],
    vocabulary: Vocabulary,
    tokenizer: TokenizerOptions,
    max_length: int,
) -> None:
    """Writes the folder's files.

    Args:
        folder: an empty one.
        config: the shape of the model.
        weights: float32 by their names in `BertForPreTraining`, the decoder left out: it is the
            word embeddings.
        vocabulary: of the model.
        tokenizer: how its text became ids.
        max_length: tokens of the longest sequence that the model has learned from.
    """
    _write_json(folder / "config.json", config_of(config, vocabulary))
    # Without the format transformers takes the file for another framework's.
    save_file(dict(weights), folder / "model.safetensors", metadata={"format": "pt"})
    write_tokenizer(folder, vocabulary, tokenizer, max_length)


def config_of(config: BertConfig, vocabulary: Vocabulary) -> dict[str, Any]:
    """The content of config.json."""
    return {
        "architectures": ["BertForPreTraining"],
        "model_type": "bert",
        **config.to_json(),
        "layer_norm_eps": LAYER_NORM_EPSILON,
        "position_embedding_type": "absolute",
        "pad_token_id": vocabulary.pad_id,
        "tie_word_embeddings": True,
    }


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
    _write_json(folder / "tokenizer_config.json", content)


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


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_bytes((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
