"""Movies in HDF5 files that are finished: every layout and filter, links, and what can be wrong with them."""

from __future__ import annotations

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import FrameError
from ainerd_agent.records import NumberedFrames
from ainerd_agent.scattering import ArrayFrames, HDF5Frames
from ainerd_agent.scattering.frames import hdf5_frames as hdf5
from ainerd_agent.scattering.frames.hdf5_chunks import ChunkReader, LibraryReader, frame_reader

FILTERS = {
    "none": {},
    "bitshuffle-lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "lz4": hdf5plugin.LZ4(),
    "gzip": {"compression": "gzip"},
    "gzip-shuffle": {"compression": "gzip", "shuffle": True},
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle-zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "blosc": hdf5plugin.Blosc(),
}
OURS = {"none", "bitshuffle-lz4", "lz4", "gzip", "gzip-shuffle"}
BIG = (40, 130)
"""H and W of frames whose chunks are large enough for our own decompression, in 32 bits."""


def movie(n: int, shape: tuple[int, int], kind: str = "u2", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.5, size=(n, *shape)).astype(kind)


def read(source) -> np.ndarray:
    return np.concatenate(list(source.blocks()))


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of three frames: a movie is many blocks, as large ones are."""
    monkeypatch.setattr(hdf5, "MOST_FRAMES", 3)


@pytest.fixture
def stack(tmp_path):
    frames = movie(300, (6, 5))
    path = tmp_path / "frames.h5"
    with h5py.File(path, "w") as file:
        file["entry/data"] = frames
        file["entry/flat"] = frames[0]
    return path, frames


def test_a_part_of_a_stack_is_read_in_order(stack):
    path, frames = stack
    source = HDF5Frames(path, "entry/data", 100, 290)
    assert source.shape == (190, 6, 5)
    np.testing.assert_array_equal(read(source), frames[100:290])
    rest = HDF5Frames(str(path), "entry/data", 100)
    assert rest.shape == (200, 6, 5)
    np.testing.assert_array_equal(read(rest), frames[100:])
    assert list(HDF5Frames(path, "entry/data", 10, 10).blocks()) == []


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("kind", ["u1", "<u2", ">u4", "f4"])
def test_every_filter_and_type_gives_the_same_frames(tmp_path, small_blocks, name, kind):
    frames = movie(8, (130, 140), kind)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=frames, chunks=(1, 130, 140), **FILTERS[name])
        reader = frame_reader(data, None, None)
        assert isinstance(reader, ChunkReader if name in OURS else LibraryReader)
    blocks = list(HDF5Frames(tmp_path / "x.h5", "x").blocks())
    assert all(block.dtype.isnative and block.dtype.kind == frames.dtype.kind for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), frames)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.integers(1, 12),
    chunk=st.tuples(st.integers(1, 5), st.integers(1, BIG[0]), st.integers(1, BIG[1])),
    start=st.integers(0, 12),
    event=st.sampled_from([None, (1, 1), (1, 2), (2, 2)]),
    ours=st.booleans(),
    data=st.data(),
)
def test_chunks_of_any_shape_give_the_same_frames(tmp_path, small_blocks, n, chunk, start, event, ours, data):
    """Also chunks of several frames, of parts of a frame, and over the edges; also one event of four dimensions."""
    frames = movie(n, BIG, "u4")
    chunk = (min(chunk[0], n), *chunk[1:])
    start = min(start, n)
    stop = data.draw(st.one_of(st.none(), st.integers(start, n)))
    stored, number = (frames, None) if event is None else (np.stack([frames * 0 + 9, frames, frames * 0]), 1)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        chunks = chunk if event is None else (event[1], *chunk)
        file.create_dataset("x", data=stored, chunks=chunks, **FILTERS["bitshuffle-lz4" if ours else "gzip-shuffle"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ainerd_agent.scattering.frames.hdf5_chunks.SMALL", 1)
        source = HDF5Frames(tmp_path / "x.h5", "x", start, stop, event=number)
        blocks = [np.empty((0, *BIG), "u4"), *source.blocks()]
    np.testing.assert_array_equal(np.concatenate(blocks), frames[start:stop])
    assert source.shape == (len(frames[start:stop]), *BIG)


def test_blocks_that_are_kept_are_not_overwritten(tmp_path, small_blocks):
    frames = movie(60, BIG, "u4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=frames, chunks=(1, *BIG), **FILTERS["bitshuffle-lz4"])
    kept, addresses = [], set()
    for number, block in enumerate(HDF5Frames(tmp_path / "x.h5", "x").blocks()):
        addresses.add(block.ctypes.data)
        if number % 5 == 0:
            kept.append((3 * number, block[1:, :, ::2]))  # a view holds its block
    for first, view in kept:
        np.testing.assert_array_equal(view, frames[first + 1 : first + 3, :, ::2])
    assert len(addresses) < 12  # the others are used again


@pytest.mark.parametrize("name", ["bitshuffle-lz4", "lz4", "blosc"])
def test_pixels_that_nobody_needs_may_be_zero_and_the_others_are_right(tmp_path, small_blocks, name):
    frames = movie(10, (90, 101), "u4", seed=1)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=frames, chunks=(1, 90, 101), **FILTERS[name])
    rows, columns = np.mgrid[:90, :101]
    needed = abs(np.hypot(rows - 45, columns - 50) - 30) < 2
    blocks = np.concatenate(list(HDF5Frames(tmp_path / "x.h5", "x").blocks(needed)))
    np.testing.assert_array_equal(blocks[:, needed], frames[:, needed])
    others = blocks[:, ~needed]
    assert ((others == 0) | (others == frames[:, ~needed])).all()
    with pytest.raises(FrameError, match="another detector"):
        list(HDF5Frames(tmp_path / "x.h5", "x").blocks(needed[1:]))


def eiger(folder, frames, per_file: int = 4):
    """A master file with links to data files, as Eiger writes them."""
    with h5py.File(folder / "run_master.h5", "w") as master:
        group = master.create_group("entry/data")
        for number, first in enumerate(range(0, len(frames), per_file), start=1):
            name = f"run_data_{number:06d}.h5"
            with h5py.File(folder / name, "w") as file:
                part = frames[first : first + per_file]
                chunks = (1, *frames.shape[1:])
                file.create_dataset("entry/data/data", data=part, chunks=chunks, **FILTERS["bitshuffle-lz4"])
            group[f"data_{number:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
        group["links"] = h5py.SoftLink("/entry/data")
    return folder / "run_master.h5"


@pytest.mark.parametrize("dataset", ["entry/data", "/entry/data", "entry/data/links"])
def test_the_data_files_of_an_eiger_are_one_movie(tmp_path, small_blocks, dataset):
    frames = movie(10, BIG, "u4")
    source = HDF5Frames(eiger(tmp_path, frames), dataset, 1, 9)
    assert source.shape == (8, *BIG)
    np.testing.assert_array_equal(read(source), frames[1:9])
    one = HDF5Frames(tmp_path / "run_master.h5", "entry/data/data_000002")
    np.testing.assert_array_equal(read(one), frames[4:8])


def test_a_missing_data_file_is_named_where_it_is_needed(tmp_path):
    frames = movie(10, BIG, "u4")
    master = eiger(tmp_path, frames)
    (tmp_path / "run_data_000002.h5").unlink()
    np.testing.assert_array_equal(read(HDF5Frames(master, "entry/data", 1, 4)), frames[1:4])
    for source in (
        HDF5Frames(master, "entry/data", 0, 10),
        HDF5Frames(master, "entry/data"),
        HDF5Frames(master, "entry/data/data_000002"),
    ):
        with pytest.raises(FrameError, match=r"run_data_000002\.h5 is not there"):
            list(source.blocks())


def test_data_files_that_do_not_belong_together_are_refused(tmp_path):
    master = eiger(tmp_path, movie(8, BIG, "u4"))
    with h5py.File(tmp_path / "run_data_000002.h5", "w") as file:
        file["entry/data/data"] = movie(4, (6, 5), "u4")
    with pytest.raises(FrameError, match=r"run_data_000002\.h5 holds uint32 frames of \(6, 5\)"):
        list(HDF5Frames(master, "entry/data").blocks())


def virtual(folder, frames, *, gap: int = 0, split: bool = False):
    """A virtual dataset over two files: one after the other, or the left and the right half of each frame."""
    n, rows, columns = frames.shape
    parts = (frames[:, :, : columns // 2], frames[:, :, columns // 2 :]) if split else (frames[: n // 2], frames)
    layout = h5py.VirtualLayout((n + gap, rows, columns), frames.dtype)
    for name, part in zip("ab", parts, strict=True):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["x"] = part
    a, b = (h5py.VirtualSource(f"{name}.h5", "x", part.shape) for name, part in zip("ab", parts, strict=True))
    if split:
        layout[:, :, : columns // 2], layout[:, :, columns // 2 :] = a, b
    else:
        layout[: n // 2], layout[n // 2 + gap :] = a, b[n // 2 :]
    with h5py.File(folder / "virtual.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    return HDF5Frames(folder / "virtual.h5", "x")


@pytest.mark.parametrize("split", [False, True])
def test_a_virtual_dataset_is_read_and_its_missing_sources_are_no_zeros(tmp_path, small_blocks, split):
    frames = movie(10, (6, 8))
    source = virtual(tmp_path, frames, split=split)
    np.testing.assert_array_equal(read(source), frames)
    (tmp_path / "b.h5").unlink()
    with pytest.raises(FrameError, match=r"b\.h5 is not there"):
        list(source.blocks())


def test_frames_that_no_source_of_a_virtual_dataset_holds_are_said(tmp_path):
    with pytest.raises(FrameError, match=r"frames 5 to 6 of x in .* are in none of its sources"):
        list(virtual(tmp_path, movie(10, (6, 8)), gap=2).blocks())


@pytest.mark.parametrize("name", ["bitshuffle-lz4", "blosc"])
def test_frames_that_were_never_written_are_no_zeros(tmp_path, small_blocks, name):
    frames = movie(7, (130, 140), "u2")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", (20, 130, 140), "u2", chunks=(1, 130, 140), **FILTERS[name])
        data[:7] = frames
    blocks = HDF5Frames(tmp_path / "x.h5", "x").blocks()
    got = np.concatenate([next(blocks) for _ in range(3)])
    np.testing.assert_array_equal(got, frames)
    with pytest.raises(FrameError, match="frame 7 was never written"):
        next(blocks)


def test_a_damaged_chunk_is_said(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=movie(5, BIG, "u4"), chunks=(1, *BIG), **FILTERS["bitshuffle-lz4"])
        data.id.write_direct_chunk((3, 0, 0), b"\1" * 5000)
    with pytest.raises(FrameError, match=r"frame 3 in .*x\.h5 is damaged"):
        list(HDF5Frames(tmp_path / "x.h5", "x").blocks())


def test_a_chunk_that_was_stored_without_its_filter_is_read(tmp_path):
    frames = movie(3, BIG, "u4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=frames, chunks=(1, *BIG), **FILTERS["bitshuffle-lz4"])
        data.id.write_direct_chunk((1, 0, 0), frames[1].tobytes(), filter_mask=1)
    np.testing.assert_array_equal(read(HDF5Frames(tmp_path / "x.h5", "x")), frames)


def test_what_cannot_be_read_is_said(stack, tmp_path):
    path, _ = stack
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["words"] = np.full((3, 2, 2), b"abc")
        file["loop"] = h5py.SoftLink("/loop")
        file["nowhere"] = h5py.ExternalLink("other.h5", "x")
        file["empty"] = np.zeros((0, 0, 0))
    odd = tmp_path / "odd.h5"
    (tmp_path / "nothing.h5").touch()
    (tmp_path / "text.h5").write_text("not HDF5 at all" * 10)
    cases = {
        r"missing.h5 is not there: is the detector's disk mounted": HDF5Frames(tmp_path / "missing.h5", "x", 0, 10),
        "holds 300 frames where 400 were announced": HDF5Frames(path, "entry/data", 300, 400),
        "has no dataset entry/nothing": HDF5Frames(path, "entry/nothing", 0, 10),
        r"\(frames, H, W\) is needed": HDF5Frames(path, "entry/flat", 0, 6),
        r"\(events, frames, H, W\) is needed": HDF5Frames(path, "entry/data", 0, 6, event=0),
        "is a group without datasets data_000001": HDF5Frames(path, "entry"),
        "which is no counts": HDF5Frames(odd, "words"),
        "lead in a circle": HDF5Frames(odd, "loop"),
        r"other\.h5 is not there": HDF5Frames(odd, "nowhere"),
        "still empty": HDF5Frames(odd, "empty"),
        r"nothing\.h5 is still empty": HDF5Frames(tmp_path / "nothing.h5", "x"),
        "not a readable HDF5 file": HDF5Frames(tmp_path / "text.h5", "x"),
        "cannot be read: Is a directory": HDF5Frames(tmp_path, "x"),
    }
    for message, source in cases.items():
        with pytest.raises(FrameError, match=message):
            list(source.blocks())
        with pytest.raises(FrameError, match=message):
            _ = source.shape
    with pytest.raises(ValueError, match="no range"):
        HDF5Frames(path, "entry/data", 5, 4)


@pytest.mark.parametrize("swmr", [False, True])
@pytest.mark.parametrize("size", [20, 100, 3000])
def test_a_truncated_file_is_said_at_once(stack, tmp_path, swmr, size):
    """Opened in SWMR mode, the library would wait for the rest of it without end."""
    whole = tmp_path / "whole.h5"
    with h5py.File(whole, "w", libver="latest") as file:
        file.create_dataset("entry/data", data=movie(300, (6, 5)), chunks=(1, 6, 5), maxshape=(None, 6, 5))
        if swmr:
            file.swmr_mode = True
            content = whole.read_bytes()
    if not swmr:
        content = whole.read_bytes()
    cut = tmp_path / "cut.h5"
    for each in (content, stack[0].read_bytes()):
        cut.write_bytes(each[:size])
        with pytest.raises(FrameError, match="truncated"):
            list(HDF5Frames(cut, "entry/data", 0, 300).blocks())


def test_numbers_tell_which_frames_were_dropped(tmp_path, small_blocks):
    frames = movie(12, (6, 5))
    ids = np.array([40, 41, 42, 43, 46, 47, 48, 50, 51, 52, 53, 54])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"], file["id"], file["time"] = frames, ids, ids * 0.5

    def numbered(start: int, stop: int | None) -> HDF5Frames:
        return HDF5Frames(tmp_path / "x.h5", "x", start, stop, frame_numbers="id", timestamps="time")

    blocks = list(numbered(1, 11).blocks())  # ten places, two of them with nothing
    assert all(isinstance(block, NumberedFrames) for block in blocks)
    places = np.concatenate([block.numbers for block in blocks])
    np.testing.assert_array_equal(places, [0, 1, 2, 5, 6, 7, 9])
    np.testing.assert_array_equal(np.concatenate([block.frames for block in blocks]), frames[1:8])
    np.testing.assert_array_equal(np.concatenate([block.times for block in blocks]), ids[1:8] * 0.5)
    assert sum(len(block.numbers) for block in numbered(0, None).blocks()) == 12

    # Two frames were dropped after frame 7: the movie of 15 is complete with frame 14, though the stack has 12.
    assert list(numbered(0, 15).blocks())[-1].numbers[-1] == 14
    with pytest.raises(FrameError, match="frame 12 was never written"):
        list(numbered(0, 16).blocks())


@pytest.mark.parametrize(("column", "word"), [("id", "number"), ("time", "time stamp")])
@pytest.mark.parametrize("at", [5, 6])
def test_numbers_and_times_that_do_not_rise_are_said_before_the_frames(tmp_path, small_blocks, column, word, at):
    columns = {"id": np.arange(10), "time": np.arange(10) * 0.5}
    columns[column][at] = columns[column][at - 1]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"], file["id"], file["time"] = movie(10, (6, 5)), columns["id"], columns["time"]
    blocks = HDF5Frames(tmp_path / "x.h5", "x", frame_numbers="id", timestamps="time").blocks()
    for _ in range(at // 3):
        next(blocks)
    with pytest.raises(FrameError, match=f"frame {at} of .* has the {word}"):
        next(blocks)


def test_arrays_are_sources_too(stack):
    import dask.array as dask

    path, frames = stack
    with h5py.File(path) as file:
        for array in (frames, file["entry/data"], dask.from_array(frames, chunks=(70, 3, 5))):
            source = ArrayFrames(array)
            assert source.shape == frames.shape
            np.testing.assert_array_equal(read(source), frames)
    with pytest.raises(FrameError, match="shape"):
        ArrayFrames(frames[0])
