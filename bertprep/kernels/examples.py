"""Blocks of TFRecord files -> a row of int32 for each record.

A row holds the features one behind the other, in the order of data.FEATURES: with L max_seq_length
and P max_predictions, three times L and twice P integers, the bits of P float32, one integer. What
is not as all writers write it (numbers that are not packed, unknown features, values of more than
21 bits) is left to the plain reader, and marked.

Cost: 0.5 us a record of 128 tokens, CRCs checked.
Source: TFRecord's framing and `example.proto` of TensorFlow; protobuf's encoding.
"""

import numpy as np

from bertprep.kernels.crc32c import masked_crc32c
from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.machine import load64

#: What a record is, in `states`.
READ, DAMAGED, UNUSUAL = range(3)
#: Why `scan_frames` stopped.
ENOUGH, INCOMPLETE, WRONG = range(3)

FRAME_SIZE, HEADER_SIZE = 16, 12
#: Width of a row of `names`: a feature's name of at least eight bytes, its size in the last one.
NAME_WIDTH = 32
NUM_FEATURES = 7
WEIGHTS = 5


@inlined()
def _load32(data, at):
    return np.uint32(load64(data, at) & np.uint64(0xFFFFFFFF))


@njit()
def scan_frames(data, start, stop, end, longest, offsets, sizes):
    """Finds the frames of `data[:end]` that begin in `data[start:stop]`, checks both their CRCs.

    Args:
        data: uint8[>= end + PADDING].
        longest: a header with a larger size is a wrong one.
        offsets: int64[n]. Gets the byte of each record itself, behind its header.
        sizes: int64[n]. Gets the size of each record.

    Returns:
        Number of frames found, the byte behind the last, and why no more: ENOUGH (all `n`, or all
        to `stop`), INCOMPLETE (`end` is inside the next one), WRONG (a CRC of the next one is).
    """
    at, count = start, 0
    while count < offsets.size and at < stop:
        if at + HEADER_SIZE > end:
            return count, at, INCOMPLETE
        size = load64(data, at)
        if size > np.uint64(longest) or masked_crc32c(data, at, at + 8) != _load32(data, at + 8):
            return count, at, WRONG
        record = at + HEADER_SIZE
        behind = record + np.int64(size)
        if behind + 4 > end:
            return count, at, INCOMPLETE
        if masked_crc32c(data, record, behind) != _load32(data, behind):
            return count, at, WRONG
        offsets[count], sizes[count] = record, np.int64(size)
        count += 1
        at = behind + 4
    return count, at, ENOUGH


@njit()
def find_header(data, start, end, longest):
    """The first byte of `data[start:end]` at which a header stands; -1 where there is none."""
    for at in range(start, end - HEADER_SIZE + 1):
        is_short = load64(data, at) <= np.uint64(longest)
        if is_short and masked_crc32c(data, at, at + 8) == _load32(data, at + 8):
            return at
    return -1


@inlined()
def _read_size(data, at, end):
    """A varint below 2**21 and the byte behind it; -1 where there is none before `end`."""
    # Up to two bytes behind `end` are looked at: the CRC stands there.
    size, at = np.int64(data[np.uint64(at)]), at + 1
    if size >= 128:
        byte, at = np.int64(data[np.uint64(at)]), at + 1
        size = (size & 127) | byte << 7
        if byte >= 128:
            byte, at = np.int64(data[np.uint64(at)]), at + 1
            size = (size & 0x3FFF) | byte << 14
            if byte >= 128:
                size = np.int64(-1)
    if at > end:
        size = np.int64(-1)
    return size, at


@inlined()
def _open_field(data, at, end, tag):
    """Where the content of the field at `at` starts and stops; a start of -1 for any other."""
    start, stop = np.int64(-1), np.int64(-1)
    if at < end and data[np.uint64(at)] == tag:
        size, start = _read_size(data, at + 1, end)
        stop = start + size
        if size < 0 or stop > end:
            start = np.int64(-1)
    return start, stop


@inlined()
def _name_is(data, at, size, names, feature):
    """The bytes at `at` are the name of a feature: eight at a time, the last ones over others."""
    row = feature * NAME_WIDTH
    is_same = size == np.int64(names[np.uint64(row + NAME_WIDTH - 1)])
    if is_same:
        for i in range(0, size - 8, 8):
            is_same &= load64(data, at + i) == load64(names, row + i)
        is_same &= load64(data, at + size - 8) == load64(names, row + size - 8)
    return is_same


@inlined()
def _read_bytes(data, at, size, row, first):
    """Copies `size` numbers of one byte each; False where one is longer."""
    seen = np.uint8(0)
    for i in range(size):
        byte = data[np.uint64(at + i)]
        row[np.uint64(first + i)] = byte
        seen |= byte
    return seen < 128


@inlined()
def _read_varints(data, at, stop, row, first, count):
    """Reads `count` numbers of at most 21 bits up to `stop`; False where it is otherwise."""
    i, is_read = np.int64(0), True
    # Three bytes are looked at at once: behind the record stands its CRC.
    while i < count and at < stop and is_read:
        low = np.uint32(data[np.uint64(at)])
        middle = np.uint32(data[np.uint64(at + 1)])
        high = np.uint32(data[np.uint64(at + 2)])
        value = low
        at += 1
        if low >= 128:
            value = (low & np.uint32(127)) | (middle << np.uint32(7))
            at += 1
            if middle >= 128:
                value = (value & np.uint32(0x3FFF)) | (high << np.uint32(14))
                at += 1
                is_read = high < 128
        row[np.uint64(first + i)] = value
        i += 1
    return is_read and i == count and at == stop


@njit()
def _parse_example(data, at, end, names, lengths, row):
    """Reads one example into its row; False where it is not as all writers write it."""
    at, stop = _open_field(data, at, end, 0x0A)
    if at < 0 or stop != end:
        return False
    seen = 0
    guess = 0
    while at < end:
        entry, next_entry = _open_field(data, at, end, 0x0A)
        if entry < 0:
            return False
        name, name_stop = _open_field(data, entry, next_entry, 0x0A)
        if name < 0:
            return False
        # Most files have the features of all records in one order: the next is tried first.
        feature, first, tries = guess, np.int64(0), 0
        while tries < NUM_FEATURES and not _name_is(data, name, name_stop - name, names, feature):
            feature = feature + 1 if feature + 1 < NUM_FEATURES else 0
            tries += 1
        if tries == NUM_FEATURES or seen >> feature & 1:
            return False
        seen |= 1 << feature
        guess = feature + 1 if feature + 1 < NUM_FEATURES else 0
        for i in range(feature):
            first += lengths[i]

        value, value_stop = _open_field(data, name_stop, next_entry, 0x12)
        if value < 0 or value_stop != next_entry:
            return False
        kind = 0x12 if feature == WEIGHTS else 0x1A
        numbers, numbers_stop = _open_field(data, value, value_stop, kind)
        if numbers < 0 or numbers_stop != value_stop:
            return False
        packed, packed_stop = _open_field(data, numbers, numbers_stop, 0x0A)
        if packed < 0 or packed_stop != numbers_stop:
            return False
        size, count = packed_stop - packed, lengths[feature]
        if feature == WEIGHTS:
            if size != 4 * count:
                return False
            for i in range(count):
                row[np.uint64(first + i)] = np.int32(_load32(data, packed + 4 * i))
        elif size == count:
            if not _read_bytes(data, packed, size, row, first):
                return False
        elif not _read_varints(data, packed, packed_stop, row, first, count):
            return False
        at = next_entry
    return seen == (1 << NUM_FEATURES) - 1


@njit()
def parse_examples(data, offsets, sizes, count, names, lengths, rows, states):
    """Reads records into rows.

    Args:
        data: uint8[...]. With at least a CRC behind each record.
        offsets, sizes: int64[>= count]. Of the records.
        names: uint8[NUM_FEATURES * NAME_WIDTH]. What the features are called.
        lengths: int64[NUM_FEATURES]. How many values each has.
        rows: int32[>= count, sum(lengths)].
        states: uint8[>= count]. What is READ and cannot be read here becomes UNUSUAL.
    """
    for i in range(count):
        if states[i] == READ:
            end = offsets[i] + sizes[i]
            if not _parse_example(data, offsets[i], end, names, lengths, rows[i]):
                states[i] = UNUSUAL
