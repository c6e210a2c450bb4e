"""What a vocabulary file says, and what a file that is none gets."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from bertprep import vocab
from bertprep.errors import UsageError
from bertprep.vocab import Vocabulary

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def parse(tokens: list[str], lenient: bool = False) -> Vocabulary:
    return Vocabulary.parse("".join(token + "\n" for token in tokens).encode(), lenient=lenient)


def refusal(tokens: list[str] | bytes) -> str:
    """The message that a file is refused with."""
    data = tokens if isinstance(tokens, bytes) else "\n".join(tokens).encode()
    with pytest.raises(UsageError) as caught:
        Vocabulary.parse(data)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("vocab.txt:")
    return str(caught.value)


def test_ids_are_line_numbers() -> None:
    vocabulary = parse([*SPECIALS, "one", "##two"])
    assert vocabulary.tokens == (*SPECIALS, "one", "##two")
    assert vocabulary.ids["one"] == 5
    special_ids = (vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id)
    assert (*special_ids, vocabulary.sep_id, vocabulary.mask_id) == (0, 1, 2, 3, 4)


def test_the_newline_at_the_end_may_be_missing() -> None:
    data = "\n".join([*SPECIALS, "one"]).encode()
    assert Vocabulary.parse(data).tokens == Vocabulary.parse(data + b"\n").tokens


def test_data_and_digest_are_those_of_the_file(sample_corpus: Path) -> None:
    data = (sample_corpus / "vocab.txt").read_bytes()
    vocabulary = Vocabulary.load(sample_corpus / "vocab.txt")
    assert vocabulary.data == data
    assert vocabulary.sha256 == hashlib.sha256(data).hexdigest()


def test_lines_are_stripped_and_split_at_newlines_only() -> None:
    vocabulary = Vocabulary.parse("\r\n".join([*SPECIALS, " one\t", "two\u2028x", ""]).encode())
    assert vocabulary.tokens[5:] == ("one", "two\u2028x")


def test_line_separators_of_the_published_chinese_vocabulary_are_legal() -> None:
    vocabulary = parse([*SPECIALS, "一", "\u2028", "二", "##\u2028", "三"])
    assert vocabulary.tokens[5:] == ("一", "", "二", "##", "三")
    assert vocabulary.ids["三"] == 9


def test_a_piece_that_stands_twice_has_its_last_id() -> None:
    vocabulary = parse([*SPECIALS, "one", "two", "one", "three"], lenient=True)
    assert list(vocabulary.ids)[5:] == ["one", "two", "three"]
    assert vocabulary.ids["one"] == 7
    assert vocabulary.tokens[5] == vocabulary.tokens[7] == "one"
    assert vocabulary.replacement_ids(ordinary_only=False).tolist() == [0, 1, 2, 3, 4, 7, 6, 8]


def test_ordinary_replacements_leave_out_what_is_reserved() -> None:
    tokens = ["[PAD]", "[unused0]", *SPECIALS[1:], "one", "[unused]", "[unused77]", "##two"]
    vocabulary = parse(tokens)
    ids = vocabulary.replacement_ids(ordinary_only=True)
    assert ids.dtype == np.int32
    assert [vocabulary.tokens[number] for number in ids] == ["one", "[unused]", "##two"]
    assert vocabulary.replacement_ids(ordinary_only=False).tolist() == list(range(len(tokens)))


def test_a_special_token_that_a_lenient_vocabulary_lacks_is_an_error_when_asked_for() -> None:
    vocabulary = parse(["one", "[UNK]"], lenient=True)
    assert vocabulary.unk_id == 1
    with pytest.raises(UsageError, match=re.escape("has no [MASK]")):
        _ = vocabulary.mask_id


def test_missing_special_tokens_are_all_named() -> None:
    message = refusal(["[PAD]", "[UNK]", "[SEP]", "one"])
    assert "has 4 lines, none of which is [CLS], [MASK]. Pass a BERT" in message
    assert "It has <pad>, <s>, as RoBERTa's" in refusal(["<s>", "<pad>", "the"])


def test_the_padding_token_may_be_on_any_line() -> None:
    assert parse(["one", "[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]).pad_id == 2


def test_empty_lines_at_the_end_are_to_be_removed() -> None:
    for blank in ("", "\n \n"):
        message = refusal("".join(f"{line}\n" for line in [*SPECIALS, "one", blank]).encode())
        assert message.startswith("vocab.txt:7: this line and all after it are empty. Remove them")
        assert "has 6 pieces" in message


def test_a_duplicate_is_named_with_both_lines() -> None:
    message = refusal([*SPECIALS, "one", "two", "one "])
    assert message.startswith("vocab.txt:8: 'one' is already in line 6.")


@pytest.mark.parametrize("blank", ["", " \t", "\r"])
def test_an_empty_line_is_named(blank: str) -> None:
    message = refusal([*SPECIALS, "one", blank, "two"])
    assert message.startswith("vocab.txt:7: this line is empty.")
    assert "[unused6]" in message


def test_bytes_that_are_not_utf8_are_named() -> None:
    message = refusal(b"[PAD]\n[UNK]\nab\xff\n")
    assert message.startswith("vocab.txt:3: not UTF-8 (byte 0xff at byte 14)")
    assert "UTF-8 without" in refusal(b"\xef\xbb\xbf[PAD]\n")


@pytest.mark.parametrize("data", [b"", b"\n", b"  \n\n"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    assert "is empty" in refusal(data)


def test_json_is_refused_with_the_command_that_makes_a_vocabulary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [*SPECIALS, "é", "##b"]
    pieces = ", ".join(f'"{token}": {number}' for number, token in enumerate(tokens))
    for content in (
        "{" + pieces + "}",
        '{"version": "1.0", "model": {"type": "WordPiece", "vocab": {' + pieces + "}}}",
    ):
        monkeypatch.chdir(tmp_path)
        Path("tokenizer.json").write_text(content, encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            Vocabulary.load("tokenizer.json")
        command = re.search(r'python -c "(.*)"$', str(caught.value))
        assert command
        exec(command[1], {})
        assert Vocabulary.load("vocab.txt").tokens == tuple(tokens)


def test_json_of_another_model_is_refused_by_its_name() -> None:
    assert "of a BPE model" in refusal(b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}')


def test_a_brace_may_be_the_first_piece() -> None:
    assert parse(["{", "one"], lenient=True).tokens == ("{", "one")


def test_sentencepiece_files_are_refused() -> None:
    model = (
        b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02\n\x0c\n\x03<s>\x15\x00\x00\x00\x00\x18\x03"
    )
    assert "SentencePiece model" in refusal(model)
    assert "SentencePiece vocabulary" in refusal("<unk>\t0\n<s>\t0\n▁the\t-3.1\n".encode())


def test_too_many_pieces_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocab, "MOST_PIECES", 6)
    assert "7 pieces, the limit is 6" in refusal([*SPECIALS, "one", "two"])


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        Vocabulary.load(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        Vocabulary.load(tmp_path / "vocab.txt")


def test_casing_that_does_not_fit_the_vocabulary_is_warned_of() -> None:
    cased = parse([*SPECIALS, "[unused1]", "The", "the", "cat"])
    uncased = parse([*SPECIALS, "[unused1]", "the", "cat"])
    uncased_scripts = parse([*SPECIALS, "一", "##の", "."])
    assert "1 pieces with capitals" in str(cased.casing_warning(lowercase=True))
    assert "--no-lowercase" in str(cased.casing_warning(lowercase=True))
    assert cased.casing_warning(lowercase=False) is None
    assert "pass --lowercase" in str(uncased.casing_warning(lowercase=False))
    assert uncased.casing_warning(lowercase=True) is None
    assert "no pieces with capitals" in str(uncased.casing_warning(lowercase=False))
    assert uncased_scripts.casing_warning(lowercase=True) is None
    assert uncased_scripts.casing_warning(lowercase=False) is None
