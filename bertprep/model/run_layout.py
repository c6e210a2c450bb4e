"""Names of the files in the folder of a training run.

run.json            the plan: what the weights follow from; marks the folder as a run
bert_config.json    the model
vocab.txt           a copy of the vocabulary
checkpoints/        step-00001000.npz, ..., best.json
metrics.jsonl       metrics by step
curves.png          the same as a picture
tensorboard/        the same for TensorBoard
"""

import re
from typing import Any

from bertprep.storage.folder_state import FolderLayout
from bertprep.storage.plans import Plan

RUN_NAME = "run.json"
CONFIG_NAME = "bert_config.json"
VOCABULARY_NAME = "vocab.txt"
CHECKPOINTS_NAME = "checkpoints"
METRICS_NAME = "metrics.jsonl"
CURVES_NAME = "curves.png"
TENSORBOARD_NAME = "tensorboard"

_RUN_FILE = re.compile(
    rf"{CHECKPOINTS_NAME}/(step-[0-9]{{8,}}\.npz|best\.json)"
    rf"|{TENSORBOARD_NAME}/(train|eval)/events\.out\.tfevents\.[^/]+"
    rf"|{re.escape(METRICS_NAME)}|{re.escape(CURVES_NAME)}|{re.escape(CONFIG_NAME)}"
)


def _read_plan(value: Any) -> Plan:
    plan: Plan = value["plan"]
    if not isinstance(plan["training"]["steps"], int):
        raise TypeError("steps")
    if not isinstance(plan["vocabulary"]["sha256"], str):
        raise TypeError("sha256")
    return plan


RUN_LAYOUT = FolderLayout(
    read_plan=_read_plan,
    lists=lambda plan, name: _RUN_FILE.fullmatch(name) is not None,
    reserved=re.compile(f"{CHECKPOINTS_NAME}|{re.escape(METRICS_NAME)}"),
    work_names=re.compile(r"(?!)"),  # none
    folders=(
        CHECKPOINTS_NAME,
        *(f"{TENSORBOARD_NAME}/{split}" for split in ("train", "eval")),
        TENSORBOARD_NAME,
    ),
    plan_name=RUN_NAME,
)
