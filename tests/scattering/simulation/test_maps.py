import numpy as np
import pytest

from ainerd_agent.scattering.simulation.dynamics import equilibrium
from ainerd_agent.scattering.simulation.maps import CONTRASTS, relaxation_time, simulate_maps


def test_maps_come_with_their_truth():
    found = simulate_maps(40, seed=3, size=64)
    assert found.c2.shape == found.truth.shape == (40, 64, 64)
    assert len(set(found.kind)) >= 5
    truth = found.truth.astype(np.float32)
    assert truth.min() >= 0
    np.testing.assert_allclose(np.diagonal(truth, axis1=1, axis2=2), 1, atol=1e-3)
    # Measured maps follow their truth up to the contrast: across maps, levels correlate.
    level = found.c2.astype(np.float32).mean(axis=(1, 2))
    assert np.corrcoef(level, truth.mean(axis=(1, 2)))[0, 1] > 0.6
    assert set(found.contrast) <= set(CONTRASTS)
    # Slower maps stay higher.
    assert np.corrcoef(np.log(found.tau), truth.mean(axis=(1, 2)))[0, 1] > 0.6


@pytest.mark.parametrize("tau", [0.02, 0.2, 1.0, 30.0])
def test_relaxation_time_is_that_of_an_exponential(tau):
    times = (np.arange(256) + 0.5) / 256
    truth = np.abs(equilibrium(tau).g1(times)) ** 2  # falls to 1/e at tau / 2
    assert relaxation_time(truth) == pytest.approx(tau / 2, rel=0.02)


def test_the_same_seed_gives_the_same_maps():
    np.testing.assert_array_equal(simulate_maps(3, seed=1, size=32).c2, simulate_maps(3, seed=1, size=32).c2)
