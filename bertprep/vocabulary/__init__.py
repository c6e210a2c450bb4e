"""A raw corpus -> a WordPiece vocabulary: a new one, or a published one with its slots filled.

    files -> splits -> words with counts, in buckets -> alphabet, merges -> vocab.txt
    job              counting                           lines, training     fit: the report

The words are those that the tokenizer looks up in `create`. The bytes follow from the corpus and
the options, never from the engine, the workers or a crash. Only this page knows the order of the
stages. Memory: that of `training`, or one bucket per worker; the corpus is read in blocks.
"""

import functools

from bertprep.engines import open_engine
from bertprep.errors import BertprepError
from bertprep.kernels.jit import one_compiles
from bertprep.options import STDOUT, VocabOptions
from bertprep.storage.files import write_whole
from bertprep.terminal import count_of
from bertprep.tokenization.characters import LOST_MARKS_SHARE
from bertprep.tokenization.unreachable import unreachable_warning
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary
from bertprep.vocabulary.counting import Bucket, TextProblems, count_words, summarize_words
from bertprep.vocabulary.fit import split_words
from bertprep.vocabulary.job import VocabJob, inputs_shown, make_job, require_output, say, warn
from bertprep.vocabulary.lines import WordStore, extend_vocabulary, find_slots, new_vocabulary
from bertprep.vocabulary.words import WordCounter, merge_words, pack_buckets, unpack_words
from bertprep.vocabulary.work_folder import WorkFolder, work_folder_path

__all__ = ["make_vocabulary"]


def make_vocabulary(options: VocabOptions) -> tuple[bytes | None, str]:
    """Make a vocabulary file, or resume one that was interrupted.

    Returns:
        The file's bytes if they are for stdout, else None; and the report.

    Raises:
        BertprepError: the message is one line that says what to do.
    """
    require_output(options)
    published = None
    if options.extend is not None:
        published = Vocabulary.load(options.extend)
        find_slots(published, options.extend)
        warning = unreachable_warning(published, options.tokenizer)
        warn(options, warning or published.casing_warning(options.tokenizer.lowercase))
    with WorkFolder(work_folder_path(options)) as folder:
        job, splits, plan = make_job(options, folder.path)
        if folder.begin(plan):
            say(options, f"{folder.path}: resuming an interrupted run")
        set_up_worker(job)
        with open_engine(
            options.execution,
            notify=functools.partial(warn, options),
            workers=options.workers,
            folder=job.work,
            num_keys=job.num_buckets,
            set_up=functools.partial(set_up_worker, job),
        ) as engine:
            problems, buckets = count_words(engine, job, splits, quiet=options.quiet)
            _review(options, problems, buckets)
            words = WordStore(engine, job, buckets, problems.overlong_words)
            if published is None:
                data, report = new_vocabulary(options, words)
            else:
                data, report = extend_vocabulary(options, words, published)
        if options.output == STDOUT:
            return data, report
        temporary = options.output.with_name(f".{options.output.name}.tmp")
        write_whole(options.output, temporary, data)
    return None, report


def _review(options: VocabOptions, problems: TextProblems, buckets: list[Bucket]) -> None:
    if not any(bucket.num_words for bucket in buckets):
        raise BertprepError(
            f"{inputs_shown(options)}: no words, all lines are blank. Name files with text"
        )
    if problems.lost_letters > LOST_MARKS_SHARE * problems.letters:
        share = problems.lost_letters / problems.letters
        warn(
            options,
            "--strip-accents (implied by --lowercase) removes vowels or other parts of "
            f"{share:.1%} of the letters, whose script needs them. Pass --no-strip-accents, to "
            "bertprep create too",
        )
    if problems.skipped_documents:
        count = count_of(problems.skipped_documents, "unreadable document")
        warn(options, f"{count} skipped (--on-error skip)")
    if problems.invalid_lines:
        count = count_of(problems.invalid_lines, "line")
        action = "repaired" if options.corpus.encoding_errors == "replace" else "skipped"
        warn(options, f"{count} with invalid UTF-8 or NUL bytes {action}")


@functools.lru_cache(1)
def set_up_worker(job: VocabJob) -> None:
    """Compile all kernels of the tasks. Processes that are forked afterwards have them."""
    with one_compiles("vocab"):
        counter = WordCounter(job.tokenizer, job.corpus, room=(64, 1024))
        counter.count_text(b"One line.\n")
        words = merge_words([unpack_words(pack_buckets(counter.take_words(), 1)[0])])
        summarize_words(0, words)
        vocabulary = Vocabulary.parse("".join(f"{token}\n" for token in SPECIAL_TOKENS).encode())
        split_words(words, vocabulary, 1)
