"""Characters that tokenizers trip over, and a vocabulary of them."""

import random
from functools import cache
from itertools import pairwise

from bertprep.data import TokenizedDocuments
from bertprep.tokenization.characters import map_characters
from bertprep.vocab import Vocabulary

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


#: --lowercase, --strip-accents.
MODES = [(True, True), (True, False), (False, True), (False, False)]
#: And --tokenize-chinese-chars.
ALL_MODES = [*((*mode, True) for mode in MODES), (True, True, False), (False, False, False)]


Tokens = list[list[list[int]]]


# Every kind of character: cased, accented, dropped, blank, punctuation, ideographs, sigmas, marks
# that change places, hangul, mappings that grow, what is only half of a pair, plane 1.
NASTY = (
    "abzAZ059 .,-_$[]#~\t\v\f\x1c\x1f\x7f\x85\xa0\xad\xaa\xb5éÉßẞǆĲïİı≠;\u1fef\u212b\u2126\u0340"
    "ΣσςΟΑάᾲ\u0300\u0301\u0308\u0323\u0345\u05b0\u20dd\u302e\u1b35\u1b44\u0f39Ж،؟\u06dd\u0640"
    "\u200b\u200d\u2028\u2029\u3000\ufeff\ufffd\ufffe\ue000\u0378\uffff、。〇々中文豈\ufa0e\u3400"
    "かがｶﾞ한\u1112\u1161\u11abＡ０！𝐀𐐀𝅘𝅥𝅗𠀀丽𪜀𫠠\U000e0020\U0010ffff👩🏽"
)


@cache
def nasty_vocabulary() -> Vocabulary:
    """Pieces of one to three mapped characters, and one character in six that has none."""
    rng = random.Random(7)
    mapped = sorted({m for mode in MODES for c in NASTY for m in map_characters(c, *mode)})
    mapped = [c for c in mapped if c.strip()]
    pieces = {c for c in mapped if rng.random() > 0.15}
    pieces |= {"##" + c for c in mapped if rng.random() > 0.15}
    for size in (2, 2, 3):
        for _ in range(600):
            piece = "".join(rng.choices(mapped, k=size))
            pieces |= {piece, "##" + piece}
    pieces |= {c * k for c in "aé中" for k in (2, 8)} | {"##" + "a" * k for k in (3, 9)}
    return Vocabulary.parse("\n".join([*SPECIALS, *sorted(pieces)]).encode(), lenient=True)


def nested(documents: TokenizedDocuments) -> Tokens:
    """The same of arrays."""
    tokens, sentences = documents.tokens.tolist(), documents.sentence_offsets.tolist()
    spans = [tokens[a:b] for a, b in pairwise(sentences)]
    borders = documents.document_offsets.tolist()
    return [spans[a:b] for a, b in pairwise(borders)]
