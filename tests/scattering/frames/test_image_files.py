"""Files that are not what their name says, cut short, or made to take all memory."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given
from hypothesis import settings as few
from hypothesis import strategies as st

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.scattering.frames.file_names import FileNames
from ainerd_agent.scattering.frames.image_files import ImageFiles
from ainerd_agent.scattering.frames.image_formats import HDF5Format, NpyFormat, TiffFormat
from ainerd_agent.scattering.frames.roots import Access

FRAME = np.arange(70 * 50, dtype="u2").reshape(70, 50)


def one(path: Path, stop: int = 1, **options) -> ImageFiles:
    file_format = TiffFormat() if path.suffix == ".tif" else NpyFormat()
    return ImageFiles(names=FileNames(str(path)), format=file_format, start=0, stop=stop, **options)


def read(source: ImageFiles) -> np.ndarray:
    return np.concatenate(list(source.blocks()))


@few(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.integers(1, 9),
    per_file=st.integers(1, 4),
    frame=st.tuples(st.integers(2, 30), st.integers(2, 30)),  # tifffile writes a single column as a row
    kind=st.sampled_from(["u1", "<u2", ">u2", "i4", "f4", ">f8"]),
    tiff=st.booleans(),
    data=st.data(),
)
def test_any_part_of_files_of_any_length_is_what_was_written(tmp_path, frames, per_file, frame, kind, tiff, data):
    movie = np.random.default_rng(frames).poisson(4, (frames, *frame)).astype(kind)
    for number, first in enumerate(range(0, frames, per_file)):
        part = movie[first : first + per_file]
        if tiff:
            options = data.draw(st.sampled_from([{}, {"compression": "zlib"}, {"rowsperstrip": 3}]))
            tifffile.imwrite(tmp_path / f"x_{number}", part, photometric="minisblack", **options)
        else:
            with (tmp_path / f"x_{number}").open("wb") as file:
                np.save(file, np.asarray(part, order=data.draw(st.sampled_from("CF"))))
    start = data.draw(st.integers(0, frames - 1))
    stop = data.draw(st.integers(start + 1, frames))
    source = ImageFiles(
        names=FileNames(str(tmp_path / "x_"), "%d"),
        format=TiffFormat() if tiff else NpyFormat(),
        start=start,
        stop=stop,
        per_file=(per_file,),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ainerd_agent.scattering.frames.image_files.MOST_FRAMES", 2)
        np.testing.assert_array_equal(read(source), movie[start:stop])
    assert source.shape == (stop - start, *frame)


def test_the_files_show_how_many_frames_each_holds(tmp_path):
    movie = np.stack([FRAME + number for number in range(6)])
    for number in range(6):
        tifffile.imwrite(tmp_path / f"single_{number}.tif", movie[number])
    for number in range(2):
        part = movie[3 * number : 3 * number + 3]
        tifffile.imwrite(tmp_path / f"triple_{number}.tif", part, photometric="minisblack")
    for name in ("single", "triple"):
        names = FileNames(str(tmp_path / name), "_%d.tif")
        source = ImageFiles(names=names, format=TiffFormat(), start=3, stop=6, per_file=(3, 1))
        np.testing.assert_array_equal(read(source), movie[3:])


def test_files_of_another_detector_in_the_sequence_are_refused(tmp_path):
    np.save(tmp_path / "x_0.npy", FRAME)
    source = ImageFiles(names=FileNames(str(tmp_path / "x"), "_%d.npy"), format=NpyFormat(), start=0, stop=2)
    for other in (FRAME[1:], FRAME.astype("u4")):
        np.save(tmp_path / "x_1.npy", other)
        with pytest.raises(FrameError, match=r"x_1\.npy holds uint\d+ frames of \(\d+, 50\), the first file uint16"):
            read(source)


def test_what_holds_no_frames_is_said(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((5, 6, 3), "u1"), photometric="rgb")
    tifffile.imwrite(tmp_path / "complex.tif", FRAME.astype("c8"))
    np.save(tmp_path / "line.npy", FRAME[0])
    np.save(tmp_path / "deep.npy", FRAME[None, None])
    np.save(tmp_path / "empty.npy", np.zeros((3, 0, 4)))
    np.save(tmp_path / "words.npy", np.array([["a", "b"]]))
    np.save(tmp_path / "pickled.npy", np.array([[{}, {}]]), allow_pickle=True)
    for name, message in {
        "rgb.tif": r"holds arrays of shape \(5, 6, 3\), which are no frames",
        "complex.tif": "holds complex64, which is no counts",
        "line.npy": r"has the shape \(50,\)",
        "deep.npy": r"has the shape \(1, 1, 70, 50\)",
        "empty.npy": r"holds arrays of shape \(0, 4\), which are no frames",
        "words.npy": "holds <U1, which is no counts",
        "pickled.npy": "holds object, which is no counts",
    }.items():
        with pytest.raises(FrameError, match=message):
            read(one(tmp_path / name))
    (tmp_path / "text.tif").write_text("not TIFF at all" * 20)
    (tmp_path / "text.npy").write_text("nor numpy" * 20)
    (tmp_path / "nothing.tif").touch()
    (tmp_path / "nothing.npy").touch()
    for name in ("text.tif", "text.npy", "nothing.tif", "nothing.npy"):
        with pytest.raises(FrameTimeoutError, match=r"0 of 1 frames are there: .* not a readable") as told:
            read(one(tmp_path / name))
        assert told.value.received == 0


MOVIE = np.stack([FRAME + number for number in range(5)])


@cache
def whole_file(kind, compressed):
    """The bytes of a file of `MOVIE`."""
    file = io.BytesIO()
    if kind == "npy":
        np.save(file, MOVIE)
        return file.getvalue()
    with tifffile.TiffWriter(file) as writer:
        for frame in MOVIE:
            writer.write(frame, contiguous=False, **({"compression": "zlib"} if compressed else {}))
    return file.getvalue()


@few(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 0.999), kind=st.sampled_from(["tif", "npy"]), compressed=st.booleans())
def test_a_file_that_is_cut_anywhere_gives_right_frames_or_none(tmp_path, cut, kind, compressed):
    path, whole = tmp_path / f"x.{kind}", whole_file(kind, compressed)
    path.write_bytes(whole[: int(cut * len(whole))])
    got: list[np.ndarray] = []
    with pytest.raises(FrameTimeoutError) as told:
        got.extend(one(path, 5).blocks())
    assert told.value.received == sum(map(len, got)) < 5
    assert told.value.announced == 5
    for frame, expected in zip((frame for block in got for frame in block), MOVIE, strict=False):
        np.testing.assert_array_equal(frame, expected)


def test_pages_that_unpack_to_more_than_a_frame_are_refused(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, FRAME, compression="zlib", rowsperstrip=70)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        offset, stored = page.tags["StripOffsets"], page.tags["StripByteCounts"]
    bomb = zlib.compress(bytes(40_000_000), 9)
    end = path.stat().st_size
    content = bytearray(path.read_bytes() + bomb)
    for tag, value in ((offset, end), (stored, len(bomb))):
        content[tag.valueoffset : tag.valueoffset + 4] = value.to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(FrameError, match="it unpacks to more than a frame"):
        read(one(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15_000_000


def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", FRAME)
    np.save(tmp_path / "x.npy", FRAME)
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.stack([FRAME] * 4)))
    little = Access(largest_frame=FRAME.nbytes - 1)
    for name in ("x.tif", "x.npy"):
        with pytest.raises(FrameError, match=r"a frame of .* would take 7e\+03 bytes of memory"):
            read(one(tmp_path / name, access=little))
        np.testing.assert_array_equal(read(one(tmp_path / name, access=Access(largest_frame=FRAME.nbytes)))[0], FRAME)
    with pytest.raises(FrameError, match="written column by column"):
        read(one(tmp_path / "columns.npy", access=Access(largest_frame=FRAME.nbytes)))
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<u2", "fortran_order": False, "shape": (70000, 5000000)})
    with pytest.raises(FrameError, match=r"would take 7e\+11 bytes of memory"):
        read(one(tmp_path / "x.npy"))


def test_a_sequence_can_be_shortened_and_ranges_are_checked(tmp_path):
    source = one(tmp_path / "x.npy", 5)
    assert source.first(2) == replace(source, stop=2)
    for options in ({"start": 3, "stop": 2}, {"start": -1, "stop": 2}, {"start": 0, "stop": 2, "per_file": ()}):
        with pytest.raises(ValueError, match="are no range"):
            ImageFiles(names=FileNames("/x"), format=HDF5Format("x"), **options)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory) -> dict[str, bytes]:
    """A movie in files of several kinds."""
    folder, movie = tmp_path_factory.mktemp("whole"), np.stack([FRAME + number for number in range(4)])
    tifffile.imwrite(folder / "x.tif", movie, photometric="minisblack")
    tifffile.imwrite(folder / "z.tif", movie, photometric="minisblack", compression="zlib")
    np.save(folder / "x.npy", movie)
    for name, options in {"a": {}, "b": hdf5plugin.Bitshuffle(cname="lz4"), "c": {"compression": "gzip"}}.items():
        with h5py.File(folder / f"{name}.h5", "w", libver="latest" if name == "b" else None) as file:
            file.create_dataset("x", data=movie, **options, chunks=None if name == "a" else (1, *FRAME.shape))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@few(deadline=None, max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["x.tif", "z.tif", "x.npy", "a.h5", "b.h5", "c.h5"]),
    changes=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=20),
    at_the_beginning=st.booleans(),
)
def test_a_damaged_file_gives_frames_or_one_kind_of_error(tmp_path, whole_files, name, changes, at_the_beginning):
    """The same damage each time: what ends the library itself would end the tests too."""
    content = bytearray(whole_files[name])
    for place, value in changes:
        content[int(place * (min(len(content), 2000) if at_the_beginning else len(content)))] = value
    (tmp_path / name).write_bytes(content)
    kinds = {"tif": TiffFormat(), "npy": NpyFormat(), "h5": HDF5Format("x")}
    file_format = kinds[name.rpartition(".")[2]]
    access = Access(largest_frame=10_000_000)
    source = ImageFiles(names=FileNames(str(tmp_path / name)), format=file_format, start=0, stop=4, access=access)
    try:
        blocks = list(source.blocks())
    except FrameError as error:
        assert str(error)  # noqa: PT017 (either way is right)
    else:
        assert sum(map(len, blocks)) == 4
