"""Exposures that end before their planned count, on purpose."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.records import EarlyEnd, NumberedFrames, PhotonEvents
from ainerd_agent.scattering import Ages, ArrayFrames, fingerprint
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.fingerprint import TwoTimeOptions
from ainerd_agent.scattering.frames.first_frames import FirstFrames
from tests.scattering.test_fingerprint import HALVES, LABELS, speckle

OPTIONS = TwoTimeOptions(size=64, ages=Ages(n_ages=4, n_groups=2))
PLANNED, CAME = 400, 150


class Ends:
    """A source of planned frames of which some come; then it ends, or breaks off, and may be gone."""

    def __init__(self, frames, came, kind="ends", *, once=False, after=0):
        self.shape = frames.shape
        self._frames, self._came, self._kind, self._once, self._after = frames, came, kind, once, after
        self.n_read = 0

    def blocks(self, needed=None):
        self.n_read += 1
        if self.n_read > 1 and self._once:
            raise FrameError("the file is gone")
        came = self._came + (self._after if self.n_read > 1 else 0)
        for start in range(0, came, 40):
            yield self._frames[start : min(start + 40, came)]
        if self._kind == "breaks":
            raise FrameTimeoutError("no more frames", came, len(self._frames))


def recognised():
    return EarlyEnd(reason="recognised", look=3)


@pytest.mark.parametrize("kind", ["ends", "breaks"])
@pytest.mark.parametrize("after", [0, 55])
def test_the_result_is_that_of_its_frames_alone(kind, after):
    """Also where more frames came between the verdict and the end of the analysis."""
    measurement, frames = speckle(PLANNED)
    source = Ends(frames, CAME, kind, after=after)
    found = fingerprint(replace(measurement, frames=source), HALVES, OPTIONS, ended=recognised)
    alone = fingerprint(replace(measurement, frames=ArrayFrames(frames[:CAME])), HALVES, OPTIONS)
    assert source.n_read == 2
    for name in ("c2", "mean_counts", "contrast", "g2", "lags"):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
    np.testing.assert_array_equal(found.age_lag.values, alone.age_lag.values)
    assert found.duration == alone.duration == CAME * 0.25
    assert found.quality.problems == alone.quality.problems
    exposure = found.origin.exposure
    assert (exposure.ended, exposure.look, exposure.frames) == ("recognised", 3, CAME)
    assert (exposure.counted, exposure.planned) == (CAME * 0.25, PLANNED * 0.25)


@pytest.mark.parametrize("kind", ["ends", "breaks"])
def test_where_the_frames_are_gone_the_maps_are_resampled_and_it_is_said(kind):
    measurement, frames = speckle(PLANNED)
    source = Ends(frames, CAME, kind, once=True)
    found = fingerprint(replace(measurement, frames=source), HALVES, OPTIONS, ended=recognised)
    alone = fingerprint(replace(measurement, frames=ArrayFrames(frames[:CAME])), HALVES, OPTIONS)
    assert found.c2.shape == alone.c2.shape == (2, 64, 64)
    assert np.isfinite(found.c2).all()
    assert found.duration == alone.duration
    assert all("the maps are resampled" in each for each in found.quality.problems)
    np.testing.assert_allclose(found.contrast, alone.contrast, rtol=1e-6)
    np.testing.assert_allclose(found.mean_counts, alone.mean_counts)
    # The same dynamics, smoothed as much more as 400 planned frames are than 150
    for coarse, fine in zip(found.c2, alone.c2, strict=True):
        smooth = gaussian_filter(fine, 1.1)
        assert np.corrcoef(coarse[5:-5, 5:-5].ravel(), smooth[5:-5, 5:-5].ravel())[0, 1] > 0.97
        assert coarse.mean() == pytest.approx(fine.mean(), rel=0.05, abs=0.01)
    np.testing.assert_allclose(found.age_lag.ages, alone.age_lag.ages)
    assert found.origin.exposure.ended == "recognised"


def test_a_stream_that_was_added_to_gives_what_its_sums_hold():
    _, frames = speckle(PLANNED)
    stream = OPTIONS.stream(HALVES, PLANNED, None)
    stream.add(frames[:CAME])
    found = stream.ended_early()
    assert found.resampled
    assert found.n_frames == CAME
    assert found.intensity.shape == (CAME,)
    assert found.bad_frames.max(initial=0) < CAME
    plain = OPTIONS.stream(HALVES, CAME, None)
    plain.add(frames[:CAME])
    np.testing.assert_array_equal(plain.ended_early().c2, plain.result().c2)
    assert not plain.ended_early().resampled


def test_bad_frames_of_the_part_that_came_are_interpolated():
    _, frames = speckle(PLANNED)
    options = replace(OPTIONS, normalisation=Normalisation(bad_frames=range(40, 100)))
    stream = options.stream(HALVES, PLANNED, None)
    stream.add(frames[:CAME])
    found = stream.ended_early()
    assert found.bad_frames.tolist() == list(range(40, 100))
    assert found.filled[25:35].all()  # 59 to 82
    assert not found.filled[:14].any()
    assert not found.filled[46:].any()


def test_without_a_reason_a_movie_that_is_too_short_is_refused_as_before():
    measurement, frames = speckle(PLANNED)
    short = replace(measurement, frames=Ends(frames, CAME))
    with pytest.raises(FrameError, match="the movie ends after 150 of 400 frames"):
        fingerprint(short, HALVES, OPTIONS, ended=lambda: None)
    with pytest.raises(FrameError, match="the movie ends after 150 of 400 frames"):
        fingerprint(short, HALVES, OPTIONS)
    broken = fingerprint(replace(measurement, frames=Ends(frames, CAME, "breaks")), HALVES, OPTIONS, ended=lambda: None)
    assert broken.origin.exposure.ended == "stopped"
    assert "250 frames at the end are missing" in broken.quality.problems[0]


def test_a_verdict_that_comes_too_late_changes_nothing():
    measurement, frames = speckle(120)
    planned = replace(measurement.origin, exposure=replace(measurement.origin.exposure, planned=30.0))
    found = fingerprint(
        replace(measurement, origin=planned, frames=Ends(frames, 120)), HALVES, OPTIONS, ended=recognised
    )
    assert found.origin.exposure.ended == "planned"
    assert found.origin.exposure.look is None


@pytest.mark.parametrize("came", [0, 1])
def test_an_exposure_without_frames_has_no_map(came):
    measurement, frames = speckle(PLANNED)
    with pytest.raises(FrameError, match=f"the exposure ended after {came} frames"):
        fingerprint(replace(measurement, frames=Ends(frames, came)), HALVES, OPTIONS, ended=recognised)


def test_looks_can_be_taken_while_the_frames_are_read():
    measurement, frames = speckle(PLANNED)
    seen, options = [], replace(OPTIONS, normalisation=Normalisation(bad_pixels="detect"))

    def watch(stream):
        if stream.n_added >= 64:
            seen.append(stream.look().n_so_far)

    source = Ends(frames, PLANNED)
    found = fingerprint(replace(measurement, frames=source), HALVES, options, watch=watch)
    plain = fingerprint(replace(measurement, frames=ArrayFrames(frames)), HALVES, options)
    assert seen == list(range(80, 401, 40))
    np.testing.assert_allclose(found.c2, plain.c2, atol=1e-6)


class Blocks:
    def __init__(self, blocks):
        self.shape = (None, *LABELS.shape)
        self._blocks = blocks

    def blocks(self, needed=None):
        yield from self._blocks


def test_the_first_frames_of_blocks_of_any_kind():
    frames = np.arange(10 * 2).reshape(10, 2, 1)
    dense = FirstFrames(Blocks([frames[:4], frames[4:8], frames[8:]]), 6)
    assert dense.shape == (6, *LABELS.shape)
    np.testing.assert_array_equal(np.concatenate(list(dense.blocks())), frames[:6])
    numbers = np.array([0, 2, 5, 6])
    numbered = list(FirstFrames(Blocks([NumberedFrames(frames[:4], numbers, numbers * 0.1)]), 6).blocks())
    assert numbered[0].numbers.tolist() == [0, 2, 5]
    assert len(numbered[0].frames) == len(numbered[0].times) == 3
    events = PhotonEvents(np.array([0, 5, 5, 6]), np.arange(4), np.ones(4), 8)
    (cut,) = FirstFrames(Blocks([events, PhotonEvents(np.array([9]), np.zeros(1), np.ones(1), 10)]), 6).blocks()
    assert (cut.frame.tolist(), cut.stop, len(cut.pixel), len(cut.count)) == ([0, 5, 5], 6, 3, 3)
