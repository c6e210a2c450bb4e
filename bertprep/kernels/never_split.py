"""Word boundaries: words of unspaced scripts, and tokens that are never split.

A word begins at a boundary: after a blank, at punctuation, around an ideograph. Marks remove the
boundaries around ideographs, for masking only; tokens that are never split are matched at
boundaries only. Neither costs anything if its option is off.
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

#: Kind of the word before a boundary: one that no word continues (or a blank, or a token that was
#: kept whole), a run of letters, an ideograph.
NOTHING, LETTERS, AN_IDEOGRAPH = range(3)


@inlined()
def link_of(kind):
    """Return the kind of a word whose first character has class `kind`."""
    return NOTHING if kind == PUNCTUATION else AN_IDEOGRAPH if kind == IDEOGRAPH else LETTERS


@inlined()
def can_join(previous, link):
    """Return whether two adjacent words are separate only because one is an ideograph."""
    return previous * link > LETTERS


@njit(allocates=False)
def mark_of(pages, text, marks, at):
    """Return the mark of the word at byte `at`: that of its first character that is kept."""
    while True:
        code_point, length = decode(text, at)
        if class_of(pages, code_point) & 7 != DROPPED:
            return marks[at]
        at += length


@njit(allocates=False)
def _look_at(pages, text, at):
    """Return the class, length and code point of the character at byte `at`, and a reason."""
    code_point, length = decode(text, at)
    if length == 0:
        return -1, np.int64(0), at, INVALID
    kind = class_of(pages, code_point)
    if kind < 0:
        return -1, np.int64(0), code_point, NEED_PAGE
    return kind & 7, np.int64(length), code_point, DONE


@inlined()
def _is_nothing(pages, kind, code_point):
    """Return whether the character is a mark that is removed."""
    return kind == LETTER and pages[2][pages[0][code_point >> 8], code_point & 255] == 0


@njit(allocates=False)
def _is_boundary(pages, text, at):
    """Return whether a boundary is before byte `at`, a place, and the reason if that is unknown.

    Characters that are dropped or removed are skipped.
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
    """Match the longest token that is never split at byte `at`, between boundaries.

    Args:
        kept: bool[256], int64[2**n], int32[2**n], int32[...]. Bytes that one can begin with,
            including those of dropped characters; what `build_trie` filled; the tokens' ids.
        pages: as in `wordpiece.tokenize`.

    Returns:
        Its id (-1: no match), the byte after it, and DONE; or another reason, with the code point
        or the byte that it is about in the second place.
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
            is_boundary, place, reason = _is_boundary(pages, text, at)
            if reason != DONE:
                return token, place, reason
            if is_boundary:
                token, stop = np.int64(ids[node]), np.int64(at)
