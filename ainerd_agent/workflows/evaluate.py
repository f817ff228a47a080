"""Measure what a latent model is worth: the figures of its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent.damage import FlagScore
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.evaluation import (
    SIMULATION_SEED,
    RealRetrieval,
    as_figures,
    encode_stored,
    encoding_time,
    evaluate_flag,
    evaluate_reconstruction,
    evaluate_retrieval,
    evaluate_same_g2,
    evaluate_simulated,
    evaluate_stability,
    windows_of,
)
from ainerd_agent.latent.held_out import BY_HASH, held_out
from ainerd_agent.latent.model_file import card_of
from ainerd_agent.latent.training.lessons import split_by_series
from ainerd_agent.scattering.files.map_files import StoredMaps, read_maps
from ainerd_agent.scattering.simulation.maps import simulate_maps
from ainerd_agent.workflows.real_maps import RealMaps

FLAGGED_MAPS = 60
"""Sound maps, and damaged ones of each damage, that the flag is tried on."""

PAIRS = 3
"""Of each kind, by default: an interval of about 0.05 for a kind, and 0.02 for the mean."""


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
    simulated: int = 1000,
    pairs: int = PAIRS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure the figures of a model's card again.

    Parameters
    ----------
    model : Path or str, optional
        A file, or the name of a shipped model; by default the one that is used where none is named.
    real : RealMaps, optional
        With the columns series, roi and window: for leak-free retrieval, the stability of the labels, and the flag
        "unlike the training".
    every_series : bool
        Search all real maps, and not only the experiments that were kept apart in training. The discriminant of g2 is
        left out then: nothing is left that it could learn from.
    target : Path or str, optional
        Maps that the training never saw, to reconstruct.
    simulated : int
        Simulated maps, 0 for none; the paper has 13,000.
    pairs : int
        Pairs of dynamics of one g2, of each of 14 kinds, that are to be told apart; 0 for none.
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
    written = read_card(card)
    figures: dict[str, float] = {}
    if real is not None:
        figures |= _of_real(encoder, real, None if every_series else written)
    if target is not None:
        figures["target_mse"] = _of_target(encoder, Path(target))
    if pairs:
        figures |= _of_same_g2(encoder, pairs)
    if simulated:
        figures |= _of_simulated_flag(encoder)
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
    written = read_card(found.card)
    figures = {**written.get("figures", {}), **found.figures}
    found.card.write_text(json.dumps({**written, "figures": figures}, indent=1))


def read_card(card: Path) -> dict[str, Any]:
    """What a card says; nothing where there is none. `ModelError` where it cannot be read."""
    if not card.exists():
        return {}
    try:
        return dict(json.loads(card.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"the model card {card} cannot be read: {error}") from error


def kept_apart(stored: StoredMaps, card: Mapping[str, Any]) -> tuple[StoredMaps, StoredMaps]:
    """Maps of the experiments that a model's training left out, as its card says, and all others.

    Cards with `held_out` say that the hash of the experiment decided (`ainerd_agent.latent.held_out`); others that the
    seed of the training did.
    """
    if (how := card.get("held_out")) is None:
        others, apart = split_by_series(stored, int(card.get("seed", 0)))
        return apart, others
    if how != BY_HASH:
        raise ModelError(f"the model's card says held_out: {how!r}; only {BY_HASH!r} is known")
    if "series" not in stored.columns:
        raise MapError(
            "the model was trained without some experiments, and the maps have no column series to tell which"
        )
    apart_by_hash = held_out(stored.columns["series"])
    if not apart_by_hash.any():
        raise MapError(
            "all maps are of experiments that the model was trained on: search --every-series, or other maps"
        )
    return stored.select(apart_by_hash), stored.select(~apart_by_hash)


def _of_real(encoder: Encoder, real: RealMaps, card: Mapping[str, Any] | None) -> dict[str, float]:
    """Retrieval, stability of labels, and the flag, on real maps that the training left out; on all without a card."""
    stored = read_maps(Path(real.file))
    windows_of(stored)  # tells at once what is missing
    apart, others = (stored, None) if card is None else kept_apart(stored, card)
    found = evaluate_retrieval(encoder, apart, others, baseline=real.baseline, contrast=real.contrast)
    windows = windows_of(apart)
    mean, least = evaluate_stability(
        encode_stored(encoder, windows.maps, baseline=real.baseline, contrast=real.contrast), len(encoder.clusters)
    )
    figures = retrieval_figures(found) | {"ari": mean, "ari_least": least}
    some = windows.maps[:: max(1, len(windows) // FLAGGED_MAPS)]
    flag = evaluate_flag(encoder, some, baseline=real.baseline, contrast=real.contrast)
    return figures | _flag_figures(flag, "real")


def retrieval_figures(found: RealRetrieval) -> dict[str, float]:
    """Figures of leak-free retrieval, by their names."""
    figures = {
        "retrieval": found.plain.mean,
        "retrieval_low": found.plain.low,
        "retrieval_high": found.plain.high,
        "retrieval_scaled": found.scaled.mean,
        "retrieval_groups": found.plain.n_groups,
        "retrieval_archive": found.plain.archive,
    }
    if found.g2 is not None:
        more, low, high = found.plain.over(found.g2)
        figures |= {"retrieval_g2": found.g2.mean, "over_g2": more, "over_g2_low": low, "over_g2_high": high}
    return figures


def _of_same_g2(encoder: Encoder, n_pairs: int) -> dict[str, float]:
    found = evaluate_same_g2(encoder, n_pairs)
    mean, low, high = found.figure
    return {
        "same_g2": mean,
        "same_g2_low": low,
        "same_g2_high": high,
        "same_g2_unseen": found.mean_of(unseen=True),
        "same_g2_worst": found.worst.auc,
        "same_g2_null": found.null.auc,
        "same_g2_null_low": found.null.low,
        "same_g2_null_high": found.null.high,
    }


def _flag_figures(flag: FlagScore, of: str) -> dict[str, float]:
    missed = {f"missed_{name}_{of}": value for name, value in flag.missed.items()}
    return {f"false_alarms_{of}": flag.false_alarms, **missed}


def _of_simulated_flag(encoder: Encoder) -> dict[str, float]:
    maps = simulate_maps(FLAGGED_MAPS, SIMULATION_SEED - 1)
    flag = evaluate_flag(encoder, maps.c2.astype(np.float32), baseline=0.0, contrast=maps.contrast)
    return _flag_figures(flag, "simulated")


def _of_target(encoder: Encoder, file: Path) -> float:
    maps = read_maps(file)
    if not maps.finite.all():
        raise MapError(f"{file} holds maps that are not finite")
    return evaluate_reconstruction(encoder, maps.maps.astype(np.float32), baseline=maps.baseline())
