"""Frames without beam: which are recognised by their counts, and that the verdict does not depend on blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering import TwoTimeStream, two_time
from ainerd_agent.scattering.correlation.beam_loss import BeamWatch
from ainerd_agent.scattering.correlation.normalisation import Normalisation

LABELS = np.ones((20, 20), dtype=int)
DETECTING = Normalisation(bad_frames="detect")


def movie(brightness, seed=0):
    """Frames of 400 pixels with a mean of two counts where the brightness is one."""
    return np.random.default_rng(seed).poisson(2.0 * np.asarray(brightness)[:, None, None], (len(brightness), 20, 20))


def detected(brightness, blocks=64, n_frames="known"):
    frames = movie(brightness).astype(np.uint16)
    n_frames = len(frames) if n_frames == "known" else n_frames
    stream = TwoTimeStream(LABELS, n_frames, size=32, normalisation=DETECTING)
    for start in range(0, len(frames), blocks):
        stream.add(frames[start : start + blocks])
    return stream.result(), frames


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param([100], id="one frame"),
        pytest.param(range(100, 400), id="a long loss"),
        pytest.param(range(150), id="the shutter opens late"),
        pytest.param(range(450, 500), id="the shutter closes early"),
        pytest.param([0, 1, 2, 250, 499], id="here and there"),
        pytest.param([], id="none"),
    ],
)
@pytest.mark.parametrize("left", [0.0, 0.1, 0.2])
def test_lost_frames_are_found_and_left_out_exactly(lost, left):
    brightness = np.ones(500)
    brightness[list(lost)] = left
    result, frames = detected(brightness)
    assert result.bad_frames.tolist() == list(lost)
    np.testing.assert_allclose(result.c2, two_time(frames, LABELS, size=32, bad_frames=list(lost)), atol=1e-6)


def test_a_beam_that_decays_is_no_loss():
    result, _ = detected(np.linspace(1.0, 0.2, 800))
    assert result.bad_frames.size == 0
    assert result.intensity[:50].mean() == pytest.approx(2 * 0.975, rel=0.02)


def test_a_flash_is_no_reason_to_drop_the_others():
    brightness = np.ones(400)
    brightness[[0, 200]] = 1000
    assert detected(brightness)[0].bad_frames.size == 0


def test_chance_is_no_loss():
    frames = np.random.default_rng(1).poisson(0.02, size=(3000, 20, 20)).astype(np.uint8)  # eight counts a frame
    stream = TwoTimeStream(LABELS, 3000, size=32, normalisation=DETECTING)
    stream.add(frames)
    assert stream.result().bad_frames.size == 0


@settings(max_examples=20, deadline=None)
@given(
    block=st.integers(1, 300),
    losses=st.lists(st.tuples(st.integers(0, 299), st.integers(1, 120)), max_size=3),
    level=st.sampled_from([0.0, 0.2]),
    known=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_the_verdict_does_not_depend_on_blocks(block, losses, level, known, seed):
    brightness = np.random.default_rng(seed).uniform(0.8, 1.2, 300)
    for start, length in losses:
        brightness[start : start + length] = level
    if (brightness < 0.5).all():
        return
    whole, _ = detected(brightness, 300)
    parts, _ = detected(brightness, block, "known" if known else None)
    assert parts.bad_frames.tolist() == whole.bad_frames.tolist()
    np.testing.assert_allclose(parts.c2, whole.c2, atol=1e-6)


def test_the_watch_judges_only_what_it_can():
    watch = BeamWatch()
    watch.add([100000.0] * 63)
    assert watch.good == []
    watch.add([100000.0, 10.0])
    assert watch.good == [True] * 64 + [False]


def test_a_movie_without_beam_is_refused():
    with pytest.raises(FrameError, match="no photon"):
        two_time(np.zeros((50, 20, 20), dtype=np.uint16), LABELS, size=8, bad_frames="detect")
    with pytest.raises(FrameError, match="1 of 50 frames are left"):
        two_time(movie(np.ones(50)), LABELS, size=8, bad_frames=range(1, 50))


@pytest.mark.parametrize("wrong", [{"bad_frames": "guess"}, {"bad_frames": "detect", "loss": 1.5}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        Normalisation(**wrong)
