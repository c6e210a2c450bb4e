"""A language of which everything is known, and its vocabulary: what a model can learn in a minute.

A document is about one of TOPICS topics, and a topic has WORDS words of its own in a fixed circle.
A sentence begins anywhere in the circle and goes around. So each word follows from either of its
neighbours, and two sentences belong together when their words are of one topic.

Whoever knows only frequencies is right about one word in TOPICS x WORDS. Of random next sentences
one in TOPICS is of the same topic, and nobody can tell it.
"""

import random
from pathlib import Path

TOPICS, WORDS = 16, 6


def word(topic: int, place: int) -> str:
    return "bcdfghklmnprstvz"[topic] + "aeiouy"[place % WORDS]


def write_language(folder: Path, num_documents: int = 1200, seed: int = 5) -> tuple[Path, Path]:
    """Writes a corpus and its vocabulary; returns their paths."""
    generator = random.Random(seed)
    lines = []
    for _ in range(num_documents):
        topic = generator.randrange(TOPICS)
        for _ in range(generator.randint(4, 8)):
            start, length = generator.randrange(WORDS), generator.randint(4, 7)
            lines.append(" ".join(word(topic, start + i) for i in range(length)))
        lines.append("")
    words = [word(topic, place) for topic in range(TOPICS) for place in range(WORDS)]
    corpus, vocab = folder / "language.txt", folder / "language-vocab.txt"
    corpus.write_text("\n".join(lines) + "\n")
    vocab.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]) + "\n")
    return corpus, vocab
