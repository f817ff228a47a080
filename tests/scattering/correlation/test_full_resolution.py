"""Full-resolution C2 against its definition in numpy, in double precision."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering import ArrayFrames, resize_matrix, two_time
from ainerd_agent.scattering.correlation.full_resolution import whole_two_time
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.correlation.window_counts import Selection

LABELS = np.array([[1, 1, 2, 2, 0], [1, 1, 2, 2, 3], [1, 1, 3, 3, 3], [0, 1, 3, 3, 3]])
RINGS = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 2], [2, 2, 2, 2, 2], [2, 2, 2, 2, 2]])


def movie(n_frames=30, dtype=np.uint16, seed=0, mean=3.0):
    return np.random.default_rng(seed).poisson(mean, size=(n_frames, *LABELS.shape)).astype(dtype)


def reference(frames, labels, number, *, window=None, rings=None, bad=(), diagonal="neighbours", per_frame=False):
    start, stop = window or (0, len(frames))
    counts = np.asarray(frames[start:stop], dtype=np.float64)
    good = np.setdiff1d(np.arange(start, stop), bad) - start
    rings = labels if rings is None else rings
    if per_frame:
        scale = np.ones_like(counts)
        for each in np.unique(labels[labels > 0]):
            scale[:, labels == each] = counts[:, labels == each].mean(axis=1)[:, None]
        counts = counts / scale
    fluctuation = []
    for ring in np.unique(rings[labels == number]):
        mean = counts[good][:, (rings == ring) & (labels > 0)].mean()
        fluctuation.append(counts[:, (rings == ring) & (labels == number)] / mean - 1)
    fluctuation = np.concatenate(fluctuation, axis=1)
    c2 = fluctuation @ fluctuation.copy().T / fluctuation.shape[1]
    if diagonal == "neighbours":
        beside = {}
        for place, frame in enumerate(good):
            others = [good[k] for k in (place - 1, place + 1) if 0 <= k < len(good)]
            near = [other for other in others if abs(other - frame) == 1]
            beside[frame] = np.mean([c2[frame, other] for other in near or others])
        for frame, value in beside.items():
            c2[frame, frame] = value
    bad_rows = np.setdiff1d(np.arange(stop - start), good)
    c2[bad_rows] = np.nan
    c2[:, bad_rows] = np.nan
    return c2


@settings(max_examples=40, deadline=None)
@given(
    n_frames=st.integers(2, 40),
    dtype=st.sampled_from([np.uint8, np.uint16, np.uint32, np.float32, np.int64]),
    bad=st.sets(st.integers(0, 39), max_size=6),
    rings=st.booleans(),
    per_frame=st.booleans(),
    diagonal=st.sampled_from(["neighbours", "keep"]),
    room=st.integers(0, 5000),
    seed=st.integers(0, 100),
    data=st.data(),
)
def test_c2_is_its_definition(n_frames, dtype, bad, rings, per_frame, diagonal, room, seed, data):
    frames = movie(n_frames, dtype, seed)
    start = data.draw(st.integers(0, n_frames - 2))
    window = start, data.draw(st.integers(start + 2, n_frames))
    if len(set(range(*window)) - bad) < 2:
        bad = set()
    static = RINGS if rings else None
    maps = whole_two_time(
        frames, LABELS, Selection(window=window), diagonal=diagonal,
        normalisation=Normalisation(static=static, bad_frames=bad, normalise="both" if per_frame else "static"),
        max_bytes=(window[1] - window[0]) ** 2 * 4 + room,
    )  # fmt: skip
    found = list(maps)
    assert [each.bin for each in found] == [1, 2, 3]
    for each in found:
        expected = reference(
            frames, LABELS, each.bin, window=window, rings=static, bad=list(bad), diagonal=diagonal, per_frame=per_frame
        )
        np.testing.assert_allclose(each.c2, expected, atol=1e-5, rtol=1e-5)
        np.testing.assert_array_equal(each.c2, each.c2.T)
        assert each.n_pixels == (each.bin == LABELS).sum()
        assert set(each.bad_frames) == bad & set(range(*window))


def test_a_window_of_a_long_movie_is_exact_in_double_precision_and_bounded_in_memory():
    frames = np.random.default_rng(1).poisson(0.05, size=(400, 40, 40)).astype(np.uint8)
    labels = np.ones((40, 40), dtype=int)
    (found,) = whole_two_time(
        frames, labels, Selection(window=(50, 350)), precision="double", max_bytes=300**2 * 8 + 40_000
    )
    np.testing.assert_allclose(found.c2, reference(frames, labels, 1, window=(50, 350)), atol=1e-12)
    assert found.mean_counts == pytest.approx(frames[50:350].mean())


def test_resized_it_is_the_reduced_map():
    frames = movie(90, seed=3)
    reduced = two_time(frames, LABELS, size=16, static=RINGS)
    resize = resize_matrix(90, 16)
    for each in whole_two_time(frames, LABELS, normalisation=Normalisation(static=RINGS)):
        np.testing.assert_allclose(resize @ each.c2 @ resize.T, reduced[each.bin - 1], atol=1e-6)


def test_chosen_bins_keep_the_rings_they_share_with_others_and_a_mask_is_obeyed():
    frames = movie(seed=4)
    mask = np.zeros(LABELS.shape, dtype=bool)
    mask[0, 0] = mask[1, 4] = True
    (found,) = whole_two_time(frames, LABELS, Selection(bins=[3]), normalisation=Normalisation(static=RINGS, mask=mask))
    expected = reference(frames, np.where(mask, 0, LABELS), 3, rings=RINGS)
    np.testing.assert_allclose(found.c2, expected, atol=1e-5)


def test_a_mean_image_and_a_flat_field_divide_the_counts():
    frames = movie(seed=5)
    image = np.random.default_rng(6).uniform(1, 3, LABELS.shape)
    flat = np.random.default_rng(7).uniform(0.8, 1.2, LABELS.shape)
    (found,) = whole_two_time(
        frames,
        LABELS,
        Selection(bins=[2]),
        normalisation=Normalisation(static=image, flat_field=flat),
        diagonal="keep",
    )
    fluctuation = (frames / flat / image - 1)[:, LABELS == 2]
    np.testing.assert_allclose(found.c2, fluctuation @ fluctuation.copy().T / 4, atol=1e-5)


def as_events(frames, step):
    for start in range(0, len(frames), step):
        part = frames[start : start + step].reshape(len(frames[start : start + step]), -1)
        frame, pixel = np.nonzero(part)
        yield PhotonEvents(frame + start, pixel, part[frame, pixel], start + len(part))


class EventFrames:
    def __init__(self, frames):
        self.frames = frames
        self.shape = frames.shape

    def blocks(self):
        return as_events(self.frames, 7)


def test_every_kind_of_source_gives_the_same(tmp_path):
    frames = movie(seed=8)
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["data"] = frames
        options = {
            "selection": Selection(window=(3, 25)),
            "normalisation": Normalisation(static=RINGS),
            "max_bytes": 22**2 * 4 + 2000,
        }
        expected = [each.c2 for each in whole_two_time(frames, LABELS, **options)]
        for source in (file["data"], ArrayFrames(frames), EventFrames(frames)):
            found = [each.c2 for each in whole_two_time(source, LABELS, **options)]
            np.testing.assert_allclose(found, expected, atol=1e-6)


class Short:
    shape = (None, *LABELS.shape)

    def blocks(self):
        yield movie(10)


@pytest.mark.parametrize(
    ("frames", "options", "error", "words"),
    [
        (movie(), {"selection": Selection(bins=[4])}, BinError, "1 to 3"),
        (movie(), {"selection": Selection(window=(20, 40))}, FrameError, "beyond the movie of 30"),
        (movie(), {"selection": Selection(window=(5, 6))}, FrameError, "at least 2"),
        (movie(), {"normalisation": Normalisation(bad_frames=range(29))}, FrameError, "1 good frames"),
        (movie(), {"max_bytes": 1000}, FrameError, "at most 15 frames"),
        (movie()[:, :2], {}, FrameError, "do not fit the bins"),
        (movie() * 0, {}, FrameError, "no photon was counted in bin 1, 2, 3"),
        (np.full((30, 4, 5), 65535, np.uint16), {}, FrameError, "ceiling"),
        (movie().astype(complex), {}, FrameError, "real numbers"),
        (Short(), {}, FrameError, "say which window"),
        (Short(), {"selection": Selection(window=(0, 20))}, FrameError, "ends after 10 frames"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(frames, options, error, words):
    with pytest.raises(error, match=words):
        list(whole_two_time(frames, LABELS, **options))


def test_readings_that_are_no_counts_are_refused_but_in_bad_frames():
    frames = movie(dtype=np.float32)
    frames[7, 1, 1] = np.nan
    with pytest.raises(FrameError, match="frame 7"):
        list(whole_two_time(frames, LABELS))
    assert len(list(whole_two_time(frames, LABELS, normalisation=Normalisation(bad_frames=[7])))) == 3
