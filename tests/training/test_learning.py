"""A small model learns a generated language."""

from pathlib import Path

from pretraining import make_records, pretrain, rows_of, write_config

#: Fixed before the run: accuracy of masked tokens above the baseline.
MLM_MARGIN = 0.2
NSP_ACCURACY = 0.9


def test_held_out_accuracy_beats_the_baseline(tmp_path: Path) -> None:
    records = make_records(tmp_path, "--dupe-factor", "5", num_documents=1200)
    config = write_config(
        tmp_path,
        hidden_size=64,
        intermediate_size=128,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
    )
    flags = "--steps 1000 --learning-rate 0.002 --warmup 0.1 --quiet"
    result = pretrain(records, "--model", config, "--output", tmp_path / "run", *flags.split())
    assert result.exit_code == 0, result.output
    rows = {row["split"]: row for row in rows_of(tmp_path / "run")}
    baseline, held_out = rows["baseline"], rows["eval"]
    assert held_out["step"] == 1000
    assert baseline["mlm_accuracy"] < 0.03
    assert held_out["mlm_accuracy"] > baseline["mlm_accuracy"] + MLM_MARGIN
    assert held_out["mlm_loss"] < baseline["mlm_loss"] - 2.0
    assert held_out["nsp_accuracy"] > NSP_ACCURACY > baseline["nsp_accuracy"] + 0.2
