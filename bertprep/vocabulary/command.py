"""`bertprep vocab` from beginning to end: the one place that knows the order of its stages.

Memory: what `train.py` says, or a bucket in each worker; the corpus is only ever read in blocks.
"""

from collections.abc import Sequence

from bertprep.errors import BertprepError
from bertprep.options import VocabOptions
from bertprep.storage.files import write_whole
from bertprep.vocab import Vocabulary
from bertprep.vocabulary.count import Bucket, CountedSplit
from bertprep.vocabulary.extend import extend_vocabulary, find_slots
from bertprep.vocabulary.new import new_vocabulary
from bertprep.vocabulary.place import STDOUT, find_files, named, require_place, work_folder
from bertprep.vocabulary.run import Run, warn


def make_vocabulary(options: VocabOptions) -> tuple[bytes | None, str]:
    """Makes the file of a vocabulary, or a published one with its slots filled.

    Returns:
        The file's bytes where they are for stdout, else None; and the report on it.

    Raises:
        BertprepError: with one line that says what to do.
    """
    require_place(options)
    published = None
    if options.extend is not None:
        published = Vocabulary.load(options.extend)
        find_slots(published, options.extend)
        warn(options, published.casing_warning(options.tokenizer.lowercase))
    with work_folder(options.output) as work, Run(options, work, find_files(options, work)) as run:
        counted = run.count()
        buckets = run.merge(counted)
        _review(options, counted, buckets)
        num_too_long = sum(split.left_out for split in counted)
        if published is None:
            data, text = new_vocabulary(run, buckets, num_too_long)
        else:
            data, text = extend_vocabulary(run, published, buckets, num_too_long)
        if options.output == STDOUT:
            return data, text
        write_whole(options.output, work / "vocab.tmp", data)
    return None, text


def _review(
    options: VocabOptions, counted: Sequence[CountedSplit], buckets: Sequence[Bucket]
) -> None:
    if not any(bucket.num_words for bucket in buckets):
        raise BertprepError(
            f"{named(options)}: no words, since all lines are blank: name other files"
        )
    skipped = sum(split.skipped_documents for split in counted)
    if skipped:
        which = f"{skipped:,} document{'s' * (skipped != 1)}"
        warn(options, f"{which} could not be read: left out (--on-error skip)")
    mended = sum(split.mended_lines for split in counted)
    if mended:
        done = "replaced" if options.corpus.encoding_errors == "replace" else "left out"
        which = "1 line was" if mended == 1 else f"{mended:,} lines were"
        warn(options, f"{which} not UTF-8 or had NUL bytes: {done}")
