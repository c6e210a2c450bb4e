"""Machine words for the kernels: unaligned loads and stores, bit scans, CRC32C steps.

numba has no way to read eight bytes of a `uint8` array as one integer, and no
CRC32C; both are one instruction on the machines we run on. Each function here is
a handful of LLVM IR. All are little-endian. Nothing is bounds-checked: callers pad their
buffers (`PADDING` bytes behind the last one that counts).
"""

import platform

import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from bertprep.kernels.jit import inlined, njit

PADDING = 64

_I64 = ir.IntType(64)
_I32 = ir.IntType(32)


def _element_pointer(context, builder, array_type, array, index, bits):
    data = context.make_array(array_type)(context, builder, array).data
    pointer = builder.gep(builder.bitcast(data, ir.IntType(8).as_pointer()), [index])
    return builder.bitcast(pointer, ir.IntType(bits).as_pointer())


@intrinsic
def load64(typingctx, array, index):
    """The eight bytes of the uint8 `array` from byte `index`, as uint64."""

    def codegen(context, builder, signature, args):
        pointer = _element_pointer(context, builder, signature.args[0], args[0], args[1], 64)
        return builder.load(pointer, align=1)

    return types.uint64(types.Array(types.uint8, 1, "C"), types.int64), codegen


@intrinsic
def store64(typingctx, array, index, value):
    """Writes the uint64 `value` into bytes `index` to `index + 7` of the uint8 `array`."""

    def codegen(context, builder, signature, args):
        pointer = _element_pointer(context, builder, signature.args[0], args[0], args[1], 64)
        builder.store(args[2], pointer, align=1)
        return context.get_dummy_value()

    return types.void(types.Array(types.uint8, 1, "C"), types.int64, types.uint64), codegen


@intrinsic
def store32(typingctx, array, index, value):
    """Writes the uint32 `value` into bytes `index` to `index + 3` of the uint8 `array`."""

    def codegen(context, builder, signature, args):
        pointer = _element_pointer(context, builder, signature.args[0], args[0], args[1], 32)
        builder.store(args[2], pointer, align=1)
        return context.get_dummy_value()

    return types.void(types.Array(types.uint8, 1, "C"), types.int64, types.uint32), codegen


@intrinsic
def prefetch(typingctx, array, index):
    """Asks for the cache line of `array[index]`, of any dtype; the index may lie outside."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        pointer = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        flags = [ir.Constant(_I32, 0), ir.Constant(_I32, 3), ir.Constant(_I32, 1)]
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, _I32, _I32, _I32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(function, [pointer, *flags])
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


@intrinsic
def count_trailing_zeros(typingctx, value):
    """Number of zero bits below the lowest set bit of the uint64 `value` (64 for zero)."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@intrinsic
def count_leading_zeros(typingctx, value):
    """Number of zero bits above the highest set bit of the uint64 `value` (64 for zero)."""

    def codegen(context, builder, signature, args):
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


def _crc32c_instruction():
    """LLVM's name of this processor's CRC32C instruction for eight bytes, or None."""
    features = llvm.get_host_cpu_features()
    if platform.machine() in ("x86_64", "AMD64") and features.get("sse4.2"):
        return "llvm.x86.sse42.crc32.64.64"
    if platform.machine() in ("arm64", "aarch64") and features.get("crc"):
        return "llvm.aarch64.crc32cx"
    return None


_INSTRUCTION = _crc32c_instruction()


@intrinsic
def _crc32c_by_instruction(typingctx, crc, value):
    def codegen(context, builder, signature, args):
        crc, value = args
        if _INSTRUCTION.startswith("llvm.x86"):
            function = builder.module.declare_intrinsic(
                _INSTRUCTION, fnty=ir.FunctionType(_I64, [_I64, _I64])
            )
            return builder.trunc(builder.call(function, [builder.zext(crc, _I64), value]), _I32)
        function = builder.module.declare_intrinsic(
            _INSTRUCTION, fnty=ir.FunctionType(_I32, [_I32, _I64])
        )
        return builder.call(function, [crc, value])

    return types.uint32(types.uint32, types.uint64), codegen


def _crc32c_tables():
    """uint32[8, 256]. Row k: what a byte does to the CRC when k more bytes follow it."""
    table = np.zeros((8, 256), np.uint32)
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table[0, byte] = crc
    for row in range(1, 8):
        previous = table[row - 1]
        table[row] = (previous >> np.uint32(8)) ^ table[0, previous & 0xFF]
    return table


CRC32C_TABLES = _crc32c_tables()


@inlined()
def first_bytes(value, size):
    """The first `size` bytes of a loaded word, the rest zero; size >= 8: all of it, <= 0: none."""
    if size >= 8:
        return value
    if size <= 0:
        return np.uint64(0)
    return value & ((np.uint64(1) << np.uint64(8 * size)) - np.uint64(1))


@njit()
def _crc32c_by_table(crc, value):
    value ^= np.uint64(crc)
    crc = np.uint32(0)
    for byte in range(8):
        crc ^= CRC32C_TABLES[7 - byte, (value >> np.uint64(8 * byte)) & np.uint64(0xFF)]
    return crc


#: Bytes that each of three independent chains of CRC steps takes; a step waits for the one before.
CRC32C_LANE = 256


def _crc32c_lane_tables():
    """uint32[4, 256]. What a lane of zero bytes makes of each byte of the register."""
    zeros = CRC32C_TABLES[0]
    tables = np.zeros((4, 256), np.uint32)
    for byte in range(4):
        registers = np.arange(256, dtype=np.uint32) << np.uint32(8 * byte)
        for _ in range(CRC32C_LANE):
            registers = zeros[registers & 0xFF] ^ (registers >> np.uint32(8))
        tables[byte] = registers
    return tables


CRC32C_LANE_TABLES = _crc32c_lane_tables()


#: crc32c_word(crc: uint32, value: uint64) -> uint32. The raw CRC register after eight more bytes.
crc32c_word = _crc32c_by_instruction if _INSTRUCTION else _crc32c_by_table
