"""Bad pixels: which are found, which are not, and maps as if they had been masked from the start."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import FrameError
from ainerd_agent.records import NumberedFrames, PhotonEvents
from ainerd_agent.scattering import Normalisation, TwoTimeStream, two_time
from ainerd_agent.scattering.correlation.bad_pixels import DEAD, FLICKERING, FULL, HOT, PixelSums, judge
from ainerd_agent.scattering.correlation.computation import Computation
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

SHAPE = (24, 24)
LABELS = np.repeat([1, 2], 12)[:, None] * np.ones(24, dtype=int)
RINGS = (np.arange(24) // 6 + 1)[:, None] * np.ones(24, dtype=int)
N_FRAMES = 300
DETECT = Normalisation(bad_pixels="detect")


def movie(counts=2.0, *, seed=0, contrast=0.2, tau=0.05, n_frames=N_FRAMES):
    rng = np.random.default_rng(seed)
    times = np.arange(n_frames) / n_frames
    g1 = np.exp(-np.abs(times[:, None] - times) / tau)
    intensity = speckle_intensity(covariance_root(g1), SHAPE[0] * SHAPE[1], contrast, rng)
    return rng.poisson(counts * intensity).reshape(n_frames, *SHAPE).astype(np.uint32)


def with_bad(kind, frames, at=(5, 7)):
    """One bad pixel. A late one shows only after the frames that pixels are first judged by."""
    bad = frames.copy()
    series, t = bad[:, *at], np.arange(len(frames))
    if kind == "2^32-1":
        series[:] = 2**32 - 1
    elif kind == "gap of 16 bits":
        series[:] = 65535
    elif kind == "blinking":
        series[:] = np.where(t % 7 == 3, 3000, 0)
    elif kind == "late":
        series[150:] = np.where(t[150:] % 7 == 3, 3000, 0)
    elif kind == "hot":
        series += np.random.default_rng(1).poisson(200, len(frames)).astype(np.uint32)
    elif kind == "dead":
        series[:] = 0
    bad[:, *at] = series
    return bad


def masked(*at):
    mask = np.zeros(SHAPE, dtype=bool)
    for place in at:
        mask[place] = True
    return mask


def streamed(frames, normalisation=DETECT, *, block=50, known=True, **options):
    stream = TwoTimeStream(LABELS, len(frames) if known else None, size=48, normalisation=normalisation, **options)
    for start in range(0, len(frames), block):
        stream.add(frames[start : start + block])
    return stream.result()


class Again:
    """A source that can be read as often as anyone likes, as a file can."""

    def __init__(self, frames, block=64):
        self.frames, self.block, self.n_read = frames, block, 0

    @property
    def shape(self):
        return self.frames.shape

    def blocks(self, needed=None):
        self.n_read += 1
        for start in range(0, len(self.frames), self.block):
            yield self.frames[start : start + self.block]


KINDS = {
    "2^32-1": "full", "gap of 16 bits": "full", "blinking": "flickering", "hot": "hot", "dead": "dead",
    "late": "flickering",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "least"), [("2^32-1", 100), ("gap of 16 bits", 100), ("blinking", 10)])
def test_one_bad_pixel_would_make_a_contrast_that_no_speckle_has(kind, least):
    """Without detection, the bin's map is worthless: so it was."""
    frames = with_bad(kind, movie())
    stream = TwoTimeStream(LABELS, N_FRAMES, size=48, normalisation=Normalisation(saturation=1e10))
    stream.add(frames)
    assert np.abs(stream.result().c2[0]).max() > least


@pytest.mark.parametrize("normalise", ["static", "frame", "both"])
@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_those_of_a_clean_movie_without_that_pixel(kind, normalise):
    clean = movie()
    frames = with_bad(kind, clean)
    expected = two_time(clean, LABELS, size=48, static=RINGS, normalise=normalise, mask=masked((5, 7)))
    normalisation = Normalisation(static=RINGS, normalise=normalise, bad_pixels="detect")
    np.testing.assert_allclose(
        two_time(frames, LABELS, size=48, normalisation=normalisation), expected, atol=2e-6, rtol=1e-5
    )
    source = Again(frames)
    stream = TwoTimeStream(LABELS, N_FRAMES, size=48, normalisation=normalisation)
    stream.read(source)
    found = stream.result()
    np.testing.assert_allclose(found.c2, expected, atol=2e-6, rtol=1e-5)
    assert source.n_read == (2 if kind == "late" else 1)
    assert found.bad_pixels.words() == f"1 pixel left out: 1 {KINDS[kind]}"
    assert (found.bad_pixels.rows[0], found.bad_pixels.columns[0], found.bad_pixels.bins[0]) == (5, 7, 1)
    assert found.n_pixels.tolist() == [287, 288]
    np.testing.assert_allclose(streamed(frames, normalisation, known=False).c2, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["blinking", "dead", "late"])
def test_everything_else_that_is_told_is_of_the_good_pixels(kind):
    clean = movie()
    stream = TwoTimeStream(LABELS, N_FRAMES, size=48, normalisation=Normalisation(mask=masked((5, 7)), bad_frames=[3]))
    stream.add(clean)
    expected = stream.result()
    source = Again(with_bad(kind, clean))
    stream = TwoTimeStream(LABELS, N_FRAMES, size=48, normalisation=Normalisation(bad_pixels="detect", bad_frames=[3]))
    stream.read(source)
    found = stream.result()
    np.testing.assert_allclose(found.contrast, expected.contrast, atol=1e-9)
    np.testing.assert_allclose(found.mean_counts, expected.mean_counts)
    assert found.bad_frames.tolist() == [3]


def test_what_cannot_be_read_again_is_left_out_in_part_and_told():
    clean = movie(tau=2.0)
    found = streamed(with_bad("late", clean))
    assert found.bad_pixels.in_part.tolist() == [True]
    expected = two_time(clean, LABELS, size=48, mask=masked((5, 7)))
    near = np.abs(np.subtract.outer(np.arange(48), np.arange(48))) < 8
    np.testing.assert_allclose(found.c2[0][~near], expected[0][~near], atol=0.005)
    np.testing.assert_allclose(found.c2[0], expected[0], atol=0.08)  # the shortest lags are interpolated
    np.testing.assert_allclose(found.c2[1], expected[1], atol=1e-6)
    assert found.contrast[0] == pytest.approx(expected[0].diagonal().mean(), abs=0.03)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=4, max_size=40), st.sampled_from(["blinking", "hot", "2^32-1", "dead"]))
def test_the_blocks_that_frames_come_in_change_nothing(cuts, kind):
    frames = with_bad(kind, MOVIE)
    stream = TwoTimeStream(LABELS, N_FRAMES, size=48, normalisation=DETECT)
    edges = np.unique([0, *np.minimum(np.cumsum(cuts), N_FRAMES), N_FRAMES])
    for start, stop in pairwise(edges.tolist()):
        stream.add(frames[start:stop])
    found = stream.result()
    np.testing.assert_allclose(found.c2, streamed(frames, block=N_FRAMES).c2, atol=1e-7)
    assert found.bad_pixels.kinds.tolist() == [KINDS[kind]]


MOVIE = movie()


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.uint32, np.float64])
@pytest.mark.parametrize("bits", [7, 8, 15, 16, 24, 31, 32])
def test_a_ceiling_of_any_type_in_every_frame_is_full(dtype, bits):
    top = 2**bits - 1
    if np.issubdtype(dtype, np.integer) and top > np.iinfo(dtype).max:
        pytest.skip("the type does not hold it")
    frames = MOVIE[:80].astype(dtype)
    frames[:, 5, 7] = top
    found = streamed(frames)
    assert found.bad_pixels.kinds.tolist() == ["full"]
    assert np.abs(found.c2).max() < 1


@pytest.mark.parametrize("value", [-1, -2, np.nan, np.inf])
def test_what_is_no_count_in_any_frame_is_a_gap_and_in_some_is_refused(value):
    frames = MOVIE.astype(np.float64)
    frames[:, 5, 7] = value
    assert streamed(frames).bad_pixels.kinds.tolist() == ["full"]
    frames[:200, 5, 7] = 2
    with pytest.raises(FrameError, match="frame 200 holds 1 readings"):
        streamed(frames)


def test_a_pixel_at_the_ceiling_now_and_then_flickers():
    frames = MOVIE.copy()
    frames[::40, 5, 7] = 2**32 - 1
    assert streamed(frames).bad_pixels.kinds.tolist() == ["flickering"]


@pytest.mark.parametrize("device", [None, "cpu"])
@pytest.mark.parametrize("kind", ["hot", "blinking", "dead", "2^32-1"])
@pytest.mark.parametrize("detects", [None, "detect"])
def test_frames_events_and_torch_agree(kind, device, detects):
    clean = movie(0.3, seed=3)
    frames = with_bad(kind, clean)
    normalisation = Normalisation(bad_pixels="detect", bad_frames=detects)
    expected = two_time(clean, LABELS, size=48, mask=masked((5, 7)))
    computation = Computation(device=device, precision="double")
    of_frames = streamed(frames, normalisation, computation=computation)
    stream = TwoTimeStream(LABELS, N_FRAMES, size=48, normalisation=normalisation, computation=computation)
    for start in range(0, N_FRAMES, 40):
        frame, pixel = np.nonzero(frames[start : start + 40].reshape(-1, 576))
        count = frames[start : start + 40].reshape(-1, 576)[frame, pixel]
        stream.add(PhotonEvents(frame + start, pixel, count, min(start + 40, N_FRAMES)))
    of_events = stream.result()
    for found in (of_frames, of_events):
        assert found.bad_pixels.kinds.tolist() == [KINDS[kind]]
        np.testing.assert_allclose(found.c2, expected, atol=2e-6, rtol=1e-5)


def test_events_of_one_pixel_and_frame_add_up_before_they_are_squared():
    from ainerd_agent.scattering.correlation.whole_detector import DetectorWatch

    watch = DetectorWatch((2, 2))
    watch.add(PhotonEvents(np.array([0, 0, 1]), np.array([3, 3, 3]), np.array([2, 1, 5]), 10))
    assert watch._total.tolist() == [0, 0, 0, 8]
    assert watch._squares.tolist() == [0, 0, 0, 9 + 25]


def test_lost_beam_and_bad_pixels_at_the_same_time():
    clean = movie()
    clean[100:120] = 0
    frames = with_bad("2^32-1", clean)  # bright enough to hide that the beam is gone
    normalisation = Normalisation(bad_frames="detect", bad_pixels="detect")
    found = streamed(frames, normalisation)
    assert found.bad_frames.tolist() == list(range(100, 120))
    expected = two_time(clean, LABELS, size=48, bad_frames=range(100, 120), mask=masked((5, 7)))
    np.testing.assert_allclose(found.c2, expected, atol=2e-6, rtol=1e-5)


def test_dropped_frames_keep_their_place():
    frames = with_bad("blinking", MOVIE)
    kept = np.setdiff1d(np.arange(N_FRAMES), [10, 70, 71])
    stream = TwoTimeStream(LABELS, N_FRAMES, size=48, normalisation=DETECT)
    stream.add(NumberedFrames(frames[kept], kept, None))
    expected = two_time(MOVIE, LABELS, size=48, bad_frames=[10, 70, 71], mask=masked((5, 7)))
    np.testing.assert_allclose(stream.result().c2, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("normalise", ["static", "both"])
def test_flat_field_and_mean_image_are_those_of_the_good_pixels(normalise):
    rng = np.random.default_rng(5)
    options = {"flat_field": rng.uniform(0.8, 1.2, SHAPE), "static": rng.uniform(1, 3, SHAPE), "normalise": normalise}
    for kind in ("dead", "hot"):
        expected = two_time(MOVIE, LABELS, size=48, mask=masked((5, 7)), **options)
        found = two_time(with_bad(kind, MOVIE), LABELS, size=48, bad_pixels="detect", **options)
        np.testing.assert_allclose(found, expected, atol=2e-6, rtol=1e-5)


def test_a_bin_without_a_good_pixel_is_refused():
    frames = MOVIE.copy()
    frames[:, :12] = 65535
    with pytest.raises(FrameError, match="no pixel of bin 1 is good"):
        streamed(frames)
    with pytest.raises(FrameError, match="no pixel of bin 1 is good"):
        two_time(frames, LABELS, size=48, bad_pixels="detect")


def test_without_detection_nothing_is_looked_for():
    assert len(streamed(with_bad("blinking", MOVIE), Normalisation()).bad_pixels) == 0


def test_few_frames_are_not_judged():
    assert len(streamed(with_bad("blinking", MOVIE)[:7]).bad_pixels) == 0


# ---- the verdict alone, on sums

GRID = tuple(each.ravel() for each in np.indices((64, 64)))


def sums_of(rate, n_frames, *, contrast=0.0, seed=0, still=True, profile=None):
    """Photons around gamma distributed intensities that stand still, or are new in each frame."""
    rng = np.random.default_rng(seed)
    shape = (1 if still else n_frames, 4096)
    intensity = rng.gamma(1 / contrast, contrast, shape) if contrast else np.ones(shape)
    lit = rate * intensity * (1 if profile is None else profile.ravel())
    return PixelSums.of(rng.poisson(lit, (n_frames, 4096)))


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-3, 1.5),
    st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    st.sampled_from([16, 64, 300]),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_good_pixels_are_not_called_bad(log_rate, contrast, n_frames, still, seed):
    assert not judge(sums_of(10**log_rate, n_frames, contrast=contrast, seed=seed, still=still), *GRID).any()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["gaussian", "beam stop", "corner", "wire", "step"]), st.floats(-1, 1.3), st.integers(0, 10**6))
def test_gradients_and_shadows_are_not_bad_pixels(what, log_rate, seed):
    y, x = np.mgrid[:64, :64]
    profile = {
        "gaussian": np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 300),
        "beam stop": (np.hypot(y - 32, x - 32) > 14) + 0.0,
        "corner": 1.0 - ((y > 30) & (x > 30)),
        "wire": np.where(np.abs(x - 32) < 4, 0.001, 1.0),
        "step": np.where(x > 31, 1.0, 0.1),
    }[what]
    sums = sums_of(10**log_rate, 200, contrast=0.2, seed=seed, still=False, profile=profile)
    assert not judge(sums, *GRID).any()


@settings(max_examples=40, deadline=None)
@given(st.floats(-2, 1.3), st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([0.1, 0.3]))
def test_planted_pixels_are_found_and_no_others(log_rate, n_bad, seed, contrast):
    rng, rate, n = np.random.default_rng(seed), 10**log_rate, 300
    counts = rng.poisson(rate * rng.gamma(1 / contrast, contrast, (n, 4096))).astype(np.uint32)
    at = rng.choice(4096, n_bad, replace=False)
    expected = np.zeros(4096, dtype=np.int8)
    for place, kind in zip(at, np.tile([HOT, FLICKERING, FULL], 14), strict=False):
        expected[place] = kind
        if kind == HOT:
            counts[:, place] += rng.poisson(max(20 * rate, 0.5), n).astype(np.uint32)
        elif kind == FLICKERING:
            counts[:, place] = np.where(rng.random(n) < 0.1, max(30, 30 * rate), 0)
        else:
            counts[:, place] = 2**24 - 1
    found = judge(PixelSums.of(counts), *GRID)
    assert ((found > 0) == (expected > 0)).all()
    assert ((found == FULL) == (expected == FULL)).all()


def test_dead_pixels_are_found_once_their_neighbours_have_counted():
    counts = np.random.default_rng(0).poisson(0.1, (400, 4096))
    counts[:, [100, 2000, 2001]] = 0
    assert np.flatnonzero(judge(PixelSums.of(counts), *GRID) == DEAD).tolist() == [100, 2000, 2001]
    assert not judge(PixelSums.of(counts[:50]), *GRID).any()  # 5 counts: zero may be chance


def test_bright_pixels_do_not_hide_those_beside_them():
    counts = np.random.default_rng(1).poisson(0.05, (300, 4096))
    counts[:, [500, 501]] += 3
    counts[:, 3000] += 1000
    counts[:, 3001] += 2
    assert np.flatnonzero(judge(PixelSums.of(counts), *GRID)).tolist() == [500, 501, 3000, 3001]
