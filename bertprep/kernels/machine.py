"""Machine words for the kernels: unaligned loads and stores, prefetches, bit scans.

numba cannot read eight bytes of a `uint8` array as one integer, which is one instruction. Each
function here is a few lines of LLVM IR. All are little-endian, and none checks bounds: callers pad
their buffers with `PADDING` bytes.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from bertprep.kernels.jit import inlined

PADDING = 64

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
    """Prefetches the cache line of `array[index]`, of any dtype; the index may be out of range."""

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


@inlined()
def first_bytes(value, size):
    """The first `size` bytes of a loaded word, the rest zero; size >= 8: all of it, <= 0: none."""
    if size >= 8:
        return value
    if size <= 0:
        return np.uint64(0)
    return value & ((np.uint64(1) << np.uint64(8 * size)) - np.uint64(1))
