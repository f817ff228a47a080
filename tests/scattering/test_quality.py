import numpy as np
import pytest

from ainerd_agent.scattering import TwoTimeStream
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.quality import assess, intensity_drift, map_noise, map_quality
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


def test_bad_pixels_are_told_by_number_and_kind():
    rng = np.random.default_rng(5)
    frames = rng.poisson(5 * rng.gamma(5, 0.2, (1, 900)), (N_FRAMES, 900)).astype(np.uint32)
    frames[:, 100] = 0
    frames[:, 300] = 65535
    frames[:, 500] = 2**32 - 1
    labels = np.repeat([1, 2], 15)[:, None] * np.ones(30, dtype=int)
    stream = TwoTimeStream(labels, N_FRAMES, size=128, normalisation=Normalisation(bad_pixels="detect"))
    stream.add(frames.reshape(N_FRAMES, 30, 30))
    assert assess(stream.result()).problems == ("2 pixels left out: 1 dead, 1 full", "1 pixel left out: 1 full")


def test_what_could_be_left_out_only_in_part_is_told():
    rng = np.random.default_rng(6)
    frames = rng.poisson(5, (N_FRAMES, 30, 30)).astype(np.uint32)
    frames[200::20, 3, 3] = 5000
    stream = TwoTimeStream(np.ones((30, 30), dtype=int), N_FRAMES, normalisation=Normalisation(bad_pixels="detect"))
    stream.add(frames)
    (problems,) = assess(stream.result()).problems
    assert "1 pixel left out: 1 flickering; 1 of them only in part" in problems


@pytest.mark.parametrize(
    ("make", "contrast", "said"),
    [
        (lambda lag: 200 * np.exp(-lag), 200.0, "contrast 200 is above 1"),
        (lambda lag: -0.2 * np.exp(-lag), -0.2, "contrast -0.2 is negative"),
        (lambda lag: 0.1 + 0.3 * lag, 0.1, "does not decay from the diagonal"),
    ],
)
def test_what_no_speckle_can_be_is_told(make, contrast, said):
    lag = np.abs(np.subtract.outer(np.arange(128), np.arange(128))) / 128
    maps = (make(lag) + np.random.default_rng(0).normal(0, 0.002, (128, 128))).astype(np.float32)[None]
    assert said in map_quality(maps, np.array([contrast])).problems[0]


@pytest.mark.parametrize("dynamics", [equilibrium(0.05), equilibrium(30.0), ageing_glass(0.02, 0.3)])
@pytest.mark.parametrize("counts", [0.05, 5.0])
def test_speckle_is_not_called_impossible(dynamics, counts):
    (problems,) = assess(measured(counts, dynamics=dynamics)).problems
    assert not any(word in problems for word in ("above", "negative", "decay"))
