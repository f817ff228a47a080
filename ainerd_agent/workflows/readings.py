"""Add kinds and probabilities of repeats to a model that was trained without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ainerd_agent.errors import ModelError
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.model_file import card_of
from ainerd_agent.latent.training.build_model import ReadingLessons, with_readings
from ainerd_agent.latent.training.lessons import keep_apart
from ainerd_agent.scattering.files.map_files import StoredMaps, read_maps
from ainerd_agent.workflows.real_maps import RealMaps
from ainerd_agent.workflows.train import READING_DYNAMICS


def add_readings(
    model: Path | str,
    out: Path | str,
    *,
    real: RealMaps | None = None,
    n_dynamics: int = READING_DYNAMICS,
    seed: int = 0,
    on_part: Callable[[int], None] | None = None,
) -> Encoder:
    """Write a model anew with its readings; its network, clusters and card stay as they are.

    Of real maps, those are learnt from on which `ainerd train` validates: the network was not trained on them. The
    SHA-256 of the file is another one afterwards, also on the card beside it.

    Parameters
    ----------
    model : Path or str
        A file, or the name of a shipped model.
    out : Path or str
        File to write, .safetensors; it may be the same.
    real : RealMaps, optional
    n_dynamics : int
        Simulated, with three measurements each.
    seed : int
    on_part : callable, optional
        Called with the number of dynamics simulated so far.

    Raises
    ------
    ModelError
        A model that cannot be read, or of the paper's architecture, which looks at maps that are scaled otherwise.
    """
    out, encoder = Path(out), Encoder.load(model)
    if encoder.architecture == "paper":
        raise ModelError(f"{model} is of the paper's architecture, which has no readings: take another model")
    card = json.loads(card_of(model).read_text()) if card_of(model).exists() else {}
    lessons = ReadingLessons(n_dynamics, *_learnt_from(real))
    new = with_readings(encoder, lessons, seed=seed, on_part=on_part)
    beside = out.with_suffix(".json")
    beside.unlink(missing_ok=True)  # of the weights before
    new.save(out)
    loaded = Encoder.load(out)
    beside.write_text(json.dumps({**card, "weights_sha256": loaded.weights_sha256}, indent=1))
    return loaded


def _learnt_from(real: RealMaps | None) -> tuple[StoredMaps | None, float, float | None]:
    if real is None:
        return None, 1.0, None
    return keep_apart(read_maps(Path(real.file)), seed=0).validation, real.baseline, real.contrast
