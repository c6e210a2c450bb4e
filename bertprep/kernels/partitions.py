"""Copies documents into another order, to deal them to partitions."""

from bertprep.kernels.jit import njit


@njit()
def gather_documents(
    tokens, sentence_offsets, document_offsets, order, gathered, token_counts, sentence_counts
):
    """Copies whole documents, in `order`.

    Args:
        tokens: uint32[num_tokens].
        sentence_offsets: int64[num_sentences + 1].
        document_offsets: int64[num_documents + 1].
        order: int64[num_documents].
        gathered: uint32[num_tokens]. Out: the tokens.
        token_counts: uint32[num_sentences]. Out: tokens of each sentence.
        sentence_counts: uint32[num_documents]. Out: sentences of each document.
    """
    token, sentence = 0, 0
    for place in range(order.size):
        first, last = document_offsets[order[place]], document_offsets[order[place] + 1]
        sentence_counts[place] = last - first
        for s in range(first, last):
            token_counts[sentence] = sentence_offsets[s + 1] - sentence_offsets[s]
            sentence += 1
        for t in range(sentence_offsets[first], sentence_offsets[last]):
            gathered[token] = tokens[t]
            token += 1
