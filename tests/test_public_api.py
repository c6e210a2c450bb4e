"""What `import bertprep` promises: names, docstrings, the README's way, the CLI's records."""

import ast
import inspect
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from tfrecords import read_features

import bertprep
from bertprep.cli import main

NAMES = [name for name in bertprep.__all__ if name != "__version__"]


def public_methods(kind: type) -> list[str]:
    return [
        name
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_")
    ]


@pytest.mark.parametrize("name", NAMES)
def test_public_names_are_there_and_documented(name: str) -> None:
    member = getattr(bertprep, name)
    assert member.__name__ == name
    assert inspect.getdoc(member), f"{name} has no docstring"
    # Dataclasses make one of their signature where there is none.
    assert not member.__doc__.startswith(f"{name}(")


@pytest.mark.parametrize("name", NAMES)
def test_public_methods_are_documented(name: str) -> None:
    member = getattr(bertprep, name)
    if isinstance(member, type):
        for method in public_methods(member):
            assert inspect.getdoc(getattr(member, method)), f"{name}.{method} has no docstring"


def test_public_names_are_sorted_and_all_there_is() -> None:
    assert bertprep.__all__ == ["__version__", *sorted(NAMES)]
    namespace: dict[str, object] = {}
    exec("from bertprep import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(bertprep.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'bertprep' has no attribute 'Tokeniser'"):
        bertprep.Tokeniser  # noqa: B018


def test_what_type_checkers_see_is_what_there_is() -> None:
    # `__init__` says each name twice: to type checkers, and where it is imported from on first use.
    source = inspect.getsource(bertprep).partition("if TYPE_CHECKING:")[2]
    block = inspect.cleandoc("\n" + source.partition("\n\n")[0])
    seen: dict[str, object] = {}
    exec(block, seen)
    seen.pop("__builtins__")
    assert seen == {name: getattr(bertprep, name) for name in NAMES}


def test_version_is_a_string() -> None:
    assert isinstance(bertprep.__version__, str)
    assert bertprep.__version__


def test_every_module_says_what_it_is() -> None:
    # Read and not imported: some need an extra.
    for path in Path(bertprep.__file__).parent.rglob("*.py"):
        if path.name != "__main__.py":
            assert ast.get_docstring(ast.parse(path.read_bytes())), path


DOCUMENTS = [
    ["The ferry leaves at dawn.", "Nobody was late.", "It rained."],
    ["Salt came by mule.", "It went by boat.", "The mule stayed."],
    ["A loaf begins with patience rather than with flour."],
]


def test_the_way_from_sentences_to_instances(sample_corpus: Path) -> None:
    vocabulary = bertprep.Vocabulary.load(sample_corpus / "vocab.txt")
    tokenizer = bertprep.FastTokenizer(vocabulary, bertprep.TokenizerOptions())
    documents = tokenizer.tokenize_documents(DOCUMENTS)
    assert isinstance(documents, bertprep.TokenizedDocuments)
    assert (documents.num_documents, documents.num_sentences) == (3, 7)

    options = bertprep.InstanceOptions(max_seq_length=32, dupe_factor=5)
    instances = bertprep.create_training_instances(documents, vocabulary, options)
    assert isinstance(instances, Sequence)
    assert len(instances) >= 15
    assert all(isinstance(instance, bertprep.TrainingInstance) for instance in instances)
    assert list(instances) == [instances[i] for i in range(len(instances))]
    assert instances[2:9:3] == list(instances)[2:9:3]
    tokens = [vocabulary.tokens[number] for number in instances[0].token_ids]
    assert (tokens[0], tokens[-1], tokens.count("[SEP]")) == ("[CLS]", "[SEP]", 2)


def test_the_plain_tokenizer_and_the_fast_one_agree(sample_corpus: Path) -> None:
    tokenizer = bertprep.FullTokenizer(sample_corpus / "vocab.txt")
    fast = bertprep.FastTokenizer(tokenizer.vocab, bertprep.TokenizerOptions())
    plain = [
        tokenizer.convert_tokens_to_ids(tokenizer.tokenize(sentence))
        for document in DOCUMENTS
        for sentence in document
    ]
    documents = fast.tokenize_documents(DOCUMENTS)
    assert documents.token_ids.tolist() == [token for sentence in plain for token in sentence]
    words = bertprep.BasicTokenizer().tokenize(DOCUMENTS[0][0])
    assert words == ["the", "ferry", "leaves", "at", "dawn", "."]
    pieces = bertprep.WordpieceTokenizer(tokenizer.vocab.ids).tokenize(" ".join(words))
    assert pieces == tokenizer.convert_ids_to_tokens(plain[0])


def test_errors_of_users_are_bertprep_errors(tmp_path: Path) -> None:
    with pytest.raises(bertprep.BertprepError, match="no such file"):
        bertprep.Vocabulary.load(tmp_path / "vocab.txt")
    with pytest.raises(bertprep.BertprepError, match="max_seq_length"):
        bertprep.InstanceOptions(max_seq_length=1)


def documents_of(path: Path) -> list[list[str]]:
    """A file's documents, by splitting its text alone."""
    blocks = path.read_text("utf-8").split("\n\n")
    return [[line for line in block.split("\n") if line.strip()] for block in blocks]


@pytest.mark.parametrize(
    ("flags", "changes"),
    [
        ([], {}),
        (
            ["--max-seq-length", "64", "--random-seed", "7"],
            {"max_seq_length": 64, "random_seed": 7},
        ),
        (["--no-whole-word-mask", "--quirks", "fix"], {"whole_word_mask": False, "quirks": "fix"}),
        (
            [
                "--masked_lm_prob",
                "0.3",
                "--short-seq-prob",
                "0.9",
                "--max_predictions_per_seq",
                "9",
            ],
            {"masked_lm_prob": 0.3, "short_seq_prob": 0.9, "max_predictions_per_seq": 9},
        ),
    ],
)
def test_records_of_the_command_line_are_the_instances_of_the_api(
    sample_corpus: Path, tmp_path: Path, flags: list[str], changes: dict[str, object]
) -> None:
    files = [sample_corpus / "english-b.txt", sample_corpus / "scripts.txt"]
    arguments = [*files, "--vocab", sample_corpus / "vocab.txt", "--output", tmp_path / "out"]
    arguments += ["--num-partitions", "1", "--dupe-factor", "2", *flags]
    done = CliRunner().invoke(main, ["create", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    (shard,) = (tmp_path / "out").glob("tf_examples.tfrecord-*")

    vocabulary = bertprep.Vocabulary.load(sample_corpus / "vocab.txt")
    tokenizer = bertprep.FastTokenizer(vocabulary, bertprep.TokenizerOptions())
    documents = tokenizer.tokenize_documents([d for path in files for d in documents_of(path)])
    options = bertprep.InstanceOptions(dupe_factor=2, **changes)
    instances = bertprep.create_training_instances(documents, vocabulary, options)

    records = read_features(shard)
    assert len(records) == len(instances) > 100
    for record, instance in zip(records, instances, strict=True):
        size, num_masks = record["input_mask"].sum(), int(record["masked_lm_weights"].sum())
        assert record["input_ids"][:size].tolist() == instance.token_ids
        assert record["segment_ids"][:size].tolist() == instance.segment_ids
        assert record["masked_lm_positions"][:num_masks].tolist() == instance.masked_lm_positions
        assert record["masked_lm_ids"][:num_masks].tolist() == instance.masked_lm_ids
        assert record["next_sentence_labels"].tolist() == [instance.is_random_next]


def test_a_generator_of_documents_is_as_good_as_a_list(sample_corpus: Path) -> None:
    vocabulary = bertprep.Vocabulary.load(sample_corpus / "vocab.txt")
    tokenizer = bertprep.FastTokenizer(vocabulary, bertprep.TokenizerOptions())
    listed = tokenizer.tokenize_documents(DOCUMENTS)
    generated = tokenizer.tokenize_documents(iter(document) for document in DOCUMENTS)
    assert generated.tokens.tolist() == listed.tokens.tolist()
    assert generated.document_offsets.tolist() == listed.document_offsets.tolist()


def test_the_global_generator_is_left_alone(sample_corpus: Path) -> None:
    vocabulary = bertprep.Vocabulary.load(sample_corpus / "vocab.txt")
    tokenizer = bertprep.FastTokenizer(vocabulary, bertprep.TokenizerOptions())
    state = random.getstate()
    documents = tokenizer.tokenize_documents(DOCUMENTS)
    bertprep.create_training_instances(documents, vocabulary, bertprep.InstanceOptions())
    assert random.getstate() == state
