"""Updates, compared with PyTorch, with micro-batches, and on two replicas."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_trainer import (
    GOLDENS,
    SUPPORT,
    Arrays,
    golden_batches,
    large_batches,
    loss,
    make_trainer,
    part,
)
from keras import ops
from waiting import finish
from worker_cluster import worker_environments

from bertprep.errors import BertprepError, UsageError
from bertprep.model import weights
from bertprep.options import TrainingOptions
from bertprep.training.loop import StepResult, Trainer, make_strategy
from bertprep.training.optimization import WarmupLinearDecay


@pytest.fixture(scope="module")
def goldens() -> Arrays:
    return dict(np.load(GOLDENS))


def run(trainer: Trainer, batches: list[Arrays]) -> list[StepResult]:
    """Make a step per batch; return the results."""
    return [trainer.train_step(step, features) for step, features in enumerate(batches)]


def final_weights(trainer: Trainer) -> list[np.ndarray]:
    return [ops.convert_to_numpy(variable) for variable in trainer.model.trainable_variables]


def distance(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("xla", [False, None, True])
def test_ten_steps_follow_pytorch(xla: bool | None, goldens: Arrays) -> None:
    results = run(make_trainer(goldens, xla=xla), golden_batches(goldens))
    expected = part(goldens, "steps/")["losses"]
    np.testing.assert_allclose([loss(result.sums) for result in results], expected, atol=1e-5)
    rates = [result.learning_rate for result in results]
    np.testing.assert_allclose(rates[:5], [0.0, 2e-3 / 3, 4e-3 / 3, 1.4e-3, 1.2e-3], rtol=1e-6)


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulated_micro_batches_equal_the_whole_batch(parts: int, goldens: Arrays) -> None:
    batches = large_batches(goldens)
    whole = make_trainer(goldens, batch_size=16, warmup=0)
    cut = make_trainer(goldens, batch_size=16, gradient_accumulation=parts, warmup=0)
    for one, other in zip(run(whole, batches), run(cut, batches), strict=True):
        assert one.learning_rate == other.learning_rate
        assert one.sums == pytest.approx(other.sums, rel=1e-5)
    assert distance(final_weights(whole), final_weights(cut)) < 1e-5


def test_the_schedule_counts_updates_not_micro_batches(goldens: Arrays) -> None:
    # A schedule that counts parts would reach 0 after a quarter of the ten updates.
    batches = large_batches(goldens, size=32, count=10)
    whole = make_trainer(goldens, batch_size=32, warmup=0)
    cut = make_trainer(goldens, batch_size=32, gradient_accumulation=4, warmup=0)
    rates = [result.learning_rate for result in run(whole, batches)]
    assert [result.learning_rate for result in run(cut, batches)] == rates
    np.testing.assert_allclose(rates, 2e-3 * (1 - np.arange(10) / 10), rtol=1e-6)
    assert distance(final_weights(whole), final_weights(cut)) < 1e-5


def test_evaluation_and_training_sums_agree(goldens: Arrays) -> None:
    batches = golden_batches(goldens)
    trainer = make_trainer(goldens)
    expected = trainer.evaluate(batches[:1])
    result = trainer.train_step(0, batches[0])
    assert result.sums == pytest.approx(expected)
    assert (result.learning_rate, result.is_stopping) == (0.0, False)
    both = trainer.evaluate(batches[:2])
    assert both["sequences"] == 12
    assert both["masked_lm_weights"] == sum(b["masked_lm_weights"].sum() for b in batches[:2])


def test_padding_records_count_nothing(goldens: Arrays) -> None:
    batch = golden_batches(goldens)[0]
    filled = {name: value.copy() for name, value in batch.items()}
    for value in filled.values():
        value[4:] = 0
    trainer = make_trainer(goldens)
    expected = trainer.evaluate([{name: value[:4] for name, value in batch.items()}])
    assert trainer.evaluate([filled]) == pytest.approx(expected, rel=1e-5)


def test_accuracy_counts_correct_predictions(goldens: Arrays) -> None:
    batch = golden_batches(goldens)[0]
    trainer = make_trainer(goldens)
    outputs = trainer.model(batch)
    best = np.argmax(np.array(outputs["masked_lm_logits"]), axis=-1)
    truth = dict(batch, masked_lm_ids=best, masked_lm_weights=np.ones(best.shape, np.float32))
    sums = trainer.evaluate([truth])
    assert sums["masked_lm_correct"] == sums["masked_lm_weights"] == best.size
    labels = np.argmax(np.array(outputs["next_sentence_logits"]), axis=-1)
    expected = (labels == batch["next_sentence_labels"][:, 0]).sum()
    assert sums["next_sentence_correct"] == expected


def test_biases_and_layer_norms_do_not_decay(goldens: Arrays) -> None:
    trainer = make_trainer(goldens)
    optimizer = trainer.optimizer
    for path, variable in weights.variables_by_path(trainer.model).items():
        expected = not path.endswith(("bias", "gamma", "beta"))
        assert optimizer._use_weight_decay(variable) == expected, path


def test_a_batch_without_masks_trains_on_pairs(goldens: Arrays) -> None:
    batch = dict(golden_batches(goldens)[0])
    batch["masked_lm_weights"] = np.zeros_like(batch["masked_lm_weights"])
    trainer = make_trainer(goldens, warmup=0)
    result = trainer.train_step(0, batch)
    assert result.sums["masked_lm_loss"] == 0.0
    assert all(np.isfinite(array).all() for array in final_weights(trainer))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_low_precision_learns(precision: str, goldens: Arrays) -> None:
    batch = golden_batches(goldens)[0]
    trainer = make_trainer(goldens, precision=precision, warmup=0, learning_rate=1e-2, steps=40)
    losses = [loss(result.sums) for result in run(trainer, [batch] * 30)]
    assert losses[-1] < 0.5 * losses[0]
    assert {variable.dtype for variable in trainer.model.trainable_variables} == {"float32"}


def test_dropout_follows_from_seed_and_step(goldens: Arrays) -> None:
    batches = golden_batches(goldens)[:3]
    runs = [run(make_trainer(goldens, dropout=0.3, seed=seed), batches) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_the_schedule_equals_the_release() -> None:
    schedule = WarmupLinearDecay(1.0, warmup_steps=2, total_steps=8)
    rates = [float(schedule(step)) for step in range(10)]
    assert rates == [0.0, 0.5, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0, 0.0]
    assert float(WarmupLinearDecay(1.0, warmup_steps=0, total_steps=8)(0)) == 1.0
    assert (
        WarmupLinearDecay.from_config(schedule.get_config()).get_config() == schedule.get_config()
    )


@pytest.mark.parametrize("content", ["", "{}", '{"cluster": {"worker": []}}', "[1]"])
def test_multiworker_needs_its_workers(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", content)
    with pytest.raises(UsageError, match="needs the workers in the environment variable TF_CONFIG"):
        make_strategy("multiworker")


def drive(tmp_path: Path, *arguments: str, workers: int = 1) -> list[dict[str, Any]]:
    """What each worker of tests/support/trainer_driver.py found."""
    outputs = [tmp_path / f"{'-'.join(arguments)}-{index}.npz" for index in range(workers)]
    processes: list[subprocess.Popen[bytes]] = []
    with worker_environments(workers) as environments:
        try:
            for output, variables in zip(outputs, environments, strict=True):
                environment = dict(os.environ, **variables) if workers > 1 else None
                script = str(SUPPORT / "trainer_driver.py")
                command = [sys.executable, script, str(output), *arguments]
                processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
            for process in processes:
                status, _, errors = finish(process)
                assert status == 0, errors.decode()[-3000:]
        finally:
            for process in processes:
                process.kill()
    return [dict(np.load(output)) for output in outputs]


@pytest.mark.parametrize(
    ("distribute", "option"),
    [
        ("mirrored", "gradient_accumulation=2"),
        ("mirrored", 'precision="float16"'),
        ("multiworker", "xla=true"),
        ("multiworker", "gradient_accumulation=1"),
    ],
)
def test_two_replicas_equal_one(
    distribute: str, option: str, goldens: Arrays, tmp_path: Path
) -> None:
    batches = large_batches(goldens)
    masks = batches[0]["masked_lm_weights"]
    assert masks[:8].sum() != masks[8:].sum()
    one = make_trainer(goldens, batch_size=16, warmup=0)
    expected = [loss(result.sums) for result in run(one, batches)]
    workers = 2 if distribute == "multiworker" else 1
    for found in drive(tmp_path, distribute, option, workers=workers):
        assert found["num_replicas"] == 2
        near = 5e-3 if "float16" in option else 1e-5
        np.testing.assert_allclose(found["losses"], expected, atol=near)
        np.testing.assert_allclose(found["evaluated"], loss(one.evaluate(batches)), atol=10 * near)
        arrays = [found[f"weight-{i}"] for i in range(len(one.model.trainable_variables))]
        assert distance(final_weights(one), arrays) < 10 * near


def test_a_loss_that_is_not_finite_stops_the_run(goldens: Arrays) -> None:
    trainer = make_trainer(goldens)
    weights.assign_weights(trainer.model, {"masked_lm/bias": np.full(61, np.nan)}, "nan")
    results = trainer.run(range(4, 9), golden_batches(goldens))
    with pytest.raises(BertprepError, match="step 4: the loss is nan: resume from the last"):
        next(results)


def test_a_state_is_restored_and_one_of_another_model_refused(goldens: Arrays) -> None:
    batches = golden_batches(goldens)
    trainer = make_trainer(goldens, warmup=0)
    run(trainer, batches[:2])
    state = trainer.state()
    expected = run(trainer, batches[2:4])
    run(trainer, batches[:3])
    trainer.restore(state)
    assert run(trainer, batches[2:4]) == expected
    name = "optimizer/adamw/bert_pooler_kernel_momentum"
    with pytest.raises(UsageError, match=f"{name} is missing or has another shape"):
        trainer.restore({key: value for key, value in state.items() if key != name})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"gradient_accumulation": 0}, "gradient_accumulation must be at least 1, got 0"),
        (
            {"batch_size": 6, "gradient_accumulation": 4},
            r"batch_size must be a multiple of gradient_accumulation \(4\), got 6",
        ),
        ({"learning_rate": 0.0}, r"learning_rate must be above 0, got 0\.0"),
        ({"weight_decay": -1.0}, r"weight_decay must be 0 or more, got -1\.0"),
        ({"warmup": 1.5}, r"warmup must be a number of steps, or a share .*, got 1\.5"),
        ({"warmup": -1.0}, r"warmup must be a number of steps, or a share .*, got -1\.0"),
        ({"warmup": 11.0}, r"warmup must be at most steps \(10\), got 11\.0"),
        ({"precision": "int8"}, "precision must be float32, bfloat16 or float16, got int8"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"distribute": "tpu"}, "distribute must be none, mirrored or multiworker, got tpu"),
    ],
)
def test_invalid_options_are_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainingOptions(**{"steps": 10, **changes})


def test_the_warmup_is_a_number_or_a_fraction() -> None:
    warmups = (0.0, 0.1, 0.25, 1.0, 7.0)
    steps = [TrainingOptions(steps=40, warmup=warmup).warmup_steps for warmup in warmups]
    assert steps == [0, 4, 10, 1, 7]
