"""The exported tokenizer of transformers gives our words, except for the listed code points."""

import json
import unicodedata

import pytest
from tokenizer_differences import GOLDEN, MODES, digest, name_of, our_words

_GOLDEN = json.loads(GOLDEN.read_text())


@pytest.mark.skipif(
    unicodedata.unidata_version != _GOLDEN["unicode"], reason="the golden is of another Unicode"
)
@pytest.mark.parametrize("mode", MODES[:2], ids=name_of)
def test_words_are_those_of_transformers_but_for_the_list(mode: tuple[bool, bool, bool]) -> None:
    golden = _GOLDEN[name_of(mode)]
    assert digest(our_words(mode), golden["ranges"]) == golden["sha256"]


def test_the_list_has_what_the_readme_names() -> None:
    for name in map(name_of, MODES):
        listed = {p for a, b in _GOLDEN[name]["ranges"] for p in range(a, b + 1)}
        assert {0x2E43, 0x061D, 0x166D, 0x111C9, 0x0890, 0x13438} <= listed
        assert (0x2B820 in listed) == name.endswith("True")
        assert (0x0898 in listed) == name.startswith("True-True")
        assert not {ord(c) for c in "aéßñ中한か,"} & listed
