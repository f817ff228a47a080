"""Measure what a latent model is worth: the figures of its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent.encoder import Encoder, card_of
from ainerd_agent.latent.evaluation import (
    as_figures,
    encoding_time,
    evaluate_reconstruction,
    evaluate_retrieval,
    evaluate_simulated,
    evaluate_stability,
)
from ainerd_agent.latent.training.lessons import split_by_series
from ainerd_agent.scattering.files.map_files import read_maps
from ainerd_agent.workflows.train import RealMaps

MAPS_AT_A_TIME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The figures of a model, measured and as its card has them.

    Attributes
    ----------
    model : str
    weights_sha256 : str
    figures : mapping of str to float
        As measured now; `ainerd_agent.latent.evaluation` says what each means.
    on_card : mapping of str to float
        As the card has them; empty for a model without a card.
    card : Path
        Where the card is (.json), or would be.
    """

    model: str
    weights_sha256: str
    figures: Mapping[str, float]
    on_card: Mapping[str, float]
    card: Path


def evaluate(
    model: Path | str | None = None,
    *,
    real: RealMaps | None = None,
    every_series: bool = False,
    target: Path | str | None = None,
    simulated: int = 2600,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure the figures of a model's card again.

    Parameters
    ----------
    model : Path or str, optional
        A file, or the name of a shipped model; by default the one that is used where none is named.
    real : RealMaps, optional
        With the columns series, roi and is_mean: for cross-noise retrieval, and the stability of the labels.
    every_series : bool
        Search all real maps, and not only the experiments that were kept apart in training.
    target : Path or str, optional
        Maps that the training never saw, to reconstruct.
    simulated : int
        Simulated maps, 0 for none; the paper has 13,000.
    on_progress : callable, optional
        Called with the simulated maps done, and to do.

    Returns
    -------
    Evaluation

    Raises
    ------
    ModelError
        A model, or a card, that cannot be read.
    MapError
        Maps that cannot be read, or lack the columns.

    Examples
    --------
    >>> found = evaluate("mine.safetensors", simulated=500)        # doctest: +SKIP
    >>> found.figures["same_kind"], found.on_card                  # doctest: +SKIP
    """
    encoder = Encoder.load(model)
    card = card_of(model)
    written = _read_card(card)
    figures: dict[str, float] = {}
    if real is not None:
        figures |= _of_real(encoder, real, kept_apart_by=None if every_series else int(written.get("seed", 0)))
    if target is not None:
        figures["target_mse"] = _of_target(encoder, Path(target))
    if simulated:
        tell = None if on_progress is None else lambda done: on_progress(done, simulated)
        figures |= as_figures(evaluate_simulated(encoder, simulated, on_part=tell))
    figures["encoding_ms"] = 1e3 * encoding_time(encoder)
    return Evaluation(
        model=encoder.name,
        weights_sha256=encoder.weights_sha256,
        figures=figures,
        on_card=written.get("figures", {}),
        card=card,
    )


def write_card(found: Evaluation) -> None:
    """Put measured figures into the model's card; what else it says stays."""
    written = _read_card(found.card)
    figures = {**written.get("figures", {}), **found.figures}
    found.card.write_text(json.dumps({**written, "figures": figures}, indent=1))


def _read_card(card: Path) -> dict[str, Any]:
    if not card.exists():
        return {}
    try:
        return dict(json.loads(card.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"the model card {card} cannot be read: {error}") from error


def _of_real(encoder: Encoder, real: RealMaps, *, kept_apart_by: int | None) -> dict[str, float]:
    """Retrieval, and agreement of labels between seeds, on real maps; only those that a training of this seed left."""
    stored = read_maps(Path(real.file))
    if kept_apart_by is not None:
        stored = split_by_series(stored, kept_apart_by)[1]
    retrieval, queries = evaluate_retrieval(encoder, stored, baseline=real.baseline, contrast=real.contrast)
    windows = stored.select(~stored.columns["is_mean"].astype(bool) & stored.finite)
    latents = np.concatenate(
        [
            encoder.encode(part, baseline=real.baseline, contrast=real.contrast)
            for part in np.array_split(windows.maps, -(-len(windows) // MAPS_AT_A_TIME))
        ]
    )
    mean, least = evaluate_stability(latents, len(encoder.clusters))
    return {"r_precision": retrieval, "queries": queries, "ari": mean, "ari_least": least}


def _of_target(encoder: Encoder, file: Path) -> float:
    maps = read_maps(file)
    if not maps.finite.all():
        raise MapError(f"{file} holds maps that are not finite")
    return evaluate_reconstruction(encoder, maps.maps.astype(np.float32), baseline=maps.baseline())
