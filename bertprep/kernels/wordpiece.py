"""UTF-8 text -> WordPiece ids, sentences and documents, in one pass over the bytes.

The text is read word by word (see `word_lookup`). A word of up to 32 bytes is looked up in a memo
by its raw bytes; on a miss its characters are mapped (lower-cased, stripped of accents) by tables,
and the result walks a trie of the vocabulary. The tables hold the characters' properties in pages
of 256, made by Python's `unicodedata` when the text first needs them: the kernel returns with
NEED_PAGE, and continues once the page is there. A chunk whose mapping depends on context (a capital
sigma) is handed back whole with CHUNK.

Cost: about 6 ns per byte of English. Source: BasicTokenizer and WordpieceTokenizer of
google-research/bert, whose ids this gives for every input.
"""

import numpy as np

from bertprep.kernels.characters import (
    CHUNK,
    DONE,
    IDEOGRAPH,
    LETTER,
    LONG_LINE,
    SPACE,
    map_characters,
    num_characters,
    strip,
)
from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.machine import first_bytes, load64
from bertprep.kernels.never_split import LETTERS, NOTHING, can_join, link_of, mark_of, match_kept
from bertprep.kernels.trie import match_pieces
from bertprep.kernels.word_lookup import (
    HASH_A,
    HASH_B,
    MEMO_BYTES,
    SCAN_FIELDS,
    find_word_end,
    probe,
    write_key,
)

#: State of `tokenize` between its calls: that of a scan, the key of the document hashes, the hash
#: of the document so far, the numbers of results so far, the tokens before the line and before
#: the chunk, and what the previous word of the chunk was (`never_split`).
STATE = np.dtype(
    [
        *SCAN_FIELDS,
        ("hash_key", np.uint64),
        ("document_hash", np.uint64),
        ("num_tokens", np.int64),
        ("num_sentences", np.int64),
        ("num_documents", np.int64),
        ("line_tokens", np.int64),
        ("chunk_tokens", np.int64),
        ("previous", np.int64),
    ]
)

_NO_TOKEN = np.uint64(0xFFFFFFFF)
_NEWLINE, _BLANK = 10, 32


@njit(allocates=False)
def _hash_line(text, start, end, state):
    """Mix a line's bytes and its length into a 64-bit state."""
    at = start
    while at < end:
        state = (state ^ first_bytes(load64(text, at), end - at)) * HASH_A
        state ^= state >> np.uint64(32)
        at += 8
    state = (state ^ np.uint64(end - start)) * HASH_B
    return state ^ (state >> np.uint64(29))


@njit(allocates=False)
def _end_line(text, end, pages, count, sentences, documents, state):
    """End the line before byte `end`, and the document if it is blank; False if it is too long."""
    start, longest = state.line_start, state.max_line_chars
    if end - start > longest and num_characters(text, start, end) > longest:
        return False
    first, last = start, end
    if not (0x20 < text[first] < 0x7F and 0x20 < text[last - 1] < 0x7F):
        first, last = strip(pages, text, first, last)
    if first == last:
        number = state.num_documents
        if state.num_sentences > (documents[0, number - 1] if number else 0):
            documents[0, number] = state.num_sentences
            documents[1, number] = np.int64(state.document_hash)
            state.num_documents = number + 1
        state.document_hash = state.hash_key
    else:
        state.document_hash = _hash_line(text, first, last, state.document_hash)
        if count > state.line_tokens:
            sentences[state.num_sentences] = count
            state.num_sentences += 1
    state.line_start, state.line_tokens = end + 1, count
    return True


@njit(allocates=False)
def _resolve(lookups, text, start, end, memo_row, tokens, count):
    """Append the tokens of a word that the memo lacks, and keep them there; return the count."""
    trie, pages, memo, word = lookups
    mapped = map_characters(pages, text, start, end, word)
    stop = match_pieces(trie, word, mapped, tokens, count) if mapped else count
    size = end - start
    # A key of zero bytes after a word's first eight could be taken for the end of a shorter one.
    if size <= MEMO_BYTES and stop - count <= 8 and (size <= 8 or load64(text, start + 8) != 0):
        row = memo[memo_row]
        write_key(row, text, start, size)
        for part in range(4):
            at = count + 2 * part
            first = np.uint64(tokens[at]) if at < stop else _NO_TOKEN
            second = np.uint64(tokens[at + 1]) if at + 1 < stop else _NO_TOKEN
            row[4 + part] = first | second << np.uint64(32)
    return stop


@inlined()
def _append_remembered(memo, memo_row, tokens, count):
    """Append the tokens of a row of the memo; return the count."""
    part = 4
    while part < 8:
        two = memo[memo_row, part]
        tokens[np.uint64(count)] = np.uint32(two & _NO_TOKEN)
        tokens[np.uint64(count + 1)] = np.uint32(two >> np.uint64(32))
        if (two >> np.uint64(32)) == _NO_TOKEN:
            count += (two & _NO_TOKEN) != _NO_TOKEN
            break
        count += 2
        part += 1
    return count


@njit(allocates=False)
def _join(pages, text, at, link, previous, marks, tokens, first):
    """Make the word at byte `at`, of tokens from `first` on, continue the previous if marked."""
    if can_join(previous, link):
        mark = marks[np.uint64(at)]
        if link == LETTERS:  # no dropped characters go with an ideograph
            mark = mark_of(pages, text, marks, at)
        tokens[np.uint64(first)] |= np.uint32(mark) << np.uint32(31)


@njit(allocates=False)
def tokenize(text, end, lookups, results, states, marks, kept):
    """Tokenize `text[:end]`, whole documents, from the position of the state on.

    Args:
        text: uint8[>= end + PADDING]. UTF-8 without 0x0D; newlines at its end and after it.
        lookups: the trie: what `build_trie` filled, and int64[3]: [UNK], the node of `##`, most
            characters per word; the pages: int16[4352], uint8[n, 256], uint8[n, 256], uint64[n,
            256, 2]: the characters' page, class, length of the mapped UTF-8, the mapped UTF-8; the
            memo: uint64[2**n, 8], with eight tokens per word; and uint8[>= 4 * most characters per
            word + 32], scratch for one mapped word.
        results: uint32[>= end + PADDING]: the tokens, CONTINUES where a piece continues a word;
            int64[...]: the end of each sentence in the tokens; int64[2, ...]: the end of each
            document in the sentences, and the hash of its stripped lines.
        states: STATE[1]. In and out.
        marks: uint8[>= end]. 1 where a character is in the word of the character before it, blanks
            aside; None where ideographs are words of their own, at no cost.
        kept: what `match_kept` looks tokens up in; None if every token may be split, at no cost.
    """
    pages, memo = lookups[1], lookups[2]
    tokens, sentences, documents = results
    state = states[0]
    at, count, previous = state.position, state.num_tokens, state.previous
    chunk_start, chunk_tokens = state.chunk_start, state.chunk_tokens
    is_plain = marks is None and kept is None
    reason, detail = DONE, np.int64(0)
    classes = pages[1][0]
    # Indices in the loop are unsigned where they can be: signed ones are checked for negatives.
    # One loop over local variables: fields of the state and calls per word would cost speed.
    while at < end:
        byte = text[np.uint64(at)]
        kind = np.int64(classes[byte] & 7) if byte < 0x80 else LETTER
        if byte == _NEWLINE and not _end_line(text, at, pages, count, sentences, documents, state):
            reason = LONG_LINE
            break
        if kind == SPACE:
            at += 1
            chunk_start, chunk_tokens, previous = at, count, NOTHING
            continue
        if kept is not None:  # noqa: SIM102 (numba leaves out what is under such a test alone)
            if previous != LETTERS and kept[0][byte]:
                token, stop, reason = match_kept(kept, pages, text, at)
                if reason != DONE:
                    detail = stop
                    break
                if token >= 0:
                    tokens[np.uint64(count)] = np.uint32(token)
                    count += 1
                    at, previous = stop, NOTHING
                    continue
        stop, kind, reason = find_word_end(text, at, kind, pages, classes, is_plain)
        if reason != DONE:
            detail = stop
            if reason == CHUNK:
                count = chunk_tokens
            break
        if kind == SPACE:
            at = stop
            chunk_start, chunk_tokens, previous = at, count, NOTHING
            continue
        before = count
        row, found = probe(memo, text, at, stop - at)
        if found:
            count = _append_remembered(memo, row, tokens, count)
        else:
            count = _resolve(lookups, text, at, stop, row, tokens, count)
        if not is_plain and count > before:
            link = link_of(kind)
            if marks is not None:
                _join(pages, text, at, link, previous, marks, tokens, before)
            previous = link
        at = stop
        if text[np.uint64(at)] == _BLANK:  # the usual case, without another turn of the loop
            at += 1
            chunk_start, chunk_tokens, previous = at, count, NOTHING
        elif is_plain and kind == IDEOGRAPH:
            chunk_start, chunk_tokens = at, count
    state.reason, state.position, state.detail = reason, at, detail
    state.num_tokens, state.previous = count, previous
    state.chunk_start, state.chunk_tokens = chunk_start, chunk_tokens
