"""What a process makes of a job: its vocabulary, tokenizer and compiled kernels."""

import ctypes
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bertprep.corpus.sentences import SentenceSplitter
from bertprep.create.job import Job
from bertprep.create.partitions import pack_partitions, unpack_documents
from bertprep.errors import BertprepError, MachineError
from bertprep.kernels.jit import one_compiles
from bertprep.objectives import create_training_instances
from bertprep.options import CreateOptions
from bertprep.records.serializer import RecordLayout, RecordSerializer
from bertprep.records.shards import checksum
from bertprep.tokenization import FastTokenizer
from bertprep.tokenization.long_sentences import cut_long_sentences
from bertprep.vocab import Vocabulary

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


@dataclass(frozen=True, eq=False)
class Tools:
    """Objects that a process creates once for a job.

    Attributes:
        vocabulary: vocabulary as it was when the run started.
        tokenizer: tokenizer with its caches.
        splitter: sentence splitter; None if each line is a sentence.
        layout: layout of the records.
    """

    vocabulary: Vocabulary
    tokenizer: FastTokenizer
    splitter: SentenceSplitter | None
    layout: RecordLayout


def tools_of(job: Job) -> Tools:
    """Return the tools of this process.

    Raises:
        BertprepError: the vocabulary file changed during the run.
    """
    return _make_tools(job.options, job.vocabulary_sha256)


@lru_cache(1)
def _make_tools(options: CreateOptions, sha256: str) -> Tools:
    vocabulary = Vocabulary.load(options.vocab)
    if vocabulary.sha256 != sha256:
        raise BertprepError(
            f"{options.vocab}: the vocabulary changed during the run. Run the command again"
        )
    tokenizer = FastTokenizer(
        vocabulary,
        options.tokenizer,
        corpus=options.corpus,
        seed=options.instances.random_seed,
    )
    splitter = SentenceSplitter(options.corpus) if options.corpus.split_sentences else None
    layout = RecordLayout.of(vocabulary, options.instances, options.records)
    return Tools(vocabulary, tokenizer, splitter, layout)


def warm_up(job: Job) -> None:
    """Compile every kernel and create the tools, for workers that are forked from this process."""
    tools = tools_of(job)
    text = b"One line.\nAnother one.\n\nA document of\ntwo lines.\n"
    if tools.splitter:
        text = bytes(tools.splitter.split_block(text).data)
    hashed = tools.tokenizer.tokenize_text(text)
    if job.options.corpus.max_sentence_tokens:
        # Any limit compiles the kernel; with 1, the sentences of this text are long enough.
        cut_long_sentences(hashed.documents, 1, tools.vocabulary)
    documents = unpack_documents(pack_partitions(hashed, job.partitions))
    instances = create_training_instances(documents, tools.vocabulary, job.options.instances)
    buffer = np.zeros(2 * tools.layout.slack, np.uint8)
    checksum(buffer, RecordSerializer(instances, tools.layout).fill(buffer, 0))


def set_up_machine(job: Job, zlib_version: str) -> None:
    """Prepare a worker that was not forked from a warm process; one per machine compiles.

    Args:
        zlib_version: version on the machine that started the run.

    Raises:
        MachineError: this machine would compress the shards to other bytes.
    """
    ours = zlib.ZLIB_RUNTIME_VERSION
    if job.options.records.compression == "gzip" and ours != zlib_version:
        raise MachineError(
            f"zlib is {ours} on this machine and {zlib_version} where the run started, so gzip "
            "would write other bytes. Install the same version, or pass --compression none"
        )
    keep_freed_memory()
    with one_compiles():
        warm_up(job)


def keep_freed_memory() -> None:
    """Let this process reuse the memory of a task's arrays for the next task.

    By default, glibc returns blocks of megabytes to the system, and the page faults of getting
    them again take a third of the time of tokenizing. The largest arrays are still returned: kept,
    they would let the heap grow by half. Without glibc nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in ((_M_MMAP_THRESHOLD, 16 << 20), (_M_TRIM_THRESHOLD, 1 << 30)):
        mallopt(parameter, value)
    mallopt(_M_TOP_PAD, 16 << 20)
