"""A model that was trained, and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ainerd_agent.latent.encoder import Encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model that was trained, and its two files.

    Attributes
    ----------
    encoder : Encoder
    metrics : mapping
        How it was made, as JSON has it: what it was trained on, its losses or epochs, the SHA-256 of its weights.
    file, metrics_file : Path
        The model (.safetensors), and its metrics (.json), which begin its card.
    """

    encoder: Encoder
    metrics: Mapping[str, object]
    file: Path
    metrics_file: Path


def write_model(model: Encoder, metrics: dict[str, object], out: Path) -> TrainedModel:
    """Write the model and its metrics, and read it back, so that what is returned is what the file holds."""
    metrics_file = out.with_suffix(".json")
    metrics_file.unlink(missing_ok=True)  # of an earlier model, whose weights these are not
    model.save(out)
    encoder = Encoder.load(out)
    metrics["weights_sha256"] = encoder.weights_sha256
    metrics_file.write_text(json.dumps(metrics, indent=1))
    return TrainedModel(encoder=encoder, metrics=metrics, file=out, metrics_file=metrics_file)
