"""Frames as documents name them, from files of each kind, compared with what the library of the format reads."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import h5py
import hdf5plugin
import numpy as np
import pytest
import tifffile
from bluesky_tiled_plugins.writing.tiled_writer import RunNormalizer
from event_model import compose_run
from hypothesis import HealthCheck, given
from hypothesis import settings as few
from hypothesis import strategies as st

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.scattering import Following, HDF5Frames
from ainerd_agent.scattering.frames.assets import HDF5, Asset, Part, numbered_rows, open_frames
from ainerd_agent.scattering.frames.joined import JoinedFrames, first_frames, times_of
from ainerd_agent.settings import FileSettings

TIFFS = "multipart/related;type=image/tiff"
NPYS = "multipart/related;type=application/x-npy"
FILES = FileSettings()


def counts(*shape: int, kind: str = "u2", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(3, size=shape).astype(kind)


def uri(path: Path) -> str:
    return f"file://localhost{quote(str(path))}"


def asset(path: Path, mimetype: str = HDF5, **parameters) -> Asset:
    return Asset(uri=uri(path), mimetype=mimetype, parameters=parameters)


def rows(named: Asset, start: int, stop: int, frames: int = 1, first: int | None = None) -> Part:
    first = start * frames if first is None else first
    return Part(asset=named, start=start, stop=stop, frames_per_row=frames, first_frame=first)


def read(*parts: Part, files: FileSettings = FILES) -> np.ndarray:
    source = open_frames(parts, files)
    blocks = list(source.blocks())
    whole = np.concatenate([getattr(block, "frames", block) for block in blocks])
    assert source.shape == whole.shape
    return whole


LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": True},
    "gzip-shuffle": {"chunks": True, "compression": "gzip", "shuffle": True},
    "bitshuffle-lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle-zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "zstd": hdf5plugin.Zstd(),
    "lz4": hdf5plugin.LZ4(),
}


@few(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.integers(1, 5),
    per_row=st.integers(1, 4),
    frame=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kind=st.sampled_from(["u1", "<u2", ">u4", "<f4", "<i8"]),
    layout=st.sampled_from(sorted(LAYOUTS)),
    stacked=st.booleans(),
    data=st.data(),
)
def test_rows_are_the_same_frames_from_a_stack_of_movies_as_one_after_the_other(
    tmp_path, events, per_row, frame, kind, layout, stacked, data
):
    movies = counts(events, per_row, *frame, kind=kind)
    stored = movies if stacked else movies.reshape(-1, *frame)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=stored, **LAYOUTS[layout])
    start = data.draw(st.integers(0, events - 1))
    stop = data.draw(st.integers(start + 1, events))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ainerd_agent.scattering.frames.hdf5_chunks.SMALL", 1)
        patch.setattr("ainerd_agent.scattering.frames.hdf5_frames.MOST_FRAMES", 3)
        got = read(rows(asset(tmp_path / "x.h5", dataset="x"), start, stop, per_row))
    np.testing.assert_array_equal(got, movies[start:stop].reshape(-1, *frame))


def test_a_compact_dataset_and_one_in_raw_files_are_read(tmp_path, monkeypatch):
    frames = counts(4, 6, 5)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(frames.shape)
        compact = h5py.Dataset(h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_U16LE, space, layout))
        compact[...] = frames
        raw = file.create_dataset("raw", frames.shape, "u2", external=[(str(tmp_path / "x.raw"), 16, frames.nbytes)])
        raw[...] = frames
    for name in ("compact", "raw"):
        np.testing.assert_array_equal(read(rows(asset(tmp_path / "x.h5", dataset=name), 1, 4)), frames[1:])
    (tmp_path / "x.raw").write_bytes((tmp_path / "x.raw").read_bytes()[:-1])
    with pytest.raises(FrameError, match=r"has its frames in .*x\.raw, which is not there or truncated"):
        read(rows(asset(tmp_path / "x.h5", dataset="raw"), 0, 4))


def test_rows_of_different_length_are_counted_by_their_first_frame(tmp_path):
    frames = counts(12, 6, 5)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["flat"] = frames
        file["movies"] = frames.reshape(3, 4, 6, 5)
    flat = asset(tmp_path / "x.h5", dataset="flat")
    np.testing.assert_array_equal(read(rows(flat, 1, 2, 5, first=3)), frames[3:8])
    movies = asset(tmp_path / "x.h5", dataset="movies")
    np.testing.assert_array_equal(read(rows(movies, 2, 3, 4, first=5)), frames[8:])


def test_one_frame_in_a_file_is_a_row(tmp_path):
    frame = counts(6, 5, kind=">u4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = frame
    got = read(rows(asset(tmp_path / "x.h5", dataset="x"), 0, 1))
    np.testing.assert_array_equal(got, frame[np.newaxis])
    assert got.dtype.isnative


def test_what_the_file_contradicts_is_said(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["movies"], file["one"], file["five"] = counts(3, 4, 6, 5), counts(6, 5), counts(1, 1, 1, 2, 2)
    movies = asset(tmp_path / "x.h5", dataset="movies")
    cases = {
        "holds 4 frames an event, the documents announce 3": rows(movies, 0, 1, 3),
        r"stack of movies, .* joined one after the other \(join_method concat\)": rows(
            asset(tmp_path / "x.h5", dataset="movies", join_method="concat"), 0, 1, 4
        ),
        r"has the shape \(6, 5\)": rows(asset(tmp_path / "x.h5", dataset="one"), 0, 1, 2),
        r"has the shape \(1, 1, 1, 2, 2\)": rows(asset(tmp_path / "x.h5", dataset="five"), 0, 1),
    }
    for message, part in cases.items():
        source = open_frames([part], FILES)
        with pytest.raises(FrameError, match=message):
            list(source.blocks())


def test_what_the_documents_alone_show_is_said_at_once(tmp_path):
    plain = {"dataset": "x"}
    path = tmp_path / "x.h5"
    cases = {
        "kind text/csv are not read: known kinds are application/x-hdf5": asset(path, "text/csv"),
        r"kind application/octet-stream \(spec AD_CBF\) are not read": asset(
            path, "application/octet-stream", spec="AD_CBF"
        ),
        "do not name the dataset": asset(path),
        r"do not name the dataset .* \(spec MERLIN_HDF5_BULK\)": asset(path, spec="MERLIN_HDF5_BULK", dataset=""),
        "name a slice of x": asset(path, slice="(:, 0)", **plain),
        "contradict one another: 1 frames an event by the data key, 7 by": asset(path, multiplier=7, **plain),
        "is neither": asset(path, join_method="sum", **plain),
        "is no template": asset(path, TIFFS, template="{0.__class__}"),
        "no file:// address": Asset(uri="http://here/x.h5", mimetype=HDF5, parameters=plain),
        "single frames of the Eiger's file": asset(path, spec="AD_EIGER", seq_id=1, frame_num=3),
        r"do not tell the number \(seq_id\) of the file of row 0": asset(path, spec="AD_EIGER"),
    }
    for message, named in cases.items():
        with pytest.raises(FrameError, match=message):
            open_frames([rows(named, 0, 1)], FILES)
    for start, stop, first in ((3, 3, 0), (-1, 2, 0), (0, 1, -1)):
        with pytest.raises(FrameError, match="name no frames"):
            open_frames([rows(asset(path, **plain), start, stop, first=first)], FILES)
    with pytest.raises(FrameError, match="without any part"):
        open_frames([], FILES)
    for kind in (TIFFS, NPYS):
        with pytest.raises(FrameError, match=r"timestamps under \[files\] stand in one HDF5 file"):
            open_frames([rows(asset(path, kind, template="%d"), 0, 1)], FileSettings(timestamps="t"))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
NAMES = (
    "dataset",
    "path",
    "template",
    "filename",
    "spec",
    "chunk_shape",
    "multiplier",
    "join_method",
    "files_per_datum",
)


@given(
    named=st.sampled_from(["", "file://localhost/nowhere/x.h5", "file:///nowhere/"]) | ANYTHING,
    mimetype=st.sampled_from([HDF5, TIFFS, NPYS, "image/tiff", "application/octet-stream"]) | ANYTHING,
    parameters=st.dictionaries(
        st.sampled_from([*NAMES, "seq_id", "index", "rows", "slice"]),
        ANYTHING
        | st.sampled_from(["AD_EIGER", "NPY_SEQ", "AD_TIFF", "%d", "concat", [1, 6, 5], [0, 6, 5], ["a", 1, 2]]),
    ),
)
def test_whatever_documents_say_is_a_source_or_refused(named, mimetype, parameters):
    part = rows(Asset(uri=named, mimetype=mimetype, parameters=parameters), 0, 2, 3)
    with pytest.raises(FrameError):
        list(open_frames([part], FILES).blocks())


def test_a_movie_goes_on_in_the_next_file(tmp_path):
    frames = counts(10, 6, 5)
    times = np.arange(10) * 0.5 + 100
    for name, part in (("a", slice(0, 4)), ("b", slice(4, 10))):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["x"], file["t"] = frames[part], times[part]
    a, b = (asset(tmp_path / f"{name}.h5", dataset="x") for name in "ab")
    files = FileSettings(timestamps="t")
    source = open_frames([rows(a, 1, 4), rows(b, 0, 5)], files)
    blocks = list(source.blocks())
    np.testing.assert_array_equal(np.concatenate([block.numbers for block in blocks]), np.arange(8))
    np.testing.assert_array_equal(np.concatenate([block.frames for block in blocks]), frames[1:9])
    assert source.shape == (8, 6, 5)
    assert times_of(source) == (times[1], times[8])
    with pytest.raises(FrameError, match=r"part 2 of the movie begins at the time 100\.0, .* out of order"):
        read(rows(b, 0, 2), rows(a, 0, 2), files=files)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = counts(6, 6, 5, kind="u4")
        file["y"] = counts(6, 6, 4)
    with pytest.raises(FrameError, match="part 2 of the movie holds uint32, the parts before it uint16"):
        read(rows(a, 0, 4), rows(b, 0, 2))
    with pytest.raises(FrameError, match="part 2 of the movie has frames of 6 x 4 pixels, the first part of 6 x 5"):
        read(rows(a, 0, 4), rows(asset(tmp_path / "b.h5", dataset="y"), 0, 2))


def test_rows_that_follow_one_another_are_one_stretch_of_a_file(tmp_path):
    frames = counts(300, 6, 5)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = frames
    named = asset(tmp_path / "x.h5", dataset="x")
    parts = [rows(named, number, number + 1) for number in range(10, 290)]
    source = open_frames(parts, FILES)
    assert isinstance(source, HDF5Frames)
    assert (source.start, source.stop) == (10, 290)
    np.testing.assert_array_equal(read(*parts), frames[10:290])
    del parts[100]
    assert isinstance(open_frames(parts, FILES), JoinedFrames)
    np.testing.assert_array_equal(read(*parts), np.delete(frames[10:290], 100, axis=0))


@pytest.mark.parametrize("per_file", [1, 3])
@pytest.mark.parametrize("kind", ["tiff", "npy", "hdf5"])
def test_an_exposure_that_was_cut_short_gives_what_there_is(tmp_path, kind, per_file):
    frames = counts(6, 7, 5)
    written = frames[:4] if per_file == 1 else frames[:5]
    template = {"template": "x_%03d", "chunk_shape": (per_file, 7, 5), "dataset": "x"}
    for number, first in enumerate(range(0, len(written), per_file)):
        part, path = written[first : first + per_file], tmp_path / f"x_{number:03d}"
        if kind == "tiff":
            tifffile.imwrite(path, part, photometric="minisblack")
        elif kind == "npy":
            with path.open("wb") as file:
                np.save(file, part)
        else:
            with h5py.File(path, "w") as file:
                file["x"] = part
    mimetype = {"tiff": TIFFS, "npy": NPYS, "hdf5": HDF5}[kind]
    named = Asset(uri=uri(tmp_path) + "/", mimetype=mimetype, parameters=template)
    source = open_frames([rows(named, 0, 1, 6)], FILES)
    got = []
    with pytest.raises(FrameTimeoutError, match=f"{len(written)} of 6 frames are there") as told:
        got.extend(source.blocks())
    assert (told.value.received, told.value.announced) == (len(written), 6)
    rest = first_frames(source, told.value.received)
    assert rest.shape == (len(written), 7, 5)
    np.testing.assert_array_equal(np.concatenate(list(rest.blocks())), written)


def test_a_stack_that_was_cut_short_gives_what_there_is(tmp_path):
    frames = counts(30, 6, 5)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = frames[:20]
    named = asset(tmp_path / "x.h5", dataset="x")
    whole = open_frames([rows(named, 0, 1, 10), rows(named, 1, 3, 10)], FILES)
    joined = open_frames([rows(named, 1, 2, 10), rows(named, 0, 2, 15, first=0)], FILES)
    for source, received in ((whole, 20), (joined, 30)):
        got: list[np.ndarray] = []
        with pytest.raises(FrameTimeoutError, match="holds 20 frames where 30 were announced") as told:
            got.extend(source.blocks())
        assert told.value.received == received == sum(map(len, got))
        shorter = first_frames(source, received)
        np.testing.assert_array_equal(np.concatenate(list(shorter.blocks())), np.concatenate(got))


def test_times_are_read_without_frames(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (10, 6, 5), "u2", chunks=(1, 6, 5))  # no frame was ever written
        file["t"], file["n"] = np.arange(10) + 0.25, np.array([0, 1, 2, 4, 5, 6, 7, 8, 9, 10])
    named = asset(tmp_path / "x.h5", dataset="x")

    def times(start: int, stop: int, **files) -> tuple[float, float] | None:
        return times_of(open_frames([rows(named, start, stop)], FileSettings(**files)))

    assert times(2, 6) is None
    assert times(2, 6, timestamps="t") == (2.25, 5.25)
    assert times(2, 6, timestamps="t", frame_numbers="n") == (2.25, 4.25)  # one was dropped between
    assert times(8, 20, timestamps="t") == (8.25, 9.25)
    with pytest.raises(FrameError, match="has no dataset nowhere"):
        times(0, 3, timestamps="nowhere")
    assert times_of(open_frames([rows(asset(tmp_path, TIFFS, template="%d"), 0, 1)], FILES)) is None


def test_tiff_files_of_a_sequence_are_read_as_tifffile_reads_them(tmp_path):
    frames = counts(6, 70, 50, kind=">u4")
    for number, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"run_{number:06d}.tiff", frame, compression=("zlib", None)[number % 2])
    expected = np.stack([tifffile.imread(tmp_path / f"run_{number:06d}.tiff") for number in range(6)])
    parameters = {"template": "/run_{:06d}.tiff", "chunk_shape": (1, 70, 50)}
    for end, template in (("", parameters["template"]), ("/", parameters["template"]), ("/", "run_%06d.tiff")):
        given = {**parameters, "template": template}
        named = Asset(uri=uri(tmp_path) + end, mimetype=TIFFS, parameters=given)
        np.testing.assert_array_equal(read(rows(named, 1, 2, 3)), expected[3:])
    prefix = asset(tmp_path / "run", TIFFS, template="_{:06d}.tiff")
    np.testing.assert_array_equal(read(rows(prefix, 2, 5)), expected[2:5])
    np.testing.assert_array_equal(read(rows(prefix, 0, 1, 6)), expected)  # the files show that each has one frame


@pytest.mark.parametrize("mimetype", [TIFFS, "image/tiff", "multipart/related; type=image/tiff"])
def test_pages_of_tiff_files_are_frames(tmp_path, mimetype):
    frames = counts(12, 7, 5)
    tifffile.imwrite(tmp_path / "all.tif", frames, photometric="minisblack")
    for number in range(3):
        part = frames[4 * number : 4 * number + 4]
        tifffile.imwrite(tmp_path / f"some_{number}.tif", part, photometric="minisblack")
    np.testing.assert_array_equal(read(rows(asset(tmp_path / "all.tif", mimetype), 1, 3, 4)), frames[4:])
    some = asset(tmp_path / "some_", mimetype, template="{}.tif")
    np.testing.assert_array_equal(read(rows(some, 1, 3, 4)), frames[4:])
    with pytest.raises(FrameError, match=r"some_0\.tif holds 4 frames where the documents announce 1 for each"):
        read(rows(some, 0, 1))


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numpy_are_frames(tmp_path, order):
    frames = counts(12, 7, 5, kind=">f4")
    np.save(tmp_path / "all.npy", np.asarray(frames, order=order))
    for number in range(3):
        np.save(tmp_path / f"some_{number}.npy", np.asarray(frames[number], order=order))
    single = asset(tmp_path / "all.npy", "application/x-npy")
    np.testing.assert_array_equal(read(rows(single, 1, 3, 4)), frames[4:])
    some = asset(tmp_path / "some", NPYS, template="_%d.npy")
    np.testing.assert_array_equal(read(rows(some, 1, 3)), frames[1:3])


def eiger(folder: Path, number: int, frames: np.ndarray, *, group: str = "entry/data", per_file: int = 4) -> None:
    """A master file with links to data files, as Eiger writes them."""
    with h5py.File(folder / f"run_{number}_master.h5", "w") as master:
        links = master.create_group(group)
        for at, first in enumerate(range(0, len(frames), per_file), start=1):
            name = f"run_{number}_data_{at:06d}.h5"
            with h5py.File(folder / name, "w") as file:
                part = frames[first : first + per_file]
                chunks = (1, *frames.shape[1:])
                file.create_dataset("entry/data/data", data=part, chunks=chunks, **hdf5plugin.Bitshuffle(cname="lz4"))
            links[f"data_{at:06d}"] = h5py.ExternalLink(name, "/entry/data/data")


class Documents:
    """Documents of a run, brought up to date."""

    def __init__(self, spec: str, path: str, **resource_kwargs) -> None:
        self._run = compose_run()
        key = {"source": "PV", "dtype": "array", "shape": [1, 1, 1], "external": "FILESTORE:"}
        self._descriptor = self._run.compose_descriptor(name="primary", data_keys={"det": key})
        self._resource = self._run.compose_resource(
            spec=spec, root="/", resource_path=path.lstrip("/"), resource_kwargs=resource_kwargs
        )
        self._datums: list[dict] = []

    def datum(self, **datum_kwargs) -> Documents:
        self._datums.append(datum_kwargs)
        return self

    def parts(self, frames_per_row: int, *, patched: bool = True) -> list[Part]:
        """What a callback makes of them."""
        found: dict[str, Asset] = {}
        parts: list[Part] = []

        def collect(name: str, doc: dict) -> None:
            if name == "stream_resource":
                found[doc["uid"]] = Asset(uri=doc["uri"], mimetype=doc["mimetype"], parameters=doc["parameters"])
            elif name == "stream_datum":
                start, stop = doc["indices"]["start"], doc["indices"]["stop"]
                parts.append(rows(found[doc["stream_resource"]], start, stop, frames_per_row))

        def patch(doc: dict) -> dict:
            return {**doc, "datum_kwargs": numbered_rows(doc["datum_kwargs"])}

        normalizer = RunNormalizer(patches={"datum": patch} if patched else None)
        normalizer.dispatcher.subscribe(collect)
        normalizer("start", self._run.start_doc)
        normalizer("descriptor", self._descriptor.descriptor_doc)
        normalizer("resource", self._resource.resource_doc)
        for datum_kwargs in self._datums:
            datum = self._resource.compose_datum(datum_kwargs=datum_kwargs)
            normalizer("datum", datum)
            event = self._descriptor.compose_event(
                data={"det": datum["datum_id"]}, timestamps={"det": 0.0}, filled={"det": False}
            )
            normalizer("event", event)
        return parts


def test_classic_documents_of_area_detectors_lead_to_their_hdf5_files(tmp_path):
    frames = counts(12, 7, 5)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["/entry/data/data"] = frames
        file["/entry/instrument/detector/data"] = frames[::-1]
    for spec, expected in (("AD_HDF5", frames), ("AD_HDF5_SWMR", frames), ("AD_HDF5_SWMR_STREAM", frames)):
        documents = Documents(spec, str(tmp_path / "x.h5"), frame_per_point=4)
        parts = documents.datum(point_number=0).datum(point_number=1).datum(point_number=2).parts(4)
        assert len(parts) == 3
        np.testing.assert_array_equal(read(parts[1]), expected[4:8])
        np.testing.assert_array_equal(read(*parts), expected)
    for spec in ("XSP3", "TPX_HDF5"):
        parts = Documents(spec, str(tmp_path / "x.h5")).datum(frame=0).datum(frame=1).parts(1)
        np.testing.assert_array_equal(read(*parts), frames[::-1][:2])
    with pytest.raises(FrameError, match="contradict one another: 3 frames an event by the data key, 4 by"):
        open_frames(Documents("AD_HDF5", "/x.h5", frame_per_point=4).datum(point_number=0).parts(3), FILES)


@pytest.mark.parametrize("slash", ["", "/"])
def test_classic_documents_lead_to_a_file_for_each_frame(tmp_path, slash):
    frames = counts(6, 7, 5)
    for number, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"run_{number:06d}.tiff", frame)
        with h5py.File(tmp_path / f"run_{number:06d}.h5", "w") as file:
            file["/entry/data/data"] = frame[np.newaxis] if number % 2 else frame
    for spec, end in (("AD_TIFF", "tiff"), ("AD_HDF5_SINGLE", "h5")):
        kwargs = {"template": f"%s%s_%6.6d.{end}", "filename": "run", "frame_per_point": 3}
        documents = Documents(spec, f"{tmp_path}{slash}", **kwargs)
        parts = documents.datum(point_number=0).datum(point_number=1).parts(3)
        np.testing.assert_array_equal(read(parts[1]), frames[3:])
        np.testing.assert_array_equal(read(*parts), frames)


@pytest.mark.parametrize("spec", ["AD_EIGER", "AD_EIGER2", "EIGER"])
@pytest.mark.parametrize("group", ["entry/data", "entry"])
def test_classic_documents_lead_to_the_master_file_of_each_event(tmp_path, spec, group):
    movies = counts(3, 10, 70, 60, kind="u4")
    for number, movie in enumerate(movies, start=5):
        eiger(tmp_path, number, movie, group=group)

    def parts_of_a_run(*, patched: bool) -> list[Part]:
        documents = Documents(spec, str(tmp_path / "run"), images_per_file=4)
        return documents.datum(seq_id=5).datum(seq_id=7).datum(seq_id=6).parts(10, patched=patched)

    parts = parts_of_a_run(patched=True)
    for part, movie in zip(parts, movies[[0, 2, 1]], strict=True):
        np.testing.assert_array_equal(read(part), movie)
    np.testing.assert_array_equal(read(parts[0], parts[2]), np.concatenate(movies[:2]))
    eiger(tmp_path, 6, np.concatenate([movies[1], movies[1]]), group=group)
    with pytest.raises(FrameError, match="holds 20 frames where the documents announce 10"):
        read(parts[2])
    # Without rows that are the numbers of the files, only the first one is known.
    unpatched = parts_of_a_run(patched=False)
    np.testing.assert_array_equal(read(unpatched[0]), movies[0])
    with pytest.raises(FrameError, match=r"do not tell the number \(seq_id\) of the file of row 1"):
        open_frames(unpatched[1:2], FILES)


def test_classic_documents_lead_to_the_arrays_of_simulated_devices(tmp_path):
    movies = counts(3, 4, 7, 5, kind="f8")
    for number, movie in enumerate(movies):
        np.save(tmp_path / f"abc_{number}.npy", movie)
    documents = Documents("NPY_SEQ", str(tmp_path / "abc")).datum(index=0).datum(index=2).datum(index=1)
    for part, movie in zip(documents.parts(4), movies[[0, 2, 1]], strict=True):
        np.testing.assert_array_equal(read(part), movie)


def test_files_that_are_not_there_yet_are_waited_for(tmp_path):
    frames = counts(4, 7, 5)
    ended = []
    following = Following(timeout=20.0, poll=0.001, ended=lambda: bool(ended))
    named = asset(tmp_path / "x", TIFFS, template="_{}.tif", chunk_shape=(1, 7, 5))
    source = open_frames([rows(named, 0, 5)], FILES, following=following)
    tifffile.imwrite(tmp_path / "x_0.tif", frames[0])
    blocks = source.blocks()
    got = [next(blocks)]
    whole = tmp_path / "whole"
    for number in range(1, 4):
        tifffile.imwrite(whole, frames[number])
        (tmp_path / f"x_{number}.tif").write_bytes(whole.read_bytes()[:-20])  # half written
        whole.rename(tmp_path / f"x_{number}.tif")
        got.append(next(blocks))
    np.testing.assert_array_equal(np.concatenate(got), frames)
    ended.append(True)
    with pytest.raises(FrameTimeoutError, match=r"4 of 5 frames are there: .*x_4\.tif is not there"):
        next(blocks)
    following.cancel()
    with pytest.raises(FrameError, match="cancelled"):
        next(open_frames([rows(named, 4, 5)], FILES, following=following).blocks())


def test_a_dataset_that_does_not_exist_yet_is_waited_for(tmp_path):
    frames = counts(6, 7, 5)
    named = asset(tmp_path / "x.h5", dataset="x")
    attempts = []

    def appear() -> bool:
        if not attempts:
            with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
                file["x"] = frames.reshape(2, 3, 7, 5)
        attempts.append(1)
        return False

    class Appearing(Following):
        def pause(self) -> None:
            appear()

    source = open_frames([rows(named, 1, 2, 3)], FILES, following=Appearing(timeout=20.0))
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), frames[3:])
    assert attempts


def test_stream_resources_of_the_first_generation_lead_to_their_files(tmp_path):
    """With a spec, a root and a path in place of a mimetype and an address."""
    frames = counts(8, 7, 5)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["/entry/data/data"] = frames
    start = compose_run().start_doc
    found: list[Asset] = []

    def collect(name: str, doc: dict) -> None:
        if name == "stream_resource":
            found.append(Asset(uri=doc["uri"], mimetype=doc["mimetype"], parameters=doc["parameters"]))

    normalizer = RunNormalizer()
    normalizer.dispatcher.subscribe(collect)
    normalizer("start", start)
    normalizer(
        "stream_resource",
        {
            "uid": "one",
            "run_start": start["uid"],
            "data_key": "det",
            "spec": "AD_HDF5_SWMR_SLICE",
            "root": str(tmp_path),
            "resource_path": "x.h5",
            "resource_kwargs": {"path": "/entry/data/data", "multiplier": 4, "swmr": True, "timestamps": "/t"},
        },
    )
    np.testing.assert_array_equal(read(rows(found[0], 1, 2, 4)), frames[4:])
