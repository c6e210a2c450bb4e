"""Words of unspaced scripts, and tokens that are kept whole: what the tokenizer asks at a border.

A token begins where the text has a border: at a blank, at punctuation, around an ideograph. Marks
take borders beside ideographs away, for masking alone; a token that is kept whole is looked for at
borders only. Neither is called where its option is off.
"""

import numpy as np

from bertprep.kernels.characters import (
    DONE,
    DROPPED,
    IDEOGRAPH,
    INVALID,
    LETTER,
    NEED_PAGE,
    PUNCTUATION,
    SPACE,
    class_of,
    decode,
)
from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.trie import next_node

#: What the word before a border is, as far as a word behind it can be joined to it: nothing can
#: (a blank, punctuation, a token that was kept whole), a run of letters, an ideograph.
NOTHING, LETTERS, AN_IDEOGRAPH = range(3)


@inlined()
def link_of(kind):
    """What a word of this class of characters is to the border behind it."""
    return NOTHING if kind == PUNCTUATION else AN_IDEOGRAPH if kind == IDEOGRAPH else LETTERS


@inlined()
def can_join(previous, link):
    """Whether two words without a blank between them are apart for an ideograph alone."""
    return previous * link > LETTERS


@njit(allocates=False)
def mark_of(pages, text, marks, at):
    """The mark of the word at byte `at`: that of its first character that is not dropped."""
    while True:
        code_point, length = decode(text, at)
        if class_of(pages, code_point) & 7 != DROPPED:
            return marks[at]
        at += length


@njit(allocates=False)
def _look_at(pages, text, at):
    """The class of the character at byte `at`, its length, its place in the pages, and a reason."""
    code_point, length = decode(text, at)
    if length == 0:
        return -1, np.int64(0), at, INVALID
    kind = class_of(pages, code_point)
    if kind < 0:
        return -1, np.int64(0), code_point, NEED_PAGE
    return kind & 7, np.int64(length), code_point, DONE


@inlined()
def _is_nothing(pages, kind, code_point):
    """A mark that is taken off."""
    return kind == LETTER and pages[2][pages[0][code_point >> 8], code_point & 255] == 0


@njit(allocates=False)
def _is_border(pages, text, at):
    """Whether a token that ends before byte `at` may end there, and the reason why not known.

    Characters that become nothing are looked through.
    """
    while True:
        kind, length, code_point, reason = _look_at(pages, text, at)
        if reason != DONE:
            return False, code_point, reason
        if kind in (SPACE, PUNCTUATION, IDEOGRAPH):
            return True, at, DONE
        if kind != DROPPED and not _is_nothing(pages, kind, code_point):
            return False, at, DONE
        at += length


@njit(allocates=False)
def match_kept(kept, pages, text, at):
    """The longest kept token that stands at byte `at`, between borders.

    Args:
        kept: bool[256], int64[2**n], int32[2**n], int32[...]. Bytes that one can begin with, those
            of characters that become nothing too; what `build_trie` filled; the tokens' ids.
        pages: as in `wordpiece.tokenize`.

    Returns:
        Its id (-1: there is none), the byte behind it, and DONE; or what is needed first, with the
        page or the byte in the second place.
    """
    _, keys, values, ids = kept
    node, token, stop = np.int64(0), np.int64(-1), np.int64(at)
    while True:
        kind, length, place, reason = _look_at(pages, text, at)
        if reason != DONE:
            return token, place, reason
        if kind == SPACE:
            return token, stop, DONE
        is_skipped = kind == DROPPED or (node == 0 and _is_nothing(pages, kind, place))
        if not is_skipped:
            for i in range(at, at + length):
                node = next_node(keys, values, node, text[i])
                if node < 0:
                    return token, stop, DONE
        at += length
        if ids[node] >= 0 and not is_skipped:
            is_border, place, reason = _is_border(pages, text, at)
            if reason != DONE:
                return token, place, reason
            if is_border:
                token, stop = np.int64(ids[node]), np.int64(at)
