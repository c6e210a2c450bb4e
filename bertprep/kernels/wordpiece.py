"""UTF-8 text -> WordPiece ids, sentences and documents, in one pass over the bytes.

The text goes by *words*: runs of characters between blanks, punctuation and ideographs. A
word of up to 32 bytes is looked up in a memo by its raw bytes; on a miss its characters are mapped
(lower-cased, stripped of accents) by tables, and the result walks a trie of the vocabulary.
The tables hold the characters' properties in pages of 256, made by Python's `unicodedata`
when the text first needs them: the kernel stops with NEED_PAGE, is given the page and goes on.
A chunk whose mapping depends on context (a capital sigma) is handed back whole with CHUNK.

Cost: about 3 ns a byte of English. Source: BasicTokenizer and WordpieceTokenizer of
google-research/bert, whose ids this gives for every input.
"""

import numpy as np

from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.machine import count_trailing_zeros, load64

# What a character is to the tokenizer, in `pages.classes`.
LETTER, SPACE, DROPPED, IDEOGRAPH, PUNCTUATION, CONTEXTUAL = range(6)
#: Set beside a class where Python's `str.strip()` takes the character off.
STRIPPED = 8

# Why `tokenize` came back; `progress[REASON]`.
DONE, NEED_PAGE, CHUNK, INVALID, LONG_LINE = range(5)

# Fields of `progress: int64[11]`, in and out of `tokenize`.
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
) = range(11)

#: Bit of a token that continues the word before it; the other bits are its id.
CONTINUES = np.uint32(1 << 31)
_CONTINUES = 1 << 31
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
def build_trie(piece_bytes, piece_offsets, keys, values, accepts):
    """Fills a trie of the vocabulary's pieces, its edges in an open-addressed hash table.

    Args:
        piece_bytes, piece_offsets: the pieces' UTF-8, concatenated; int64[V + 1].
        keys: int64[2**n], zero. (node * 256 + byte + 1) of each edge.
        values: int32[2**n]. The node that the edge leads to.
        accepts: int32[max nodes], -1. The piece that ends at each node.
    """
    mask = keys.size - 1
    num_nodes = 1
    for piece in range(piece_offsets.size - 1):
        node = 0
        for i in range(piece_offsets[piece], piece_offsets[piece + 1]):
            key = node * 256 + np.int64(piece_bytes[i]) + 1
            slot = _edge_slot(keys, mask, key)
            if keys[slot] == 0:
                keys[slot] = key
                values[slot] = num_nodes
                num_nodes += 1
            node = values[slot]
        accepts[node] = piece
    return num_nodes


@njit()
def _edge_slot(keys, mask, key):
    slot = np.int64((np.uint64(key) * _HASH_A) >> np.uint64(32)) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@njit()
def _next_node(trie, node, byte):
    """The node after `byte`, or -1."""
    keys, values = trie[0], trie[1]
    key = node * 256 + np.int64(byte) + 1
    slot = _edge_slot(keys, keys.size - 1, key)
    return np.int64(values[slot]) if keys[slot] == key else np.int64(-1)


@njit()
def match_pieces(trie, word, size, tokens, start):
    """Greedy longest-match of `word[:size]`; writes tokens from `start`, returns their end.

    A word with a part that is no piece becomes one [UNK].
    """
    accepts, limits = trie[2], trie[3]
    unknown, continued, max_characters = limits[0], limits[1], limits[2]
    at = 0 if _num_characters(word, 0, size) <= max_characters else -1
    end = start
    while 0 <= at < size:
        node = np.int64(0) if at == 0 else continued
        piece, piece_end = -1, -1
        i = at
        while i < size and node >= 0:
            node = _next_node(trie, node, word[i])
            i += 1
            if node >= 0 and accepts[node] >= 0:
                piece, piece_end = accepts[node], i
        if piece >= 0:
            tokens[end] = np.uint32(piece) | (np.uint32(_CONTINUES) if at else np.uint32(0))
            end += 1
        at = piece_end
    if at < 0:
        tokens[start] = np.uint32(unknown)
        end = start + 1
    return end


@njit()
def _decode(text, at):
    """The code point at byte `at` and its length in bytes; length 0 where it is not UTF-8."""
    a = np.int64(text[at])
    if a < 0x80:
        return a, 1
    b = np.int64(text[at + 1])
    if 0xC2 <= a <= 0xDF and (b & 0xC0) == 0x80:
        return (a & 0x1F) << 6 | (b & 0x3F), 2
    c = np.int64(text[at + 2])
    if (a & 0xF0) == 0xE0 and (b & 0xC0) == 0x80 and (c & 0xC0) == 0x80:
        code_point = (a & 0x0F) << 12 | (b & 0x3F) << 6 | (c & 0x3F)
        if code_point >= 0x800 and not 0xD800 <= code_point <= 0xDFFF:
            return code_point, 3
        return np.int64(0), 0
    d = np.int64(text[at + 3])
    if (a & 0xF8) == 0xF0 and (b & 0xC0) == 0x80 and (c & 0xC0) == 0x80 and (d & 0xC0) == 0x80:
        code_point = (a & 0x07) << 18 | (b & 0x3F) << 12 | (c & 0x3F) << 6 | (d & 0x3F)
        if 0x10000 <= code_point <= 0x10FFFF:
            return code_point, 4
    return np.int64(0), 0


@njit()
def _class_of(pages, code_point):
    """The class of a code point, or -1 where its page is not there yet."""
    page = pages[0][code_point >> 8]
    return np.int64(pages[1][page, code_point & 255]) if page >= 0 else np.int64(-1)


@njit()
def _scan_word(pages, text, at):
    """The end of the word at byte `at`, and the reason why it cannot be told (or DONE)."""
    while True:
        code_point, length = _decode(text, at)
        if length == 0:
            return at, INVALID
        kind = _class_of(pages, code_point)
        if kind < 0:
            return code_point, NEED_PAGE
        kind &= 7
        if kind == CONTEXTUAL:
            return at, CHUNK
        if kind != LETTER and kind != DROPPED:
            return at, DONE
        at += length


@njit()
def _scan_chunk(pages, text, at):
    """The end of the blank-separated chunk at `at`: the next space or ideograph."""
    while True:
        code_point, length = _decode(text, at)
        if length == 0:
            return at, INVALID
        kind = _class_of(pages, code_point)
        if kind < 0:
            return code_point, NEED_PAGE
        if kind & 7 == SPACE or kind & 7 == IDEOGRAPH:
            return at, DONE
        at += length


@njit()
def _map_characters(pages, text, start, end, word):
    """Writes the mapped characters of `text[start:end]` into `word`; returns their size in bytes.

    Stops where `word` is full, which is more than a word that is no [UNK] can have.
    """
    page_of, _, lengths, mapped = pages
    size = 0
    while start < end and size + 16 <= word.size:
        code_point, length = _decode(text, start)
        start += length
        page, cell = page_of[code_point >> 8], code_point & 255
        for i in range(lengths[page, cell]):
            word[size + i] = (mapped[page, cell, i >> 3] >> np.uint64(8 * (i & 7))) & np.uint64(255)
        size += np.int64(lengths[page, cell])
    return size


@njit()
def _resolve(trie, pages, text, start, end, word, row, tokens, count):
    """Appends the tokens of a word that the memo lacks, and keeps them in its `row`."""
    mapped = _map_characters(pages, text, start, end, word)
    stop = match_pieces(trie, word, mapped, tokens, count) if mapped else count
    size = end - start
    # A key of zero bytes past a word's first eight could be taken for the end of a shorter one.
    if size <= MEMO_BYTES and stop - count <= 8 and (size <= 8 or load64(text, start + 8) != 0):
        for part in range(4):
            row[part] = _head(load64(text, start + 8 * part), size - 8 * part)
            at = count + 2 * part
            first = np.uint64(tokens[at]) if at < stop else _NO_TOKEN
            second = np.uint64(tokens[at + 1]) if at + 1 < stop else _NO_TOKEN
            row[4 + part] = first | second << np.uint64(32)
    return stop


@inlined()
def _head(value, size):
    """The first `size` bytes of a loaded word, the rest zero; size >= 8: all of it, <= 0: none."""
    if size >= 8:
        return value
    if size <= 0:
        return np.uint64(0)
    return value & ((np.uint64(1) << np.uint64(8 * size)) - np.uint64(1))


@inlined()
def _not_alphanumeric(value):
    """Bit 7 of each byte of `value` that is no ASCII letter or digit."""
    lower = (value | _CASE) & _LOW7
    seven = value & _LOW7
    letter = (lower + np.uint64(0x1F) * _ONES) & ~(lower + np.uint64(0x05) * _ONES)
    digit = (seven + np.uint64(0x50) * _ONES) & ~(seven + np.uint64(0x46) * _ONES)
    return ~(letter | digit) & _HIGH | value & _HIGH


@njit()
def _num_characters(text, start, end):
    """Number of code points in `text[start:end]`."""
    characters = 0
    for i in range(start, end):
        characters += (text[i] & 0xC0) != 0x80
    return characters


@njit()
def _strip(pages, text, start, end):
    """`str.strip()` of a line of valid UTF-8 whose pages are all there."""
    while start < end:
        code_point, length = _decode(text, start)
        if not _class_of(pages, code_point) & STRIPPED:
            break
        start += length
    while end > start:
        at = end - 1
        while (text[at] & 0xC0) == 0x80:
            at -= 1
        code_point, _ = _decode(text, at)
        if not _class_of(pages, code_point) & STRIPPED:
            break
        end = at
    return start, end


@njit()
def _hash_line(text, start, end, state):
    """Mixes a line's bytes and its length into a 64-bit state."""
    at = start
    while at < end:
        state = (state ^ _head(load64(text, at), end - at)) * _HASH_A
        state ^= state >> np.uint64(32)
        at += 8
    state = (state ^ np.uint64(end - start)) * _HASH_B
    return state ^ (state >> np.uint64(29))


@njit()
def tokenize(text, end, limits, trie, pages, memo, word, tokens, sentences, documents, progress):
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
        progress: int64[11]. In and out: the fields named above.
    """
    count = progress[NUM_TOKENS]
    num_sentences = progress[NUM_SENTENCES]
    num_documents = progress[NUM_DOCUMENTS]
    line_start, line_tokens = progress[LINE_START], progress[LINE_TOKENS]
    chunk_start, chunk_tokens = progress[CHUNK_START], progress[CHUNK_TOKENS]
    document_hash = np.uint64(progress[DOCUMENT_HASH])
    at = progress[POSITION]
    reason, detail = DONE, np.int64(0)
    classes = pages[1][0]
    # Indices in the loop are unsigned where they can be: signed ones are checked for negatives.
    memo_mask = np.uint64(memo.shape[0] - 1)
    while at < end:
        byte = text[np.uint64(at)]
        kind = classes[byte] & 7 if byte < 0x80 else LETTER
        if byte == 10:
            if at - line_start > limits[0] and _num_characters(text, line_start, at) > limits[0]:
                reason = LONG_LINE
                break
            first, last = line_start, at
            if not (0x20 < text[first] < 0x7F and 0x20 < text[last - 1] < 0x7F):
                first, last = _strip(pages, text, first, last)
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
            chunk_start, chunk_tokens = at, count
            continue
        if kind == SPACE:
            at += 1
            chunk_start, chunk_tokens = at, count
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
                stop, reason = _scan_word(pages, text, stop)
                if reason == CHUNK:
                    detail, reason = _scan_chunk(pages, text, stop)
                    if reason == DONE:
                        reason, count = CHUNK, chunk_tokens
                        break
                    stop = detail
                if reason != DONE:
                    detail = stop
                    break
            if stop == at:
                code_point, length = _decode(text, at)
                kind = _class_of(pages, code_point) & 7
                stop = at + length
                if kind == SPACE:
                    at = stop
                    chunk_start, chunk_tokens = at, count
                    continue
        size = stop - at
        slot = np.uint64(0)
        found = False
        if size <= 8:
            k0 = load64(text, at) & (np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - 8 * size))
            slot = ((k0 * _HASH_A) >> np.uint64(40)) & memo_mask
            found = memo[slot, 0] == k0 and memo[slot, 1] == 0
        elif size <= MEMO_BYTES:
            k0, k1 = load64(text, at), _head(load64(text, at + 8), size - 8)
            k2 = _head(load64(text, at + 16), size - 16)
            k3 = _head(load64(text, at + 24), size - 24)
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
        at = stop
        if text[np.uint64(at)] == 32:  # as it mostly is: no need to go round for it
            at += 1
            chunk_start, chunk_tokens = at, count
        elif kind == IDEOGRAPH:
            chunk_start, chunk_tokens = at, count
    progress[REASON], progress[POSITION], progress[DETAIL] = reason, at, detail
    progress[NUM_TOKENS], progress[NUM_SENTENCES] = count, num_sentences
    progress[NUM_DOCUMENTS], progress[DOCUMENT_HASH] = num_documents, np.int64(document_hash)
    progress[LINE_START], progress[LINE_TOKENS] = line_start, line_tokens
    progress[CHUNK_START], progress[CHUNK_TOKENS] = chunk_start, chunk_tokens
