"""Are the same dynamics, measured for 10 s and for 100 s, neighbours? In shapes, and in seconds.

    python benchmarks/time_scales.py [--quick] [--model ages-v1] [--json FILE]

Dynamics are known in seconds, of five kinds. Each is measured twice, with speckles and photons of its own: for 10 s,
from any moment on, and for 100 s. Each map of 10 s asks for that of its dynamics among those of 100 s of all dynamics.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from clocked_movies import LONGEST, draw, measure
from numpy.typing import NDArray
from tables import Row, Table

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.model_file import SHIPPED
from ainerd_agent.latent.resampling import interval
from ainerd_agent.latent.same_g2.measurement import Level
from ainerd_agent.latent.time_scales import crops_of, encode_crops
from ainerd_agent.latent.time_scales.distances import apart_at_scale

SHORT = 10.0
"""Seconds."""

SEED = 2
"""The least number of pixels and the distance were chosen on seed 1."""

LEVELS: Mapping[str, Level] = {
    "good: 1,500 pixels, 10 counts, contrast 0.5": Level(1500, 10.0, 2),
    "usual: 500 pixels, 2 counts, contrast 0.33": Level(500, 2.0, 3),
    "poor: 150 pixels, 0.5 counts, contrast 0.33": Level(150, 0.5, 3),
}


@dataclass(frozen=True, slots=True)
class Found:
    """How the partner ranks among all: share of the others that are farther, median rank, share that is first."""

    auc: float
    low: float
    high: float
    median_rank: float
    first: float


def simulate(count: int, number: int, seed: int = SEED) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Maps of 10 s and of 100 s of the same dynamics at one of `LEVELS`, each (count, 256, 256)."""
    short, long = [], []
    level = list(LEVELS.values())[number]
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        dynamics, start = draw(rng), rng.uniform(0, LONGEST - SHORT)
        rng = np.random.default_rng([seed, k, number])
        short.append(measure(dynamics, start, SHORT, level, rng))
        long.append(measure(dynamics, 0.0, LONGEST, level, rng))
    return np.array(short), np.array(long)


def ranks(
    encoder: Encoder, short: NDArray[np.float32], long: NDArray[np.float32], contrast: float, seconds: float | None
) -> NDArray[np.int64]:
    """How many others are nearer than the partner, by crops of a duration, or by the whole in shapes."""
    latents = []
    for maps, exposure in ((short, SHORT), (long, LONGEST)):
        crops = [c for c in crops_of(exposure, maps.shape[-1]) if (c.seconds == seconds if seconds else c.scale == 1)]
        latents.append(encode_crops(encoder, maps, exposure, contrast=contrast, crops=crops).latents)
    of = np.repeat(np.arange(len(long)), latents[1].shape[1])
    others = latents[1].reshape(-1, latents[1].shape[-1])
    apart = np.array([apart_at_scale(each, others, of)[0] for each in latents[0]])
    return np.asarray((apart < np.diag(apart)[:, None]).sum(axis=1))


def found(rank: NDArray[np.int64]) -> Found:
    """Figures of ranks, from 0."""
    return Found(
        *interval(1 - rank / (len(rank) - 1), within=(0, 1)), float(np.median(rank)) + 1, float((rank == 0).mean())
    )


def main() -> None:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ages-v1", help=f"a file, or {', '.join(SHIPPED)}")
    parser.add_argument("--quick", action="store_true", help="40 dynamics of the usual level: under a minute")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoder = Encoder.load(options.model)
    count, chosen = (40, [1]) if options.quick else (220, [0, 1, 2])
    table = Table(
        f"The partner among {count}, by {encoder.name}", ["noise", "compared", "AUC (95 %)", "median rank", "first"]
    )
    results = {}
    for number in chosen:
        name, level = list(LEVELS.items())[number]
        short, long = simulate(count, number)
        for what, seconds in (("in shapes", None), ("in seconds, 8 s", 8.0)):
            each = found(ranks(encoder, short, long, level.contrast, seconds))
            results[f"{name}, {what}"] = asdict(each)
            auc = f"{each.auc:.3f} ({each.low:.3f} to {each.high:.3f})"
            table.add(Row([name, what, auc, f"{each.median_rank:g}", f"{each.first:.2f}"]))
    table.show()
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
