"""Options in the form that the plain twin takes."""

import reference

from bertprep.options import (
    InstanceOptions,
)


def twin_options(options: InstanceOptions) -> reference.Options:
    return reference.Options(
        max_seq_length=options.max_seq_length,
        max_predictions_per_seq=options.predictions,
        masked_lm_prob=options.masked_lm_prob,
        short_seq_prob=options.short_seq_prob,
        dupe_factor=options.dupe_factor,
        whole_word_mask=options.whole_word_mask,
        quirks="fix" if options.quirks == "fix" else "keep",
    )
