"""UTF-8 text -> WordPiece ids, sentences and documents, in one pass over the bytes.

The text goes by *words*: runs of characters between blanks, punctuation and ideographs. A
word of up to 32 bytes is looked up in a memo by its raw bytes; on a miss its characters are mapped
(lower-cased, stripped of accents) by tables, and the result walks a trie of the vocabulary.
The tables hold the characters' properties in pages of 256, made by Python's `unicodedata`
when the text first needs them: the kernel stops with NEED_PAGE, is given the page and goes on.
A chunk whose mapping depends on context (a capital sigma) is handed back whole with CHUNK.

Cost: about 6 ns a byte of English. Source: BasicTokenizer and WordpieceTokenizer of
google-research/bert, whose ids this gives for every input.
"""

import numpy as np

from bertprep.kernels.characters import (
    CHUNK,
    DONE,
    DROPPED,
    IDEOGRAPH,
    LETTER,
    LONG_LINE,
    PUNCTUATION,
    SPACE,
    class_of,
    decode,
    map_characters,
    num_characters,
    scan_chunk,
    scan_word,
    strip,
)
from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.machine import count_trailing_zeros, first_bytes, load64
from bertprep.kernels.never_split import LETTERS, NOTHING, can_join, link_of, mark_of, match_kept
from bertprep.kernels.trie import match_pieces

# Fields of `progress: int64[12]`, in and out of `tokenize`.
(
    REASON,
    POSITION,
    NUM_TOKENS,
    NUM_SENTENCES,
    NUM_DOCUMENTS,
    LINE_START,
    LINE_TOKENS,
    CHUNK_START,
    CHUNK_TOKENS,
    DETAIL,
    DOCUMENT_HASH,
    PREVIOUS,
) = range(12)

#: The longest word, in bytes, that the memo keeps.
MEMO_BYTES = 32
_NO_TOKEN = np.uint64(0xFFFFFFFF)

_HASH_A = np.uint64(0x9E3779B97F4A7C15)
_HASH_B = np.uint64(0xC2B2AE3D27D4EB4F)
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_LOW7 = np.uint64(0x7F7F7F7F7F7F7F7F)
_CASE = np.uint64(0x2020202020202020)


@njit()
def _resolve(trie, pages, text, start, end, word, row, tokens, count):
    """Appends the tokens of a word that the memo lacks, and keeps them in its `row`."""
    mapped = map_characters(pages, text, start, end, word)
    stop = match_pieces(trie, word, mapped, tokens, count) if mapped else count
    size = end - start
    # A key of zero bytes past a word's first eight could be taken for the end of a shorter one.
    if size <= MEMO_BYTES and stop - count <= 8 and (size <= 8 or load64(text, start + 8) != 0):
        for part in range(4):
            row[part] = first_bytes(load64(text, start + 8 * part), size - 8 * part)
            at = count + 2 * part
            first = np.uint64(tokens[at]) if at < stop else _NO_TOKEN
            second = np.uint64(tokens[at + 1]) if at + 1 < stop else _NO_TOKEN
            row[4 + part] = first | second << np.uint64(32)
    return stop


@inlined()
def _not_alphanumeric(value):
    """Bit 7 of each byte of `value` that is no ASCII letter or digit."""
    lower = (value | _CASE) & _LOW7
    seven = value & _LOW7
    letter = (lower + np.uint64(0x1F) * _ONES) & ~(lower + np.uint64(0x05) * _ONES)
    digit = (seven + np.uint64(0x50) * _ONES) & ~(seven + np.uint64(0x46) * _ONES)
    return ~(letter | digit) & _HIGH | value & _HIGH


@njit()
def _hash_line(text, start, end, state):
    """Mixes a line's bytes and its length into a 64-bit state."""
    at = start
    while at < end:
        state = (state ^ first_bytes(load64(text, at), end - at)) * _HASH_A
        state ^= state >> np.uint64(32)
        at += 8
    state = (state ^ np.uint64(end - start)) * _HASH_B
    return state ^ (state >> np.uint64(29))


@njit()
def tokenize(
    text,
    end,
    limits,
    trie,
    pages,
    memo,
    word,
    tokens,
    sentences,
    documents,
    progress,
    marks,
    kept,
):
    """Tokenizes `text[:end]`, whole documents, from `progress[POSITION]` on.

    Args:
        text: uint8[>= end + PADDING]. UTF-8 without 0x0D; newlines at its end and behind.
        limits: int64[2]. Most characters a line may have; the hash's seed.
        trie: what `build_trie` filled; int64[3]: [UNK], the node of `##`, most characters a word.
        pages: int16[4352], uint8[n, 256], uint8[n, 256], uint64[n, 256, 2]: the characters' page,
            class, length of the mapped UTF-8, the mapped UTF-8.
        memo: uint64[2**n, 8]. Four words of key, eight tokens.
        word: uint8[>= 4 * most characters a word + 32]. Scratch for one mapped word.
        tokens: uint32[>= end + PADDING]. Out: id, and CONTINUES where the piece continues a word.
        sentences: int64[...]. Out: where each sentence ends in `tokens`.
        documents: int64[2, ...]. Out: where each document ends in `sentences`, and the hash of
            its stripped lines.
        progress: int64[12]. In and out: the fields named above.
        marks: uint8[>= end]. 1 where a character is in the word of the character before it, blanks
            aside; None where ideographs are words of their own, at no cost.
        kept: what `match_kept` looks tokens up in; None where none are kept whole, at no cost.
    """
    count = progress[NUM_TOKENS]
    num_sentences = progress[NUM_SENTENCES]
    num_documents = progress[NUM_DOCUMENTS]
    line_start, line_tokens = progress[LINE_START], progress[LINE_TOKENS]
    chunk_start, chunk_tokens = progress[CHUNK_START], progress[CHUNK_TOKENS]
    document_hash = np.uint64(progress[DOCUMENT_HASH])
    at = progress[POSITION]
    # What the word before was, where its blank-separated chunk still goes on.
    previous = progress[PREVIOUS]
    is_plain = marks is None and kept is None
    reason, detail = DONE, np.int64(0)
    classes = pages[1][0]
    # Indices in the loop are unsigned where they can be: signed ones are checked for negatives.
    memo_mask = np.uint64(memo.shape[0] - 1)
    while at < end:
        byte = text[np.uint64(at)]
        kind = classes[byte] & 7 if byte < 0x80 else LETTER
        if byte == 10:
            if at - line_start > limits[0] and num_characters(text, line_start, at) > limits[0]:
                reason = LONG_LINE
                break
            first, last = line_start, at
            if not (0x20 < text[first] < 0x7F and 0x20 < text[last - 1] < 0x7F):
                first, last = strip(pages, text, first, last)
            if first == last:
                if num_sentences > (documents[0, num_documents - 1] if num_documents else 0):
                    documents[0, num_documents] = num_sentences
                    documents[1, num_documents] = np.int64(document_hash)
                    num_documents += 1
                document_hash = np.uint64(limits[1])
            else:
                document_hash = _hash_line(text, first, last, document_hash)
                if count > line_tokens:
                    sentences[num_sentences] = count
                    num_sentences += 1
            at += 1
            line_start, line_tokens = at, count
            chunk_start, chunk_tokens, previous = at, count, NOTHING
            continue
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
        stop = at + 1
        if kind != PUNCTUATION:
            # An ASCII word shows its end in a few machine words; any other goes by character.
            stop = at
            outside = _not_alphanumeric(load64(text, stop))
            while outside == 0:
                stop += 8
                outside = _not_alphanumeric(load64(text, stop))
            stop += count_trailing_zeros(outside) >> 3
            border = text[np.uint64(stop)]
            if border >= 0x80 or classes[border] & 7 == DROPPED:
                stop, reason = scan_word(pages, text, stop)
                if reason == CHUNK:
                    detail, reason = scan_chunk(pages, text, stop, is_plain)
                    if reason == DONE:
                        reason, count = CHUNK, chunk_tokens
                        break
                    stop = detail
                if reason != DONE:
                    detail = stop
                    break
            if stop == at:
                code_point, length = decode(text, at)
                kind = class_of(pages, code_point) & 7
                stop = at + length
                if kind == SPACE:
                    at = stop
                    chunk_start, chunk_tokens, previous = at, count, NOTHING
                    continue
        size = stop - at
        before = count
        slot = np.uint64(0)
        found = False
        if size <= 8:
            k0 = load64(text, at) & (np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - 8 * size))
            slot = ((k0 * _HASH_A) >> np.uint64(40)) & memo_mask
            found = memo[slot, 0] == k0 and memo[slot, 1] == 0
        elif size <= MEMO_BYTES:
            k0, k1 = load64(text, at), first_bytes(load64(text, at + 8), size - 8)
            k2 = first_bytes(load64(text, at + 16), size - 16)
            k3 = first_bytes(load64(text, at + 24), size - 24)
            mixed = (k0 ^ (k2 * _HASH_B)) * _HASH_A ^ (k1 ^ (k3 * _HASH_A)) * _HASH_B
            mixed = (mixed ^ (mixed >> np.uint64(29))) * _HASH_A
            slot = (mixed >> np.uint64(40)) & memo_mask
            found = memo[slot, 0] == k0 and memo[slot, 1] == k1
            found = found and memo[slot, 2] == k2 and memo[slot, 3] == k3
        if not found:
            count = _resolve(trie, pages, text, at, stop, word, memo[slot], tokens, count)
        else:
            part = 4
            while part < 8:
                two = memo[slot, part]
                tokens[np.uint64(count)] = np.uint32(two & _NO_TOKEN)
                tokens[np.uint64(count + 1)] = np.uint32(two >> np.uint64(32))
                if (two >> np.uint64(32)) == _NO_TOKEN:
                    count += (two & _NO_TOKEN) != _NO_TOKEN
                    break
                count += 2
                part += 1
        if not is_plain and count > before:
            link = link_of(kind)
            if marks is not None:  # noqa: SIM102 (as above)
                if can_join(previous, link):
                    mark = marks[np.uint64(at)]
                    if link == LETTERS:  # an ideograph has no other characters about it
                        mark = mark_of(pages, text, marks, at)
                    tokens[np.uint64(before)] |= np.uint32(mark) << np.uint32(31)
            previous = link
        at = stop
        if text[np.uint64(at)] == 32:  # as it mostly is: no need to go round for it
            at += 1
            chunk_start, chunk_tokens, previous = at, count, NOTHING
        elif is_plain and kind == IDEOGRAPH:
            chunk_start, chunk_tokens = at, count
    progress[REASON], progress[POSITION], progress[DETAIL] = reason, at, detail
    progress[NUM_TOKENS], progress[NUM_SENTENCES] = count, num_sentences
    progress[NUM_DOCUMENTS], progress[DOCUMENT_HASH] = num_documents, np.int64(document_hash)
    progress[LINE_START], progress[LINE_TOKENS] = line_start, line_tokens
    progress[CHUNK_START], progress[CHUNK_TOKENS] = chunk_start, chunk_tokens
    progress[PREVIOUS] = previous
