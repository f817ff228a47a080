"""How well local events are drawn again, for `benchmarks/latent.py`: fringes in a part of the ages, and crosses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.resampling import Figure, interval
from ainerd_agent.latent.same_g2 import Side, measure, random_level, truth_of
from ainerd_agent.latent.same_g2.dynamics import TIMES, by_clock, by_phase
from ainerd_agent.latent.same_g2.pairs import log_uniform
from ainerd_agent.scattering.files.map_files import read_maps


def fringes_for_a_while(r: np.random.Generator) -> Side:
    """Two components that move against each other during a part of the exposure, and are at rest before and after."""
    begin = r.uniform(0, 0.6)
    moving = (begin < TIMES) & (begin + r.uniform(0.2, 0.4) > TIMES)
    phase = 2 * np.pi * r.uniform(6, 20) * np.cumsum(moving) / len(TIMES)
    return Side.of(by_clock(log_uniform(r, 0.2, 2) * TIMES) * by_phase(phase, r.uniform(0.3, 0.5)))


def crosses(r: np.random.Generator) -> Side:
    """One to three short events during which the speckles are others than before and after: bars across the map."""
    event = np.zeros(len(TIMES), dtype=int)
    for number in range(1, r.integers(2, 5)):
        begin = r.uniform(0.05, 0.9)
        event[(begin < TIMES) & (begin + r.uniform(0.02, 0.06) > TIMES)] = number
    kept = r.uniform(0.2, 0.6)
    # A product of covariances is one: a share of the field is of the event alone.
    return Side.of(by_clock(log_uniform(r, 0.2, 2) * TIMES) * (kept + (1 - kept) * (event[:, None] == event[None])))


EVENTS: Mapping[str, Callable[[np.random.Generator], Side]] = {
    "fringes in a part of the ages": fringes_for_a_while,
    "cross-shaped events": crosses,
}


def draw_events(encoders: Mapping[str, Encoder], n_maps: int, seed: int) -> dict[str, dict[str, Figure]]:
    """Mean squared error of the drawn map against the noise-free truth, by what is drawn of which event, and model.

    Drawn is what the 64 numbers tell, and what the model keeps of the map (`Encoder.reconstruct`).
    """
    found: dict[str, dict[str, Figure]] = {}
    for number, (event, make) in enumerate(EVENTS.items()):
        r = np.random.default_rng([seed, number])
        names = (*encoders, "the measured map itself")
        told, kept = ({name: list[float]() for name in names} for _ in range(2))
        for _ in range(n_maps):
            side, level = make(r), random_level(r)
            truth, c2 = truth_of(side), measure(side, level, r)
            for name, encoder in encoders.items():
                drawn = encoder.decode(encoder.encode(c2, contrast=level.contrast))[0]
                told[name].append(float(np.mean((drawn - truth) ** 2)))
                whole = encoder.reconstruct(c2, contrast=level.contrast)[0] / level.contrast
                kept[name].append(float(np.mean((whole - truth) ** 2)))
            for errors in (told, kept):
                errors["the measured map itself"].append(float(np.mean((c2 / level.contrast - truth) ** 2)))
        for how, errors in (("64 numbers", told), ("reconstructed", kept)):
            found[f"{event}, {how}"] = {name: interval(each) for name, each in errors.items()}
    return found


def draw_target(encoders: Mapping[str, Encoder], file: Path) -> dict[str, float]:
    """Mean squared error of drawn real maps, in their own units."""
    stored = read_maps(file)
    maps, baseline = stored.maps.astype(np.float32), stored.baseline()
    return {
        name: float(np.mean((encoder.reconstruct(maps, baseline=baseline) - maps) ** 2))
        for name, encoder in encoders.items()
    }
