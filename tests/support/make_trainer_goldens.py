"""Makes trainer_goldens.npz anew with transformers and PyTorch, or compares it with them.

    python tests/support/make_trainer_goldens.py
        writes the file, and prints what changed
    python tests/support/make_trainer_goldens.py --check
        writes nothing; exit status 1 if it would change

In the file: the weights of a tiny BertForPreTraining under their names; padded and full features
with the outputs of both heads; the losses of ten steps of torch.optim.AdamW on other batches.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForPreTraining

GOLDENS = Path(__file__).parents[1] / "goldens" / "trainer_goldens.npz"
CONFIG = {
    "vocab_size": 61,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 24,
    "type_vocab_size": 2,
}
BATCH, LENGTH, PREDICTIONS = 6, 20, 4
STEPS, PEAK, WARMUP, WEIGHT_DECAY = 10, 2e-3, 3, 0.01
BETA_2, EPSILON = 0.999, 1e-6


def draw_features(generator: np.random.Generator, *, is_full: bool) -> dict[str, np.ndarray]:
    """A batch of random records."""
    shape = (BATCH, LENGTH)
    lengths = generator.integers(7, LENGTH + 1, BATCH) if not is_full else np.full(BATCH, LENGTH)
    mask = np.arange(LENGTH) < lengths[:, None]
    num_masked = generator.integers(0, PREDICTIONS + 1, BATCH)
    weights = np.arange(PREDICTIONS) < num_masked[:, None]
    positions = [np.sort(generator.choice(n - 1, PREDICTIONS, replace=False)) + 1 for n in lengths]
    ids = generator.integers(1, CONFIG["vocab_size"], shape)
    labels = generator.integers(1, CONFIG["vocab_size"], (BATCH, PREDICTIONS))
    return {
        "input_ids": (ids * mask).astype(np.int32),
        "input_mask": mask.astype(np.int32),
        "segment_ids": ((np.arange(LENGTH) > lengths[:, None] // 2) & mask).astype(np.int32),
        "masked_lm_positions": (np.array(positions) * weights).astype(np.int32),
        "masked_lm_ids": (labels * weights).astype(np.int32),
        "masked_lm_weights": weights.astype(np.float32),
        "next_sentence_labels": generator.integers(0, 2, (BATCH, 1)).astype(np.int32),
    }


def make_model() -> BertForPreTraining:
    """Weights far enough from 0 that every part of the function counts."""
    config = BertConfig(**CONFIG, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config._attn_implementation = "eager"
    model = BertForPreTraining(config)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, value in model.named_parameters():
            drawn = torch.randn(value.shape, generator=generator) * (
                0.2 if value.ndim == 2 else 0.1
            )
            value.copy_(drawn + 1.0 if name.endswith("LayerNorm.weight") else drawn)
    return model.eval()


def outputs(model: BertForPreTraining, features: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Both heads at the places where the records ask for them."""
    tensors = {name: torch.from_numpy(value).long() for name, value in features.items()}
    inputs = {
        "input_ids": tensors["input_ids"],
        "attention_mask": tensors["input_mask"],
        "token_type_ids": tensors["segment_ids"],
    }
    predicted = model(**inputs)
    rows = torch.arange(len(tensors["input_ids"]))[:, None]
    return {
        "masked_lm_logits": predicted.prediction_logits[rows, tensors["masked_lm_positions"]],
        "next_sentence_logits": predicted.seq_relationship_logits,
        "pooled_output": model.bert(**inputs).pooler_output,
    }


def loss_of(model: BertForPreTraining, features: dict[str, np.ndarray]) -> torch.Tensor:
    """The loss of run_pretraining.py."""
    predicted = outputs(model, features)
    logits, weights = predicted["masked_lm_logits"], torch.from_numpy(features["masked_lm_weights"])
    cross_entropy = torch.nn.functional.cross_entropy
    labels = torch.from_numpy(features["masked_lm_ids"]).long()
    each = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    masked_lm = (each * weights.flatten()).sum() / (weights.sum() + 1e-5)
    labels = torch.from_numpy(features["next_sentence_labels"]).long().flatten()
    return masked_lm + cross_entropy(predicted["next_sentence_logits"], labels)


def learning_rate(step: int) -> float:
    """Linear up to the peak, then on the line that ends in 0 at the last step."""
    return PEAK * (step / WARMUP if step < WARMUP else 1.0 - step / STEPS)


def train(model: BertForPreTraining, batches: list[dict[str, np.ndarray]]) -> list[float]:
    """The loss before each update."""
    parameters = dict(model.named_parameters())
    plain = [value for name, value in parameters.items() if "LayerNorm" in name or "bias" in name]
    decayed = [
        value
        for name, value in parameters.items()
        if "LayerNorm" not in name and "bias" not in name
    ]
    groups = [
        {"params": decayed, "weight_decay": WEIGHT_DECAY},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, BETA_2))
    losses = []
    for step, features in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
            # Keras adds epsilon before it corrects the bias, PyTorch behind it.
            group["eps"] = EPSILON / (1.0 - BETA_2 ** (step + 1)) ** 0.5
        optimizer.zero_grad()
        loss = loss_of(model, features)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def make() -> dict[str, np.ndarray]:
    """Every array of the file."""
    generator = np.random.default_rng(1)
    model = make_model()
    arrays = {f"config/{name}": np.array(value) for name, value in CONFIG.items()}
    for name, value in model.state_dict().items():
        if name not in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"):
            arrays[f"weights/{name}"] = value.numpy().copy()
    for kind in ("padded", "full"):
        features = draw_features(generator, is_full=kind == "full")
        arrays |= {f"{kind}/{name}": value for name, value in features.items()}
        with torch.no_grad():
            for name, value in outputs(model, features).items():
                arrays[f"{kind}/{name}"] = value.numpy()
    batches = [draw_features(generator, is_full=False) for _ in range(STEPS)]
    for name in batches[0]:
        arrays[f"steps/{name}"] = np.stack([batch[name] for batch in batches])
    arrays["steps/losses"] = np.array(train(model, batches), np.float32)
    return arrays


def difference(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> list[str]:
    """One line for each array that is not the same up to rounding."""
    names = [name for name in new if name not in old or old[name].shape != new[name].shape]
    lines = [f"{name}: new, or of another shape" for name in names]
    lines += [f"{name}: gone" for name in old if name not in new]
    for name in old.keys() & new.keys() - set(names):
        distance = float(np.abs(old[name].astype(np.float64) - new[name]).max())
        if distance > 1e-5:
            lines.append(f"{name}: differs by {distance:.2g}")
    return sorted(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    old = dict(np.load(GOLDENS)) if GOLDENS.exists() else {}
    new = make()
    lines = difference(old, new)
    print("\n".join(lines) or "no difference")
    if not arguments.check:
        np.savez_compressed(GOLDENS, **new)
        print(f"{GOLDENS}: {GOLDENS.stat().st_size:,} bytes")
    return 1 if lines and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
