"""Heterodyne fits against simulated motion, and no fringes where there are none."""

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.exact_g2 import exact_g2
from ainerd_agent.scattering.correlation.g2 import G2
from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream
from ainerd_agent.scattering.fits.heterodyne import fit_heterodyne
from ainerd_agent.scattering.simulation.dynamics import ageing_glass, equilibrium, flowing, heterodyne, intermittent
from tests.scattering.speckle_movie import speckle_movie

AZIMUTH = np.arange(6) * 60.0 + 15
Q = np.full(6, 0.024)


def movie_g2(dynamics, n_frames=160, seed=0, n_pixels=400):
    frames, labels = speckle_movie(dynamics, n_frames, 6, n_pixels, seed=seed, azimuths=AZIMUTH)
    return exact_g2(frames, labels), frames, labels


def test_velocity_direction_and_fraction_are_found():
    velocity = 2 * np.pi * 5 / 160 / 0.024
    g2, frames, labels = movie_g2(heterodyne(250.0, 0.024 * velocity, 0.3, 40.0))
    stream = TwoTimeStream(labels, len(frames), size=16, ages=Ages(n_ages=1, n_groups=16))
    stream.add(frames)
    for each in (g2, stream.result().age_lag.g2()):
        found = fit_heterodyne(each, Q, AZIMUTH)
        assert found.significant
        assert "nm/s along" in found.message
        assert abs(found.velocity - velocity) < 3 * found.velocity_error < 0.05 * velocity
        assert abs(found.flow_azimuth - 40) < 3 * found.flow_azimuth_error < 10
        assert abs(found.fraction - 0.3) < 3 * found.fraction_error < 0.3
        expected = np.abs(0.024 * velocity * np.cos(np.radians(AZIMUTH - 40)))
        seen = [index for index, one in enumerate(found.bins) if one.significant]
        assert {0, 3} <= set(seen)  # along the flow, but for 25 degrees
        for index in seen:
            one = found.bins[index]
            assert abs(one.frequency - expected[index]) < 4 * one.frequency_error + 0.01 * expected[index]


@pytest.mark.parametrize(
    "dynamics",
    [
        equilibrium(6.0),
        equilibrium(900.0),
        equilibrium(12.0, 0.6),
        equilibrium(50.0, 1.9),
        ageing_glass(3.0, age=300.0),
        intermittent(500.0, (30.0, 80.0, 95.0)),
        flowing(240.0, 14 / 160, 40.0),
    ],
)
def test_no_relaxation_is_taken_for_fringes(dynamics):
    found = fit_heterodyne(movie_g2(dynamics, seed=1)[0], Q, AZIMUTH)
    assert not found.significant
    assert "no fringes" in found.message
    assert np.isnan(found.velocity)
    assert not any(each.significant for each in found.bins)


def test_what_is_not_known_is_told():
    lags = np.arange(1, 31.0)
    nothing = G2.of_groups(lags, np.full((2, 8, 30), np.nan), n_pairs=31 - lags)
    found = fit_heterodyne(nothing, [0.02, 0.02], [0, 90])
    assert not found.significant
    assert "not known" in found.message
    some = G2.of_groups(lags, 1 + np.random.default_rng(0).normal(size=(2, 8, 30)), n_pairs=31 - lags)
    assert "q or azimuth" in fit_heterodyne(some, [np.nan, np.nan], [0, 90]).message
    with pytest.raises(MapError, match="2 bins"):
        fit_heterodyne(some, [0.02], [0.0])
