"""Loads our export in transformers, and models of transformers here, and compares the numbers.

    python tests/support/interop.py
        prints the differences; exit status 1 where one is too large

A tokenizer of transformers gives other ids for three kinds of lines; the sample corpus has some of
each, and no other line may differ. Needs the extra `interop`. A minute; no network.
"""

import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import transformers
from trainer_runs import make_run, outputs, random_features, random_model, tiny_config

from bertprep import FullTokenizer
from bertprep.export import export
from bertprep.model.bert import PretrainingModel
from bertprep.model.formats import read_pretrained
from bertprep.model.initialization import initialize
from bertprep.options import ExportOptions, TokenizerOptions, VocabOptions
from bertprep.vocab import Vocabulary
from bertprep.vocabulary import make_vocabulary

CORPUS = Path(__file__).parents[2] / "sample_corpus"
MOST = 1e-4
#: What BertForMaskedLM has no place for; transformers says so for every published model, too.
UNUSED_BY_MASKED_LM = {
    *("bert.pooler.dense.weight", "bert.pooler.dense.bias"),
    *("cls.seq_relationship.weight", "cls.seq_relationship.bias"),
}

#: What a tokenizer of transformers does otherwise, by the lines that it does it in.
KNOWN_DIFFERENCES = {
    "spells a special token": re.compile(r"\[(PAD|UNK|CLS|SEP|MASK)\]"),
    "has a word of more than 100 characters": re.compile(r"\S{101}"),
    "has a final capital sigma to lower-case": re.compile(r"Σ"),
}

failures = []


def report(what: str, difference: float, most: float = MOST) -> None:
    verdict = "ok" if difference <= most else "TOO LARGE"
    print(f"{difference:10.2g}  {what}  {verdict}")
    if difference > most:
        failures.append(what)


def largest(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max())


def their_outputs(model: torch.nn.Module, features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a model of transformers says where ours is asked."""
    tensors = {name: torch.from_numpy(value).long() for name, value in features.items()}
    inputs = {
        "input_ids": tensors["input_ids"],
        "attention_mask": tensors["input_mask"],
        "token_type_ids": tensors["segment_ids"],
    }
    rows = torch.arange(len(tensors["input_ids"]))[:, None]
    with torch.no_grad():
        found = model.eval()(**inputs)
        if isinstance(model, transformers.BertForPreTraining):
            return {
                "masked_lm_logits": found.prediction_logits[rows, tensors["masked_lm_positions"]],
                "next_sentence_logits": found.seq_relationship_logits,
                "pooled_output": model.bert(**inputs).pooler_output,
            }
        if isinstance(model, transformers.BertForMaskedLM):
            return {"masked_lm_logits": found.logits[rows, tensors["masked_lm_positions"]]}
        return {"pooled_output": found.pooler_output}


def check_export(folder: Path) -> None:
    """A run of ours, exported, in three classes of theirs."""
    vocabulary = Vocabulary.load(CORPUS / "vocab.txt")
    model = random_model(tiny_config(len(vocabulary.tokens), 64))
    run = make_run(folder / "run", model, vocabulary, TokenizerOptions(), trained_positions=64)
    export(ExportOptions(run, folder / "model"))
    features = random_features(model.config)
    ours = outputs(model, features)
    for kind in ("BertForPreTraining", "BertForMaskedLM", "BertModel"):
        their_class = getattr(transformers, kind)
        theirs, info = their_class.from_pretrained(folder / "model", output_loading_info=True)
        assert not info["missing_keys"], info
        assert not info["mismatched_keys"], info
        unused = set(info["unexpected_keys"])
        if kind == "BertForPreTraining":
            assert not unused, unused
            table = theirs.get_output_embeddings().weight
            assert table.data_ptr() == theirs.get_input_embeddings().weight.data_ptr()
        elif kind == "BertForMaskedLM":
            assert unused <= UNUSED_BY_MASKED_LM, unused
        for name, values in their_outputs(theirs, features).items():
            report(f"export, {kind}, {name}", largest(ours[name], values.numpy()))


def sentences() -> Iterator[str]:
    for path in sorted(CORPUS.glob("*.txt")):
        if path.name != "vocab.txt":
            yield from path.read_text("utf-8").split("\n")


def check_tokenizer(folder: Path) -> None:
    """The ids of the sample corpus under every option."""
    vocabulary = Vocabulary.load(CORPUS / "vocab.txt")
    model = random_model(tiny_config(len(vocabulary.tokens)))
    for lowercase, strip_accents in ((True, None), (True, False), (False, None), (False, True)):
        options = TokenizerOptions(lowercase=lowercase, strip_accents=strip_accents)
        place = folder / f"{lowercase}-{strip_accents}"
        run = make_run(place / "run", model, vocabulary, options)
        export(ExportOptions(run, place / "model"))
        theirs = transformers.AutoTokenizer.from_pretrained(place / "model")
        assert theirs.model_max_length == 24
        ours = FullTokenizer(vocabulary, options)
        num_lines, differing = 0, []
        for line in sentences():
            num_lines += 1
            expected = ours.convert_tokens_to_ids(ours.tokenize(line))
            if theirs(line, add_special_tokens=False)["input_ids"] != expected:
                differing.append(line)
        what = f"export, AutoTokenizer, lowercase {lowercase}, strip_accents {strip_accents}"
        unexplained = set(differing)
        for reason, pattern in KNOWN_DIFFERENCES.items():
            found = {line for line in unexplained if pattern.search(line)}
            unexplained -= found
            print(f"{len(found):10}  line that differs: it {reason}")
        report(f"{what}: other lines of {num_lines} that differ", len(unexplained), 0)
        for line in unexplained:
            print("           ", line)
        pair = theirs("a b", "c", add_special_tokens=True)
        specials = [vocabulary.tokens[i] for i in pair["input_ids"]]
        assert (specials[0], specials[-1], specials.count("[SEP]")) == ("[CLS]", "[SEP]", 2)
        assert theirs.mask_token_id == vocabulary.mask_id


def check_vocabulary(folder: Path) -> None:
    """A vocabulary that `bertprep vocab` makes, read by theirs."""
    folder.mkdir()
    path = folder / "vocab.txt"
    make_vocabulary(VocabOptions((str(CORPUS),), path, size=5000, min_frequency=1, quiet=True))
    ours, theirs = FullTokenizer(path), transformers.BertTokenizer(str(path))
    assert (len(theirs), theirs.pad_token_id) == (5000, 0)
    differing = [line for line in sentences() if ours.tokenize(line) != theirs.tokenize(line)]
    known = KNOWN_DIFFERENCES.values()
    others = [line for line in differing if not any(how.search(line) for how in known)]
    report("vocab, BertTokenizer: other lines that differ", len(others), 0)


def check_initialization(folder: Path) -> None:
    """Folders that transformers writes, as the weights of a model of ours."""
    vocabulary = Vocabulary.load(CORPUS / "vocab.txt")
    config = tiny_config(len(vocabulary.tokens))
    torch.manual_seed(4)
    for kind in ("BertForPreTraining", "BertForMaskedLM", "BertModel"):
        theirs = getattr(transformers, kind)(transformers.BertConfig(**config.to_json()))
        with torch.no_grad():
            for value in theirs.parameters():
                value.add_(torch.randn(value.shape) * 0.1)
        theirs.save_pretrained(folder / kind)
        source = read_pretrained(folder / kind)
        model = PretrainingModel(source.config)
        model.build()
        notes = initialize(model, source, vocabulary, max_seq_length=24)
        print(f"            {kind}: {'; '.join(notes).replace(str(folder), '')}")
        features = random_features(config)
        ours = outputs(model, features)
        for name, values in their_outputs(theirs, features).items():
            report(f"--init-from, {kind}, {name}", largest(ours[name], values.numpy()))


def check_never_split(folder: Path) -> None:
    """Tokens that are never split, between every kind of border that is one for both."""
    kept = ("<user>", "IL-2", "C++", "中文", "[unused9]", "the")
    data = (CORPUS / "vocab.txt").read_text("utf-8")
    for number, token in enumerate(kept[:4], 1):
        data = data.replace(f"[unused{number}]\n", f"{token}\n")
    vocabulary = Vocabulary.parse(data.encode())
    options = TokenizerOptions(never_split=kept)
    run = make_run(
        folder / "run", random_model(tiny_config(len(vocabulary.tokens))), vocabulary, options
    )
    export(ExportOptions(run, folder / "model"))
    theirs = transformers.AutoTokenizer.from_pretrained(folder / "model")
    ours = FullTokenizer(vocabulary, options)
    lines = [
        *(
            "<user> said: (<user>), <user><user>!",
            "a<user> <user>a <USER>",
            "IL-2/IL-21, xIL-2 il-2",
        ),
        *("C++ C+++ c++", "学中文课，中文 中文", "the The there other", "[unused9] [unused9]a"),
    ]
    differing = [
        line
        for line in lines
        if theirs(line, add_special_tokens=False)["input_ids"]
        != ours.convert_tokens_to_ids(ours.tokenize(line))
    ]
    report(f"export, AutoTokenizer, never split: lines that differ {differing}", len(differing), 0)


def main() -> int:
    warnings.simplefilter("error", UserWarning)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        for check in (
            check_export,
            check_tokenizer,
            check_never_split,
            check_vocabulary,
            check_initialization,
        ):
            check(Path(folder) / check.__name__)
    print(f"{len(failures)} too large")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
