import numpy as np
import pytest

from ainerd_agent.scattering import TwoTimeStream
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.quality import assess, intensity_drift, map_noise
from ainerd_agent.scattering.simulation.dynamics import ageing_glass, equilibrium
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

N_FRAMES = 400


def measured(counts, *, brightness=None, bad_frames="detect", dynamics=None):
    rng = np.random.default_rng(3)
    times = np.arange(N_FRAMES) / N_FRAMES
    intensity = speckle_intensity(covariance_root((dynamics or equilibrium(0.5)).g1(times)), 900, 0.3, rng)
    if brightness is not None:
        intensity *= brightness[:, None]
    stream = TwoTimeStream(
        np.ones((30, 30), dtype=int), N_FRAMES, size=128, normalisation=Normalisation(bad_frames=bad_frames)
    )
    stream.add(rng.poisson(counts * intensity).reshape(N_FRAMES, 30, 30).astype(np.uint16))
    return stream.result()


def test_a_good_map_has_no_problems():
    quality = assess(measured(5.0))
    assert quality.problems == ("",)
    assert quality.snr[0] > 10
    assert quality.bad_share == 0
    assert abs(quality.drift) < 0.1


def test_a_map_of_few_photons_is_marked():
    quality = assess(measured(0.01))
    assert quality.snr[0] < 2
    assert "signal to noise" in quality.problems[0]


def test_bad_frames_drift_and_a_gap_are_marked():
    brightness = np.linspace(1.0, 0.6, N_FRAMES)
    brightness[100:200] = 0
    quality = assess(measured(5.0, brightness=brightness), n_missing=7)
    assert quality.bad_share == pytest.approx(0.25)
    assert quality.drift == pytest.approx(-0.4 / 0.8, abs=0.1)
    for said in ("25% of the frames are bad", "of the times are interpolated", "drifts by -", "7 frames at the end"):
        assert said in quality.problems[0]


@pytest.mark.parametrize("dynamics", [equilibrium(0.1), equilibrium(5.0), ageing_glass(0.02, 0.3)])
def test_noise_is_that_of_photons_whatever_the_dynamics(dynamics):
    """The noise of photons is known: it scatters between movies of the same intensity that differ in nothing else."""
    rng = np.random.default_rng(4)
    intensity = speckle_intensity(covariance_root(dynamics.g1(np.arange(N_FRAMES) / N_FRAMES)), 900, 0.3, rng)
    maps = []
    for _ in range(6):
        stream = TwoTimeStream(np.ones((30, 30), dtype=int), N_FRAMES, size=128)
        stream.add(rng.poisson(0.05 * intensity).reshape(N_FRAMES, 30, 30).astype(np.uint16))
        maps.append(stream.result().c2)
    expected = np.std(np.concatenate(maps), axis=0, ddof=1)[np.triu_indices(128, 8)]
    found = map_noise(np.concatenate(maps)).mean()
    assert found == pytest.approx(np.sqrt(np.mean(expected**2)), rel=0.15)


def test_drift_needs_intensities():
    assert np.isnan(intensity_drift(np.full(10, np.nan)))
    assert intensity_drift(np.linspace(0.9, 1.1, 100)) == pytest.approx(0.2, rel=0.05)
