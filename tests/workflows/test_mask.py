import h5py
import numpy as np
import pytest

from ainerd_agent.errors import BinError, FrameError
from ainerd_agent.records import PhotonEvents
from ainerd_agent.scattering.correlation.whole_detector import DetectorWatch
from ainerd_agent.scattering.frames.arrays import ArrayFrames
from ainerd_agent.scattering.geometry.masks import load_image, load_mask
from ainerd_agent.settings import BinSettings, Settings
from ainerd_agent.workflows.mask import Movie, draw_mask, movies_in

SHAPE = (70, 90)
BAD = {(3, 4): "full", (40, 70): "dead", (66, 10): "hot", (20, 85): "flickering"}


def movie(n_frames=150, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    frames = rng.poisson(1 + 4 * np.exp(-((np.hypot(y - 35, x - 45) - 20) ** 2) / 50), (n_frames, *SHAPE))
    frames = frames.astype(np.int32)
    frames[:, 3, 4] = -1  # as detectors mark gaps in signed integers
    frames[:, 40, 70] = 0
    frames[:, 66, 10] += rng.poisson(60, n_frames).astype(np.int32)
    frames[:, 20, 85] = np.where(rng.random(n_frames) < 0.05, 90, 0)
    return frames


@pytest.mark.parametrize("name", ["mask.edf", "mask.npy", "mask.tif"])
def test_a_mask_of_a_file_is_read_back_as_it_was_drawn(tmp_path, name):
    with h5py.File(tmp_path / "movie.h5", "w") as file:
        file["entry/data"] = movie()
    done = draw_mask(movies_in(f"{tmp_path / 'movie.h5'}::/entry/data", Settings()), Settings(), tmp_path / name)
    expected = np.zeros(SHAPE, dtype=bool)
    expected[tuple(np.transpose(list(BAD)))] = True
    np.testing.assert_array_equal(load_mask(done.mask), expected)
    found = done.bad_pixels
    assert dict(zip(zip(found.rows, found.columns, strict=True), found.kinds, strict=True)) == BAD
    assert done.n_frames == 150
    assert done.picture.read_bytes().startswith(b"\x89PNG")


def test_a_mask_of_the_settings_is_taken_over_and_its_pixels_spoil_nothing(tmp_path):
    known = np.zeros(SHAPE, dtype=bool)
    known[:, 50:54] = True
    np.save(tmp_path / "old.npy", known)
    frames = movie()
    frames[:, :, 50:54] = 10**6
    settings = Settings(bins=BinSettings(mask=str(tmp_path / "old.npy")))
    done = draw_mask([Movie(frames=ArrayFrames(frames))], settings, tmp_path / "new.npy")
    assert len(done.bad_pixels) == 4
    assert done.n_masked == known.sum() + 4
    assert load_image(done.mask).dtype == np.uint8


def test_a_pixel_is_bad_where_any_movie_shows_it(tmp_path):
    good = np.random.default_rng(1).poisson(3, (100, *SHAPE)).astype(np.uint16)
    late = good.copy()
    late[:, 5, 5] = 0
    movies = [Movie(frames=ArrayFrames(each)) for each in (good, late, good, late[:, ::-1])]
    done = draw_mask(movies, Settings(), tmp_path / "mask.npy", most=3)
    assert (done.n_movies, done.bad_pixels.rows.tolist(), done.bad_pixels.columns.tolist()) == (3, [5], [5])


def test_events_and_frames_show_the_same():
    frames = np.maximum(movie(), 0)
    dense, sparse = DetectorWatch(SHAPE), DetectorWatch(SHAPE)
    dense.add(frames)
    for start in range(0, 150, 40):
        part = frames[start : start + 40].reshape(-1, SHAPE[0] * SHAPE[1])
        frame, pixel = np.nonzero(part)
        sparse.add(PhotonEvents(frame + start, pixel, part[frame, pixel], min(start + 40, 150)))
    np.testing.assert_array_equal(dense.mean_image(), sparse.mean_image())
    assert dense.bad_pixels().words() == sparse.bad_pixels().words() != ""


@pytest.mark.parametrize(
    ("file", "message"),
    [("movie.txt", "must be an .npy file"), ("movie.h5", "with its dataset"), ("no.npy", "no movie")],
)
def test_what_is_no_movie_is_refused(tmp_path, file, message):
    with pytest.raises(FrameError, match=message):
        list(movies_in(str(tmp_path / file), Settings()))


def test_a_mask_in_another_form_and_too_few_frames_are_refused(tmp_path):
    with pytest.raises(BinError, match="is written as"):
        draw_mask([], Settings(), tmp_path / "mask.jpg")
    with pytest.raises(FrameError, match="no movie"):
        draw_mask([], Settings(), tmp_path / "mask.npy")
    with pytest.raises(FrameError, match="8 frames at least"):
        draw_mask([Movie(frames=ArrayFrames(movie(5)))], Settings(), tmp_path / "mask.npy")
