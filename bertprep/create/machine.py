"""A worker made ready: kernels compiled, memory kept, the machine found to be as it must be."""

import ctypes
import zlib

import numpy as np

from bertprep.create.job import Job
from bertprep.create.partitions import pack_partitions, unpack_documents
from bertprep.errors import MachineError
from bertprep.kernels.jit import one_compiles
from bertprep.objectives import create_training_instances
from bertprep.records.serializer import RecordSerializer
from bertprep.records.shards import checksum
from bertprep.tokenization.long_sentences import cut_long_sentences

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> None:
    """Lets a worker use the memory of one task's arrays again for the next one's.

    glibc would give blocks of megabytes back to the system each time, and the faults of getting
    them anew take a third of the time of tokenizing. The largest arrays still go back: kept, they
    would let the heap grow by half. Without glibc nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in ((_M_MMAP_THRESHOLD, 16 << 20), (_M_TRIM_THRESHOLD, 1 << 30)):
        mallopt(parameter, value)
    mallopt(_M_TOP_PAD, 16 << 20)


def set_up_machine(job: Job, zlib_version: str) -> None:
    """Readies a worker that no one has forked from a warm parent; one a machine compiles.

    Args:
        zlib_version: of the machine that the run was begun on.

    Raises:
        MachineError: this machine would compress to other bytes.
    """
    ours = zlib.ZLIB_RUNTIME_VERSION
    if job.options.records.compression == "gzip" and ours != zlib_version:
        raise MachineError(
            f"zlib is {ours} here and {zlib_version} where the run was begun, and gzip's bytes "
            "would differ: make them the same, or pass --compression none"
        )
    keep_freed_memory()
    with one_compiles():
        warm_up(job)


def warm_up(job: Job) -> None:
    """Compiles every kernel and loads the vocabulary, for workers that are forked from here."""
    text = b"One line.\nAnother one.\n\nA document of\ntwo lines.\n"
    if job.splitter:
        text = bytes(job.splitter.split_block(text).data)
    hashed = job.tokenizer.tokenize_text(text)
    if job.options.corpus.max_sentence_tokens:
        # Compiled by any limit; the words here make sentences of two tokens and more.
        cut_long_sentences(hashed.documents, 1, job.vocabulary)
    documents = unpack_documents(pack_partitions(hashed, job.partitions))
    instances = create_training_instances(documents, job.vocabulary, job.options.instances)
    buffer = np.zeros(2 * job.layout.slack, np.uint8)
    checksum(buffer, RecordSerializer(instances, job.layout).fill(buffer, 0))
