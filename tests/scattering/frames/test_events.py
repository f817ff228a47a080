"""Photon events in files: HDF5, and those of the APS, written here from the published layouts."""

from __future__ import annotations

import struct

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames import event_blocks
from ainerd_agent.scattering.frames.aps_events import ImmEvents, RigakuEvents
from ainerd_agent.scattering.frames.hdf5_events import HDF5Events, write_events

SHAPE = (40, 6, 9)


def events(seed: int, n_frames: int, n_pixels: int, mean: float = 3.0):
    """Frame, pixel and count; some frames dark, some pixels more than once in a frame."""
    rng = np.random.default_rng(seed)
    frame = np.repeat(np.arange(n_frames), rng.poisson(mean, n_frames) * rng.integers(0, 2, n_frames))
    return frame, rng.integers(0, n_pixels, len(frame)), rng.integers(1, 4000, len(frame))


def write_rigaku(path, frame, pixel, count, extra: int = 0) -> None:
    """One little-endian 64-bit word an event: frame from bit 40, pixel from bit 16, count from bit 0."""
    np.array([f << 40 | p << 16 | c | extra for f, p, c in zip(frame, pixel, count, strict=True)], "<u8").tofile(path)


def write_imm(path, frame, pixel, count, shape, width: int = 2, compression: int = 6) -> None:
    with open(path, "wb") as file:
        for number in range(shape[0]):
            here = frame == number
            header = bytearray(1024)
            struct.pack_into("<2i", header, 0, 2, compression)
            struct.pack_into("<3i", header, 108, *shape[1:], width)
            struct.pack_into("<i", header, 152, here.sum())
            file.write(header + pixel[here].astype("<i4").tobytes() + count[here].astype(f"<u{width}").tobytes())


def dense(blocks, shape) -> np.ndarray:
    """The movie that events describe; each block complete, and after the one before it."""
    movie = np.zeros((shape[0], shape[1] * shape[2]), np.int64)
    complete = 0
    for block in blocks:
        frame = block.frame.astype(np.int64)
        assert (np.diff(frame) >= 0).all()
        assert ((frame >= complete) & (frame < block.stop)).all()
        assert complete <= block.stop
        np.add.at(movie, (frame, block.pixel.astype(np.int64)), block.count.astype(np.int64))
        complete = block.stop
    assert complete == shape[0]
    return movie


def write(kind: str, path, columns, shape):
    if kind == "hdf5":
        path.unlink(missing_ok=True)
        write_events(path, *columns, shape)
        return HDF5Events(path)
    if kind == "rigaku":
        write_rigaku(path, *columns)
        return RigakuEvents(path, n_frames=shape[0], frame_shape=shape[1:])
    write_imm(path, *columns, shape, width=2 if kind == "imm" else 4)
    return ImmEvents(path)


KINDS = ["hdf5", "rigaku", "imm", "imm-4"]


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), block=st.integers(1, 50), n_frames=st.integers(1, 60))
def test_events_come_back_in_blocks_of_whole_frames(tmp_path, kind, seed, block, n_frames):
    shape = (n_frames, *SHAPE[1:])
    columns = events(seed, n_frames, shape[1] * shape[2])
    source = write(kind, tmp_path / "events", columns, shape)
    assert source.shape == shape
    expected = np.zeros((n_frames, shape[1] * shape[2]), np.int64)
    np.add.at(expected, columns[:2], columns[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_blocks, "EVENTS_PER_BLOCK", block)
        patch.setattr("ainerd_agent.scattering.frames.aps_events.EVENTS_PER_BLOCK", block)
        np.testing.assert_array_equal(dense(source.blocks(), shape), expected)


def test_a_rigaku_movie_ends_with_its_last_event_where_nobody_says_more(tmp_path):
    write_rigaku(tmp_path / "x.bin", [0, 0, 7], [1, 2, 3], [1, 1, 4095])
    source = RigakuEvents(tmp_path / "x.bin")
    assert source.shape == (8, 512, 1024)
    (block,) = source.blocks()
    assert (block.stop, block.frame.tolist(), block.pixel.tolist(), block.count.tolist()) == (
        8,
        [0, 0, 7],
        [1, 2, 3],
        [1, 1, 4095],
    )


def test_the_bit_that_marks_modules_is_not_part_of_the_pixel(tmp_path):
    write_rigaku(tmp_path / "x.bin", [3], [2**19 - 1], [5], extra=1 << 36)
    (block,) = RigakuEvents(tmp_path / "x.bin").blocks()
    assert block.pixel.tolist() == [2**19 - 1]


def test_pixels_of_a_rigaku_may_be_counted_along_columns(tmp_path):
    write_rigaku(tmp_path / "x.bin", [0, 0], [1, 512], [1, 1])
    (block,) = RigakuEvents(tmp_path / "x.bin", order="column").blocks()
    assert block.pixel.tolist() == [1024, 1]  # (row 1, column 0), (row 0, column 1)


@pytest.mark.parametrize("kind", ["hdf5", "rigaku"])
def test_events_that_make_no_movie_are_refused(tmp_path, kind):
    good = [0, 1, 1, 4], [5, 6, 7, 8], [1, 1, 2, 1]
    cases = {
        "event 2 of .* lies in frame 0, the one before it in frame 1: the file is not sorted": (0, [0, 1, 0, 4]),
        "events in frame 40; the movie has 40 frames": (0, [0, 1, 1, 40]),
        "events in pixel 54; the detector has 6 x 9 pixels": (1, [5, 6, 54, 8]),
    }
    for message, (column, values) in cases.items():
        columns = [values if number == column else each for number, each in enumerate(good)]
        source = write(kind, tmp_path / "events", columns, SHAPE)
        with pytest.raises(FrameError, match=message):
            list(source.blocks())


def test_hdf5_events_that_are_incomplete_are_refused(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        for name, (lengths, kind, shape) in {
            "short": ((4, 3, 4), "u4", SHAPE),
            "float": ((4, 4, 4), "f4", SHAPE),
            "shapeless": ((4, 4, 4), "u4", SHAPE[:2]),
            "negative": ((4, 4, 4), "i4", SHAPE),
        }.items():
            for column, length in zip(("frame", "pixel", "count"), lengths, strict=True):
                file[f"{name}/{column}"] = np.zeros(length, kind) - (kind == "i4" and column == "count")
            file[name].attrs["shape"] = shape
        file["partial/frame"] = [1]
    cases = {
        "short": r"incomplete or truncated: frame \(4,\), pixel \(3,\), count \(4,\)",
        "float": "must be integers",
        "shapeless": "needs the attribute shape",
        "negative": "an event of -1 photons",
        "partial": "is no group with the datasets frame, pixel, count",
        "nothing": "has no dataset nothing",
    }
    for name, message in cases.items():
        with pytest.raises(FrameError, match=message):
            list(HDF5Events(path, name).blocks())


def test_files_of_the_aps_that_are_truncated_are_refused(tmp_path):
    columns = events(1, *SHAPE[:1], SHAPE[1] * SHAPE[2])
    write_rigaku(tmp_path / "x.bin", *columns)
    write_imm(tmp_path / "x.imm", *columns, SHAPE)
    cut = tmp_path / "cut"
    cut.write_bytes((tmp_path / "x.bin").read_bytes()[:-3])
    with pytest.raises(FrameError, match="truncated: its size"):
        list(RigakuEvents(cut).blocks())
    cut.write_bytes((tmp_path / "x.imm").read_bytes()[:-3])
    with pytest.raises(FrameError, match=r"truncated: it ends within the events of frame 39|header of frame 39"):
        list(ImmEvents(cut).blocks())
    cut.write_bytes((tmp_path / "x.imm").read_bytes()[:1000])
    with pytest.raises(FrameError, match="truncated: it ends within the header of frame 0"):
        list(ImmEvents(cut).blocks())
    cut.write_bytes(b"")
    with pytest.raises(FrameError, match="is empty"):
        list(ImmEvents(cut).blocks())
    write_imm(cut, *columns, SHAPE, compression=0)
    with pytest.raises(FrameError, match="no sparse IMM frame"):
        list(ImmEvents(cut).blocks())
    for source in (RigakuEvents(tmp_path / "no.bin"), ImmEvents(tmp_path / "no.imm"), HDF5Events(tmp_path / "no.h5")):
        with pytest.raises(FrameError, match="is not there"):
            list(source.blocks())
