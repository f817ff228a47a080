"""Marks on crops that a stationary sample would not show."""

import numpy as np

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.same_g2.dynamics import TIMES, Side, by_clock
from ainerd_agent.latent.same_g2.measurement import Level, measure
from ainerd_agent.latent.time_scales import crops_of, encode_crops
from ainerd_agent.latent.time_scales.stationarity import Light, differs

LEVEL = Level(500, 2.0, 2)


def marked(clock: np.ndarray, seed: int) -> list[bool]:
    """Of the whole and its halves and quarters."""
    encoder = Encoder.load("ages-v1")
    c2 = measure(Side.of(by_clock(clock)), LEVEL, np.random.default_rng(seed))[None]
    crops = [crop for crop in crops_of(float("nan"), 256) if crop.scale >= 0.25]
    found = encode_crops(encoder, c2, contrast=LEVEL.contrast, crops=crops)
    return differs(encoder, c2, found, Light(LEVEL.counts, LEVEL.contrast), simulated=20).tolist()


def test_an_avalanche_is_marked_where_it_is() -> None:
    whole, _, _, *quarters = marked(TIMES * 0.3 + 1.2 * (TIMES > 0.6), 1)
    assert whole
    # Those beside it may be marked as well: they stand stiller than a sample that relaxes evenly.
    assert quarters[2]


def test_equilibrium_is_hardly_marked() -> None:
    assert sum(sum(marked(TIMES * 5, seed)) for seed in (2, 3)) <= 2
