"""Masks of whole words of unspaced scripts: by the reference's algorithm, and in data sets."""

import json
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from click.testing import CliRunner, Result
from hand_built import encoded, records_of
from judges import Judges
from twin import twin_options

from bertprep.cli import main
from bertprep.data import TokenizedDocuments
from bertprep.objectives import create_training_instances
from bertprep.objectives.sentence_pairs import TrainingInstance
from bertprep.options import InstanceOptions, TokenizerOptions
from bertprep.records import RecordSchema
from bertprep.tokenization import FastTokenizer, FullTokenizer
from bertprep.tokenization.segmenters import WordMarker
from bertprep.vocab import Vocabulary

RJIEBA = TokenizerOptions(word_segmenter="rjieba")
#: In the oracle's text a token that continues a word is called so, whatever it is.
JOINED = "##\0"


@pytest.fixture(scope="module")
def chinese(sample_corpus: Path) -> str:
    return (sample_corpus / "chinese.txt").read_text("utf-8")


def by_blanks(text: str) -> str:
    """The same text with blanks between words, so that the words are the segmenter's."""
    marker, lines = WordMarker("rjieba"), []
    for line in text.split("\n"):
        starts = [*marker.word_starts(line), len(line)]
        lines.append(" ".join(line[a:b] for a, b in pairwise(starts) if line[a:b].strip()))
    return "\n".join(lines)


def oracle_documents(text: str, full: FullTokenizer) -> list[reference.Document]:
    """Documents of token strings, by the plain classes; a token that continues a word says so."""
    marker, documents = WordMarker("rjieba"), list[reference.Document]([[]])
    for line in text.split("\n"):
        pieces = full.mark_pieces(line, marker.word_starts(line))
        sentence = [JOINED * continues + piece for piece, continues in pieces]
        if sentence:
            documents[-1].append(sentence)
        if not line.strip():
            documents.append([])
    return [document for document in documents if document]


@pytest.mark.parametrize("quirks", ["keep", "fix"])
def test_words_are_the_candidates_of_the_reference(
    quirks: str, chinese: str, sample_vocabulary: Vocabulary
) -> None:
    options = InstanceOptions(max_seq_length=48, dupe_factor=3, random_seed=7, quirks=quirks)
    tokenizer = FastTokenizer(sample_vocabulary, RJIEBA)
    documents = tokenizer.tokenize_text(chinese.encode()).documents
    given = list(create_training_instances(documents, sample_vocabulary, options))
    ids = dict(sample_vocabulary.ids)
    ids |= {JOINED + token: number for token, number in ids.items()}
    twins = reference.create_training_instances(
        oracle_documents(chinese, FullTokenizer(sample_vocabulary, RJIEBA)),
        list(sample_vocabulary.ids),
        random.Random(7),
        **twin_options(options),
    )
    assert given == [
        TrainingInstance(
            token_ids=[ids[token] for token in twin.tokens],
            segment_ids=twin.segment_ids,
            masked_lm_positions=twin.masked_lm_positions,
            masked_lm_ids=[ids[label] for label in twin.masked_lm_labels],
            is_random_next=twin.is_random_next,
        )
        for twin in twins
    ]


def test_segmented_text_gives_the_records_of_its_segmenter(
    chinese: str, sample_vocabulary: Vocabulary
) -> None:
    # But for a blank inside what is a run of letters to BERT: it parts `°` and `C`.
    chinese = "\n".join(line for line in chinese.split("\n") if "°" not in line)
    segmented = FastTokenizer(sample_vocabulary, TokenizerOptions(segmented=True))
    ours = FastTokenizer(sample_vocabulary, RJIEBA).tokenize_text(chinese.encode()).documents
    theirs = segmented.tokenize_text(by_blanks(chinese).encode()).documents
    assert ours.token_ids.tolist() == theirs.token_ids.tolist()
    assert ours.continues_word.tolist() == theirs.continues_word.tolist()


# Verification: a word cannot be seen in a record, so that no good record may be accused.


def random_marks(documents: TokenizedDocuments, rng: random.Random, vocabulary: Vocabulary) -> None:
    """Joins tokens at random, wherever a mark may: beside an ideograph, and no punctuation."""
    rules = [
        (token == "[UNK]" or (len(token) == 1 and "\u4e00" <= token <= "\u9fff"), token.isalnum())
        for token in vocabulary.tokens
    ]
    firsts = set(documents.sentence_offsets.tolist())
    ids, tokens = documents.token_ids.tolist(), documents.tokens
    for at in range(1, len(ids)):
        (one, is_word), (other, was_word) = rules[ids[at]], rules[ids[at - 1]]
        can = (one or other) and (one or is_word) and (other or was_word)
        if can and at not in firsts and rng.random() < 0.6:
            tokens[at] |= np.uint32(1 << 31)


@pytest.mark.parametrize("seed", range(12))
def test_no_record_of_marked_words_is_accused(
    seed: int, sample_corpus: Path, sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    length = rng.choice([5, 12, 40, 128])
    options = InstanceOptions(
        max_seq_length=length,
        max_predictions_per_seq=rng.randint(1, max(2, length // 4)),
        dupe_factor=1,
        short_seq_prob=rng.choice([0.1, 1.0]),
        quirks=rng.choice(["keep", "fix"]),
    )
    tokenizer = FastTokenizer(sample_vocabulary, TokenizerOptions())
    parts = [(sample_corpus / name).read_bytes() for name in ("scripts.txt", "chinese.txt")]
    documents = tokenizer.tokenize_text(b"\n\n".join(parts)).documents
    random_marks(documents, rng, sample_vocabulary)
    records = records_of(documents, sample_vocabulary, options)
    schema = RecordSchema(options.max_seq_length, options.predictions)
    known = TokenizerOptions(segmented=True)
    judges = Judges(tmp_path, sample_vocabulary, schema, options, known)
    assert all(judges.compiled(records))
    assert not any(judges.plain.faults(record) for record in records[:40])


def test_what_can_be_seen_is_still_required(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    ids = sample_vocabulary.ids
    text = ["[CLS]", "北", "京", "the", ",", "[SEP]", "大", "的", "##s", ".", "[SEP]"]
    options = InstanceOptions(max_seq_length=len(text), max_predictions_per_seq=2)
    schema = RecordSchema(len(text), 2)

    def said(words: str | None, *masked: int) -> list[str]:
        known = TokenizerOptions(word_segmenter=words)
        judges = Judges(tmp_path, sample_vocabulary, schema, options, known)
        values: dict[str, Any] = {
            "input_ids": [ids["[MASK]"] if i in masked else ids[t] for i, t in enumerate(text)],
            "input_mask": [1] * len(text),
            "segment_ids": [0] * 6 + [1] * 5,
            "masked_lm_positions": [*masked, 0, 0][:2],
            "masked_lm_ids": [*(ids[text[i]] for i in masked), 0, 0][:2],
            "masked_lm_weights": [*(1.0 for _ in masked), 0.0, 0.0][:2],
            "next_sentence_labels": [0],
        }
        return judges.faults(encoded(values))

    assert said("rjieba", 1, 2) == said(None, 1, 2) == []
    # One mask is left: 北京 and 京the may be words, a full stop and a comma are by themselves.
    assert said(None, 4) == said("rjieba", 4)
    assert "a word that would fit is not masked" in said("rjieba", 4)[0]
    text[4] = text[9] = "京"
    assert "a word that would fit is not masked" in said(None, 7)[-1]
    assert ["partly masked" in fault for fault in said("rjieba", 7)] == [True]
    assert said("rjieba", 1) == []
    assert len(said(None, 1)) == 1


# The command line.


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def create(output: Path, corpus: Path, *flags: str, vocab: Path) -> Result:
    return run("create", str(corpus), "--vocab", str(vocab), "--output", str(output), *flags)


@pytest.fixture
def vocab(sample_corpus: Path) -> Path:
    return sample_corpus / "vocab.txt"


def manifest_of(output: Path) -> dict[str, Any]:
    return dict(json.loads((output / "manifest.json").read_bytes()))


@pytest.mark.parametrize("flags", [["--segmented"], ["--word-segmenter", "rjieba"]])
@pytest.mark.parametrize("quirks", ["keep", "fix"])
def test_inspect_finds_nothing_wrong_with_chinese_words(
    flags: list[str], quirks: str, chinese: str, tmp_path: Path, vocab: Path
) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(by_blanks(chinese) if flags == ["--segmented"] else chinese)
    output = tmp_path / "records"
    result = create(output, corpus, "--quirks", quirks, *flags, vocab=vocab)
    assert result.exit_code == 0, result.output
    assert "Warning" not in result.stderr
    assert "tokens per word" in result.stdout
    verified = run("inspect", str(output), "--verify")
    assert (verified.exit_code, verified.stderr) == (0, "")
    assert "no faults, as the manifest says" in verified.stdout
    stats = run("inspect", str(output), "--stats")
    assert "no anomalies found" in stats.stdout
    words = "spaces" if flags == ["--segmented"] else "rjieba"
    assert f"words by {words}" in stats.stdout
    shown = run("inspect", str(output), "--num", "1")
    assert (shown.exit_code, "##" in shown.stdout.split("\n\n")[0]) == (0, False)


def test_records_of_words_are_told_by_the_plan(chinese: str, tmp_path: Path, vocab: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(chinese)
    segmenter = ["--word-segmenter", "rjieba"]
    kept = ["--never-split", "的", "--never-split", "[unused7]"]
    output = tmp_path / "records"
    assert create(output, corpus, *segmenter, *kept, vocab=vocab).exit_code == 0
    manifest = manifest_of(output)
    plan, counts = manifest["plan"], manifest["counts"]
    assert plan["tokenizer"]["word_segmenter"] == "rjieba"
    assert plan["tokenizer"]["never_split"] == ["[unused7]", "的"]
    assert set(plan["libraries"]) == {"unicode", "rjieba"}
    assert counts["segmented_lines"] > 300
    assert counts["unaligned_lines"] == 0
    assert 0 < counts["joined_tokens"] <= counts["tokens"] - counts["words"]
    again = create(output, corpus, *kept[2:], *kept[:2], *segmenter, vocab=vocab)
    assert "is already complete" in again.stdout
    other = create(output, corpus, *segmenter, vocab=vocab)
    assert other.exit_code == 2
    assert "never_split was [unused7] 的, is none" in other.stderr


def test_records_with_and_without_words_are_not_read_as_one(
    sample_corpus: Path, tmp_path: Path, vocab: Path
) -> None:
    for name, flags in (("plain", []), ("words", ["--word-segmenter", "rjieba"])):
        create(tmp_path / name, sample_corpus / "chinese.txt", *flags, vocab=vocab)
    result = run("inspect", str(tmp_path / "plain"), str(tmp_path / "words"), "--verify")
    assert result.exit_code == 2
    assert "were created with different options" in result.stderr


def test_without_the_options_the_manifest_knows_no_words(
    sample_corpus: Path, tmp_path: Path, vocab: Path
) -> None:
    create(tmp_path / "o", sample_corpus / "chinese.txt", "--dupe-factor", "1", vocab=vocab)
    manifest = manifest_of(tmp_path / "o")
    assert set(manifest["plan"]["libraries"]) == {"unicode"}
    assert not {"words", "joined_tokens", "segmented_lines"} & set(manifest["counts"])


def test_bytes_do_not_depend_on_workers(chinese: str, tmp_path: Path, vocab: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(chinese)
    shards = []
    for workers in ("1", "3"):
        flags = ["--word-segmenter", "rjieba", "--num-partitions", "3", "--workers", workers]
        assert create(tmp_path / workers, corpus, *flags, vocab=vocab).exit_code == 0
        shards.append(manifest_of(tmp_path / workers)["shards"])
    assert shards[0] == shards[1]


def test_masks_cover_whole_words(chinese: str, sample_vocabulary: Vocabulary) -> None:
    tokenizer = FastTokenizer(sample_vocabulary, RJIEBA)
    documents = tokenizer.tokenize_text(chinese.encode()).documents
    options = InstanceOptions(max_seq_length=64, dupe_factor=2)
    instances = create_training_instances(documents, sample_vocabulary, options)
    sizes = Counter[int]()
    for k in instances.order.tolist():
        head = instances.arrays[k]
        masks = instances.masks[head["first_mask"] : head["first_mask"] + head["num_masks"]]
        masked = set((masks["position"] - 1).tolist())
        flags = documents.continues_word[head["a_start"] : head["a_start"] + head["a_length"]]
        starts = [0, *(np.flatnonzero(flags[1:] == 0) + 1).tolist(), len(flags)]
        for first, end in pairwise(starts[:-1]):  # the last may go on in B
            covered = masked.intersection(range(first, end))
            assert len(covered) in (0, end - first)
            sizes[len(covered)] += 1
    assert min(sizes[2], sizes[3]) > 30


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "我们在北京大学学习中文已经三年了。\n" * 5,
            "words have 8.5 tokens on average. If",
        ),
        ("我 们 在 北 京 大 学 。\nplain English\n" * 5, "no ideographs were joined into words"),
    ],
)
def test_text_that_is_not_as_segmented_says(
    text: str, warning: str, tmp_path: Path, vocab: Path
) -> None:
    (tmp_path / "corpus.txt").write_text(text + "\n" + text)
    result = create(tmp_path / "o", tmp_path / "corpus.txt", "--segmented", vocab=vocab)
    assert result.exit_code == 0
    assert warning in result.stderr


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--segmented", "--no-whole-word-mask"], "marked for whole-word masking alone"),
        (["--segmented", "--word-segmenter", "rjieba"], "leave out --segmented or"),
        (["--word-segmenter", "jieba"], "'jieba' is not one of"),
        (["--never-split", "nowhere"], "nowhere: not in the vocabulary"),
        (["--never-split", "[SEP]"], "this is a special token"),
        (["--never-split", "a b"], "must have no blanks in them, got 'a b'"),
    ],
)
def test_options_that_do_not_go_together_leave_nothing(
    flags: list[str], error: str, sample_corpus: Path, tmp_path: Path, vocab: Path
) -> None:
    result = create(tmp_path / "o", sample_corpus / "chinese.txt", *flags, vocab=vocab)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in result.stderr
    assert not (tmp_path / "o").exists()


def test_reserved_tokens_that_stand_in_text_are_not_accused(tmp_path: Path, vocab: Path) -> None:
    line = "The [unused7] came to [unused7], and it was [MASK].\n"
    (tmp_path / "corpus.txt").write_text((line * 6 + "\n") * 3)
    kept = ["--never-split", "[unused7]"]
    result = create(tmp_path / "o", tmp_path / "corpus.txt", *kept, vocab=vocab)
    assert result.exit_code == 0, result.output
    assert run("inspect", str(tmp_path / "o"), "--verify").exit_code == 0
    found = run("inspect", str(tmp_path / "o"), "--num", "1", "--find", "[unused7]")
    assert "[unused7]" in found.stdout
    assert "[ mask ]" in found.stdout.replace("{", "").replace("}", "")
