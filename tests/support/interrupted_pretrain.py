"""`bertprep pretrain` that is stopped at one step, which is an event and not a time.

    python interrupted_pretrain.py STEP SIGNAL RECORDS --model ...

The process sends itself SIGNAL (its number) in the STEP-th step of the run, before the weights are
updated; STEP 0 is never. Progress lines are off: a slow machine has more of them.
"""

import math
import os
import sys
from typing import Any

from bertprep import terminal
from bertprep.cli import main
from bertprep.training.process import load_tensorflow

if __name__ == "__main__":
    stop_step, number = int(sys.argv[1]), int(sys.argv[2])
    terminal._PLAIN_LINE_SECONDS = math.inf
    if stop_step:
        load_tensorflow()
        from bertprep.training.loop import Trainer

        train_step = Trainer.train_step

        def interrupted(self: Trainer, step: int, *arguments: Any) -> Any:
            if step == stop_step - 1:
                os.kill(os.getpid(), number)
            return train_step(self, step, *arguments)

        Trainer.train_step = interrupted
    main(["pretrain", *sys.argv[3:]], prog_name="bertprep")
