"""CRC32C, eight bytes per step: by the processor's instruction, or by tables where there is none.

Cost: 2 GB/s or more with the instruction; three chains at a time, since a step waits for the one
before. Buffers need no padding here: the last bytes are taken one by one.
Source: Castagnoli's polynomial as iSCSI uses it (RFC 3720); TFRecord's masking of TensorFlow.
"""

import platform

import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.machine import load64

_I64, _I32 = ir.IntType(64), ir.IntType(32)


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


@inlined()
def _behind_lane(register):
    """The register after a lane of zero bytes: CRCs are linear, so lanes join by exclusive or."""
    joined = CRC32C_LANE_TABLES[0, register & np.uint32(0xFF)]
    joined ^= CRC32C_LANE_TABLES[1, (register >> np.uint32(8)) & np.uint32(0xFF)]
    joined ^= CRC32C_LANE_TABLES[2, (register >> np.uint32(16)) & np.uint32(0xFF)]
    return joined ^ CRC32C_LANE_TABLES[3, (register >> np.uint32(24)) & np.uint32(0xFF)]


@njit()
def _update_crc32c(register, data, start, end):
    """The CRC's register after `data[start:end]`; before the first byte it is all ones."""
    at = start
    while at + 3 * CRC32C_LANE <= end:
        second = third = np.uint32(0)
        for i in range(at, at + CRC32C_LANE, 8):
            register = crc32c_word(register, load64(data, i))
            second = crc32c_word(second, load64(data, i + CRC32C_LANE))
            third = crc32c_word(third, load64(data, i + 2 * CRC32C_LANE))
        register = _behind_lane(_behind_lane(register) ^ second) ^ third
        at += 3 * CRC32C_LANE
    while at + 8 <= end:
        register = crc32c_word(register, load64(data, at))
        at += 8
    while at < end:
        row = (register ^ data[at]) & np.uint32(0xFF)
        register = CRC32C_TABLES[0, row] ^ (register >> np.uint32(8))
        at += 1
    return register


@njit()
def extend_crc32c(crc, data, end):
    """The CRC32C of what `crc` is the CRC32C of, followed by `data[:end]`; 0 to begin with."""
    ones = np.uint32(0xFFFFFFFF)
    return np.uint32(_update_crc32c(np.uint32(crc ^ ones), data, np.int64(0), end) ^ ones)


@njit()
def masked_crc32c(data, start, end):
    """The CRC32C of `data[start:end]`, rotated and shifted as TFRecord stores it."""
    ones = np.uint32(0xFFFFFFFF)
    crc = np.uint32(_update_crc32c(ones, data, start, end) ^ ones)  # numba widens what ^ gives
    return np.uint32(((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8))
