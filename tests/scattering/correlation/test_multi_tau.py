"""Multi-tau g2 against an independent one in numpy, and against scikit-beam where that is installed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering.correlation.exact_g2 import exact_g2
from ainerd_agent.scattering.correlation.multi_tau import MultiTau
from ainerd_agent.scattering.correlation.normalisation import Normalisation

LABELS = np.repeat([0, 1, 1, 2, 2, 2], 8).reshape(6, 8)
RINGS = np.tile(np.repeat([1, 2], 4), (6, 1))


def movie(n_frames=600, seed=0, dtype=np.uint16):
    rng = np.random.default_rng(seed)
    beam = 2.0 + np.sin(np.arange(n_frames) / 40)
    return rng.poisson(beam[:, None, None], size=(n_frames, *LABELS.shape)).astype(dtype)


def reference(frames, rings=LABELS, *, channels=8, bad=()):
    """Level by level: sums over 2, 4, ... frames, and means over all pairs whose frames are good."""
    counts = frames.reshape(len(frames), -1).astype(np.float64)
    weight = np.ones(len(frames))
    weight[list(bad)] = 0
    counts = counts * weight[:, None]
    label, ring = LABELS.ravel(), rings.ravel()
    lags, values, pairs = [], [], []
    level = 0
    while len(counts) > channels // 2:
        for lag in range(channels // 2 if level else 1, channels):
            if lag >= len(counts):
                continue
            both = weight[lag:] * weight[:-lag]
            if both.sum() == 0:
                continue
            product = (counts[lag:] * counts[:-lag]).sum(axis=0) / both.sum()
            earlier = (counts[:-lag] * weight[lag:, None]).sum(axis=0) / both.sum()
            later = (counts[lag:] * weight[:-lag, None]).sum(axis=0) / both.sum()
            for each in np.unique(ring[label > 0]):
                here = (ring == each) & (label > 0)
                before, after = earlier[here].mean(), later[here].mean()
                product[here] = product[here] / before / after - earlier[here] / before - later[here] / after + 2
            lags.append(lag << level)
            values.append([product[label == 1].mean(), product[label == 2].mean()])
            pairs.append(np.count_nonzero(both))
        n_next = len(counts) // 2
        counts = counts[: 2 * n_next].reshape(n_next, 2, -1).sum(axis=1)
        weight = weight[: 2 * n_next].reshape(n_next, 2).sum(axis=1)
        level += 1
    return np.array(lags), np.array(values).T, np.array(pairs)


def correlated(blocks, **options):
    correlator = MultiTau(LABELS, **options)
    for block in blocks:
        correlator.add(block)
    return correlator.result()


@settings(max_examples=25, deadline=None)
@given(
    n_frames=st.integers(2, 600),
    channels=st.sampled_from([4, 8, 16]),
    bad=st.sets(st.integers(0, 599), max_size=20),
    rings=st.booleans(),
    threads=st.integers(1, 3),
    dtype=st.sampled_from([np.uint16, np.float64]),
    data=st.data(),
)
def test_g2_is_that_of_the_levels(n_frames, channels, bad, rings, threads, dtype, data):
    frames = movie(n_frames, dtype=dtype)
    if n_frames - len({each for each in bad if each < n_frames}) < 2:
        bad = set()
    cuts = sorted(data.draw(st.sets(st.integers(0, n_frames), max_size=4)))
    static = RINGS if rings else None
    options = {
        "channels": channels,
        "normalisation": Normalisation(static=static, bad_frames=bad),
        "n_groups": 4,
        "threads": threads,
    }
    lags, values, pairs = reference(
        frames, LABELS if static is None else static, channels=channels, bad=[each for each in bad if each < n_frames]
    )
    if not lags.size:
        return
    found = correlated(np.split(frames, cuts), frame_time=0.5, **options)
    np.testing.assert_array_equal(found.lags, lags * 0.5)
    np.testing.assert_array_equal(found.n_pairs, pairs)
    np.testing.assert_allclose(found.g2, values, rtol=1e-5)


def test_a_result_can_be_taken_while_frames_come():
    frames = movie(700)
    correlator = MultiTau(LABELS, n_groups=4)
    correlator.add(frames[:301])
    assert correlator.n_added == 301
    np.testing.assert_allclose(correlator.result().g2, reference(frames[:301])[1], rtol=1e-5)
    correlator.add(frames[301:])
    np.testing.assert_allclose(correlator.result().g2, reference(frames)[1], rtol=1e-5)


def test_dropped_frames_count_as_bad_ones():
    frames = movie(300)
    dropped = [0, 50, 51, 52, 299]
    kept = np.setdiff1d(np.arange(300), dropped)
    correlator = MultiTau(LABELS, n_groups=4)
    correlator.add(frames[kept[:100]], numbers=kept[:100])
    correlator.add(frames[kept[100:]], numbers=kept[100:])
    np.testing.assert_allclose(correlator.result().g2, reference(frames[:299], bad=dropped[:-1])[1], rtol=1e-5)
    with pytest.raises(FrameError, match="must rise"):
        correlator.add(frames[:2], numbers=[5, 400])


@pytest.mark.parametrize("step", [1, 77, 600])
def test_photon_events_give_the_same(step):
    frames = movie(600)
    bad = [3, 300]
    correlator = MultiTau(LABELS, normalisation=Normalisation(static=RINGS, bad_frames=bad), n_groups=4)
    for start in range(0, 600, step):
        part = frames[start : start + step].reshape(-1, LABELS.size)
        frame, pixel = np.nonzero(part)
        correlator.add(PhotonEvents(frame + start, pixel, part[frame, pixel], start + len(part)))
    np.testing.assert_allclose(correlator.result().g2, reference(frames, RINGS, bad=bad)[1], rtol=1e-5)


def test_short_lags_are_those_of_the_exact_g2_and_shot_noise_stays_out():
    # Pure shot noise of few counts: the self-correlation would be 1 + 1 / 0.1 = 11.
    frames = np.random.default_rng(1).poisson(0.1, size=(2000, 20, 20)).astype(np.uint8)
    labels = np.ones((20, 20), dtype=int)
    correlator = MultiTau(labels)
    correlator.add(frames)
    found = correlator.result()
    exact = exact_g2(frames, labels)
    np.testing.assert_allclose(found.g2[0, :7], exact.g2[0, :7], atol=2e-4)
    assert (np.abs(found.g2 - 1) < 4.5 * found.error).all()
    assert np.abs(found.g2[0, :7] - 1).max() < 0.05


def test_normalised_by_each_frame_the_beam_leaves_no_trace():
    frames = np.random.default_rng(2).poisson(
        20.0 * (1 + 0.5 * np.sin(np.arange(500) / 20))[:, None, None], size=(500, 24, 24)
    )
    labels = np.ones((24, 24), dtype=int)
    for normalise, largest in (("static", 0.2), ("both", 0.001)):
        correlator = MultiTau(labels, normalisation=Normalisation(normalise=normalise))
        correlator.add(frames.astype(np.uint16))
        assert correlator.result().g2.max() - 1 == pytest.approx(0, abs=largest)
    dark = frames.astype(np.uint16)
    dark[100] = 0  # cannot be divided, and is left out
    correlator = MultiTau(labels, normalisation=Normalisation(normalise="frame"))
    correlator.add(dark)
    assert correlator.result().n_pairs[0] == 499 - 2


def test_a_mean_image_and_a_flat_field_divide_the_counts():
    rng = np.random.default_rng(3)
    image, flat = rng.uniform(1, 4, LABELS.shape), rng.uniform(0.8, 1.2, LABELS.shape)
    frames = rng.poisson(50 * image * flat, size=(400, *LABELS.shape))
    found = correlated([frames], normalisation=Normalisation(static=image, flat_field=flat), n_groups=4)
    assert np.abs(found.g2 - 1).max() < 0.002
    assert correlated([frames], n_groups=4).g2.min() > 1.05


def test_scikit_beam_gives_the_same_g2():
    correlation = pytest.importorskip("skbeam.core.correlation", reason="scikit-beam is not installed")
    frames = movie(512)
    theirs, lags = correlation.multi_tau_auto_corr(5, 8, LABELS, frames)
    ours = correlated([frames], n_groups=4)
    same = np.searchsorted(ours.lags, lags[1:])
    np.testing.assert_allclose(ours.g2[:, same], theirs[1:].T, rtol=1e-6)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (np.ones((3, 5, 5)), "do not fit the bins"),
        (np.full((3, *LABELS.shape), np.nan), "frame 0"),
        (np.full((3, *LABELS.shape), -1), "negative"),
        (np.ones((3, *LABELS.shape), dtype=complex), "real numbers"),
        (np.ma.ones((3, *LABELS.shape)), "mask"),
        (PhotonEvents(np.array([1, 0]), np.array([9, 9]), np.array([1, 1]), 3), "sort the events"),
        (PhotonEvents(np.array([0]), np.array([99]), np.array([1]), 3), "another detector"),
        (PhotonEvents(np.array([0]), np.array([9, 8]), np.array([1]), 3), "as many"),
    ],
)
def test_what_are_no_frames_is_refused(block, words):
    with pytest.raises(FrameError, match=words):
        MultiTau(LABELS, n_groups=2).add(block)


def test_what_gives_no_g2_is_refused():
    correlator = MultiTau(LABELS)
    with pytest.raises(FrameError, match="at least 2 good frames"):
        correlator.result()
    correlator.add(np.zeros((10, *LABELS.shape), dtype=np.uint8))
    with pytest.raises(FrameError, match="no photon was counted in bin 1, 2"):
        correlator.result()
    full = MultiTau(LABELS)
    full.add(np.full((10, *LABELS.shape), 255, dtype=np.uint8))
    with pytest.raises(FrameError, match="ceiling"):
        full.result()
    with pytest.raises(BinError, match="gaps"):
        MultiTau(LABELS * 2)
    with pytest.raises(ValueError, match="even"):
        MultiTau(LABELS, channels=7)
