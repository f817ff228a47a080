"""What g2 alone finds."""

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent.g2_discriminant import G2Discriminant, binned_g2


def maps_of(taus, n, rng):
    lag = np.abs(np.subtract.outer(np.arange(32), np.arange(32)))
    clean = np.stack([np.exp(-lag / tau) for tau in np.repeat(taus, n)])
    return (clean + rng.normal(0, 0.3, clean.shape)).astype(np.float32)


def test_bins_are_means_along_diagonals():
    lag = np.abs(np.subtract.outer(np.arange(64), np.arange(64))).astype(np.float32)
    found = binned_g2(lag[None])[0]
    assert found[0] == 1
    assert (np.diff(found) > 0).all()


def test_groups_that_were_not_learnt_from_lie_apart():
    rng = np.random.default_rng(0)
    model = G2Discriminant(maps_of(np.geomspace(1, 30, 10), 6, rng), np.repeat(np.arange(10), 6))
    found = model(maps_of([2, 20], 8, rng))
    assert found.shape == (16, 6)
    one, other = found[:8], found[8:]
    assert np.linalg.norm(one.mean(axis=0) - other.mean(axis=0)) > 3 * one.std(axis=0).max()


def test_it_cannot_be_learnt_from_a_handful_of_groups():
    with pytest.raises(MapError, match="need more than 6 groups"):
        G2Discriminant(np.zeros((6, 16, 16), np.float32), np.arange(6))
