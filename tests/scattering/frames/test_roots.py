"""Files that are opened, and those that are not: addresses, links, pipes, and what HDF5 files lead to."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import quote

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FrameSource
from ainerd_agent.scattering.frames.assets import HDF5, Asset, Part, open_frames
from ainerd_agent.scattering.frames.roots import Access, open_regular
from ainerd_agent.settings import FileSettings

FRAMES = np.arange(4 * 6 * 5, dtype="u2").reshape(4, 6, 5)
SECRET = FRAMES + 1000


@pytest.fixture
def inside(tmp_path) -> Path:
    """A folder that files are read from; `outside` beside it has files of the same kinds."""
    for name, frames in (("inside", FRAMES), ("outside", SECRET)):
        folder = tmp_path / name
        folder.mkdir()
        with h5py.File(folder / "x.h5", "w") as file:
            file["x"] = frames
        for number, frame in enumerate(frames):
            tifffile.imwrite(folder / f"x_{number}.tif", frame)
            np.save(folder / f"x_{number}.npy", frame)
    return tmp_path / "inside"


def frames_in(path: Path | str, root: Path | None, **parameters) -> FrameSource:
    uri = path if isinstance(path, str) else f"file://localhost{quote(str(path))}"
    mimetype = parameters.pop("mimetype", HDF5)
    named = Asset(uri=uri, mimetype=mimetype, parameters={"dataset": "x", **parameters})
    part = Part(asset=named, start=0, stop=4, frames_per_row=1, first_frame=0)
    return open_frames([part], FileSettings(roots=() if root is None else (root,)))


def read(source: FrameSource) -> np.ndarray:
    return np.concatenate(list(source.blocks()))


def refused(path: Path | str, root: Path | None, message: str, **parameters) -> None:
    with pytest.raises(FrameError, match=message) as told:
        read(frames_in(path, root, **parameters))
    assert "\n" not in str(told.value)


OUTSIDE = r"outside of the folders that files\.roots allows"


def test_files_below_a_root_are_read_however_they_are_named(inside):
    (inside / "link.h5").symlink_to("x.h5")
    (inside.parent / "also").symlink_to(inside)
    os.link(inside / "x.h5", inside / "50% of #1?.h5")
    names = [
        inside / "x.h5",
        inside / "link.h5",
        inside / ".." / "inside" / "x.h5",
        inside.parent / "also" / "x.h5",
        inside / "50% of #1?.h5",
        f"file:{inside}/x.h5",
        f"file://{inside}/x.h5",
        f"FILE://LOCALHOST{inside}/x.h5",
        f"file://localhost{inside}/%78%2Eh5",
        f"file://localhost{inside}/50% of #1?.h5",  # not escaped, as some programs write it
    ]
    for name in names:
        for root in (None, inside, inside.parent / "also"):
            np.testing.assert_array_equal(read(frames_in(name, root)), FRAMES)


def test_what_leads_out_of_the_roots_is_refused(inside):
    outside = inside.parent / "outside"
    (inside / "link.h5").symlink_to(outside / "x.h5")
    (inside / "folder").symlink_to(outside)
    for name in (
        outside / "x.h5",
        inside / ".." / "outside" / "x.h5",
        f"file://localhost{inside}/%2e%2e/outside/x.h5",
        inside / "link.h5",
        inside / "folder" / "x.h5",
        outside / "nothing.h5",
    ):
        refused(name, inside, OUTSIDE)
    for kind in ("tif", "npy"):
        mimetype = {"tif": "multipart/related;type=image/tiff", "npy": "multipart/related;type=application/x-npy"}[kind]
        sequence = {"mimetype": mimetype, "chunk_shape": (1, 6, 5)}
        np.testing.assert_array_equal(read(frames_in(inside, inside, template=f"/x_%d.{kind}", **sequence)), FRAMES)
        refused(inside, inside, OUTSIDE, template=f"/../outside/x_%d.{kind}", **sequence)
        refused(inside, inside, OUTSIDE, template=f"/%s_%d.{kind}", filename="../outside/x", **sequence)
        (inside / f"x_3.{kind}").unlink()
        (inside / f"x_3.{kind}").symlink_to(outside / f"x_3.{kind}")
        refused(inside, inside, OUTSIDE, template=f"/x_%d.{kind}", **sequence)
        refused(inside / f"x_3.{kind}", inside, OUTSIDE, mimetype=mimetype.partition("type=")[2])


def test_addresses_of_other_machines_and_kinds_are_refused(inside):
    for name, message in {
        f"file://detector{inside}/x.h5": r"machine 'detector': name it in files\.hosts",
        f"http://localhost{inside}/x.h5": "no file:// address",
        f"{inside}/x.h5": "no file:// address",
        "file:x.h5": "no file:// address",
        "file://localhost": "no file:// address",
        "file://x.h5": "no file:// address",
        "file://localhost/C:/data/x.h5": "drive letter",
        "file://localhost/data\\x.h5": "drive letter, a backslash",
        "file://localhost/data%5Cx.h5": "drive letter, a backslash",
        "file://localhost/data%00.h5": "zero byte",
        "": "no file:// address",
        f"file://localhost/{'x' * 5000}": "cannot be read",
    }.items():
        refused(name, None, message)
    named = Access(hosts=("Detector",)).path_of(f"file://DETECTOR{inside}/x.h5")
    assert named == inside / "x.h5"


def test_a_root_that_is_relative_is_refused():
    with pytest.raises(ValidationError, match="data is no absolute path"):
        FileSettings(roots=("data",))
    assert FileSettings(roots=("/data", "/more")).roots == (Path("/data"), Path("/more"))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("root", [True, False])
def test_pipes_devices_and_sockets_are_refused_and_nothing_waits_for_them(inside, root, monkeypatch):
    allowed = inside if root else None
    os.mkfifo(inside / "pipe")
    (inside / "to_pipe").symlink_to("pipe")
    monkeypatch.chdir(inside)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        tiff, npy = {"mimetype": "image/tiff"}, {"mimetype": "application/x-npy"}
        for parameters in ({}, tiff, npy):
            refused(inside / "pipe", allowed, "pipe is a pipe, not a regular file", **parameters)
            refused(inside / "to_pipe", allowed, "to_pipe is a pipe, not a regular file", **parameters)
            refused(inside / "socket", allowed, "is a socket, not a regular file", **parameters)
            refused(inside, allowed, "cannot be read: Is a directory", **parameters)
            if not root:
                refused(Path("/dev/zero"), None, "is a device, not a regular file", **parameters)
    with pytest.raises(OSError, match="no regular file"):
        open_regular(inside / "pipe")  # also where it takes the place of a file between the look and the opening


def test_a_file_that_was_swapped_while_it_was_opened_is_refused(inside):
    secret = inside.parent / "outside" / "x.h5"
    link = inside / "swapped.h5"
    link.symlink_to(secret)
    with open_regular(link) as file:
        with pytest.raises(FrameError, match="lies outside of the folders"):
            Access(roots=(inside,)).check_opened(link, file.fileno())
        link.unlink()
        for put_back in (lambda: None, lambda: link.symlink_to(inside / "x.h5")):
            put_back()
            with pytest.raises(FrameError, match="was replaced while it was opened"):
                Access(roots=(inside,)).check_opened(link, file.fileno())
    for path in (link, inside / "x.h5"):
        with open_regular(path) as file:
            Access(roots=(inside,)).check_opened(path, file.fileno())


@pytest.mark.timeout(30)
def test_hdf5_files_are_checked_again_when_they_are_open(inside, monkeypatch):
    """As by a link that is swapped between the look and the opening."""
    link = inside / "swapped.h5"
    link.symlink_to(inside / "x.h5")
    opened = h5py.File

    def swapping(path, *args, **options):
        link.unlink()
        link.symlink_to(inside.parent / "outside" / "x.h5")
        return opened(path, *args, **options)

    monkeypatch.setattr(h5py, "File", swapping)
    refused(link, inside, OUTSIDE)


def external_link(folder: Path, target: Path | str) -> None:
    with h5py.File(folder / "a.h5", "w") as file:
        file["x"] = h5py.ExternalLink(str(target), "x")


def link_of_a_group(folder: Path, target: Path | str) -> None:
    """As in an Eiger's master file."""
    with h5py.File(folder / "a.h5", "w") as file:
        file["x/data_000001"] = h5py.ExternalLink(str(target), "x")


def virtual(folder: Path, target: Path | str) -> None:
    layout = h5py.VirtualLayout(FRAMES.shape, "u2")
    layout[...] = h5py.VirtualSource(str(target), "x", FRAMES.shape)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("x", layout)


def virtual_halves(folder: Path, target: Path | str) -> None:
    """Frames are put together, which the library does."""
    layout = h5py.VirtualLayout(FRAMES.shape, "u2")
    source = h5py.VirtualSource(str(target), "x", FRAMES.shape)
    layout[:, :3], layout[:, 3:] = source[:, :3], source[:, 3:]
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("x", layout)


def virtual_of_virtual(folder: Path, target: Path | str) -> None:
    virtual_halves(folder, target)
    (folder / "a.h5").rename(folder / "b.h5")
    virtual(folder, "b.h5")


def virtual_of_link(folder: Path, target: Path | str) -> None:
    external_link(folder, target)
    (folder / "a.h5").rename(folder / "b.h5")
    virtual(folder, folder / "b.h5")


def virtual_numbered(folder: Path, target: Path | str) -> None:
    """Sources whose names the library counts."""
    target = Path(target)
    numbered = target.with_name(target.stem + "0.h5")
    if not numbered.exists() and target.is_absolute():
        os.link(target, numbered) if target.is_file() else os.mkfifo(numbered)
    elif not numbered.exists():
        os.link(folder / target, folder / numbered)
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    with h5py.File(folder / "a.h5", "w", libver="latest") as file:
        space = h5py.h5s.create_simple(FRAMES.shape, (h5py.h5s.UNLIMITED, 6, 5))
        everything = h5py.h5s.create_simple(FRAMES.shape)
        space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (4, 6, 5), (4, 6, 5))
        layout.set_virtual(space, str(numbered).replace("0.h5", "%b.h5").encode(), b"x", everything)
        h5py.h5d.create(file.id, b"x", h5py.h5t.STD_U16LE, space, layout)


REFERENCES = [external_link, link_of_a_group, virtual, virtual_halves, virtual_of_virtual, virtual_of_link]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [*REFERENCES, virtual_numbered])
def test_what_an_hdf5_file_leads_to_is_confined_as_well(inside, make):
    make(inside, "x.h5")
    np.testing.assert_array_equal(read(frames_in(inside / "a.h5", inside)), FRAMES)
    outside = inside.parent / "outside"
    make(inside, outside / "x.h5")
    np.testing.assert_array_equal(read(frames_in(inside / "a.h5", None)), SECRET)
    refused(inside / "a.h5", inside, OUTSIDE)
    if make is not virtual_numbered:
        (inside / "hidden.h5").symlink_to(outside / "x.h5")
        make(inside, "hidden.h5")
        refused(inside / "a.h5", inside, OUTSIDE)
    os.mkfifo(inside / "pipe.h5")
    make(inside, inside / "pipe.h5")
    refused(inside / "a.h5", inside, "a pipe, not a regular file")


@pytest.mark.timeout(30)
def test_raw_storage_of_hdf5_files_is_confined_as_well(inside):
    outside = inside.parent / "outside"
    for folder, frames in ((inside, FRAMES), (outside, SECRET)):
        (folder / "x.raw").write_bytes(frames.tobytes())
    os.mkfifo(inside / "pipe")

    def raw(target: Path) -> Path:
        with h5py.File(inside / "a.h5", "w") as file:
            file.create_dataset("x", FRAMES.shape, "u2", external=[(str(target), 0, FRAMES.nbytes)])
        return inside / "a.h5"

    np.testing.assert_array_equal(read(frames_in(raw(inside / "x.raw"), inside)), FRAMES)
    refused(raw(outside / "x.raw"), inside, OUTSIDE)
    refused(raw(inside / "pipe"), inside, "a pipe, not a regular file")
    refused(raw(inside / "nothing.raw"), inside, "nothing.raw, which is not there or truncated")
    virtual(inside, raw(outside / "x.raw").rename(inside / "b.h5"))
    refused(inside / "a.h5", inside, OUTSIDE)


@given(st.text())
def test_any_address_is_a_path_or_refused(text):
    for uri in (text, f"file://localhost/{text}", f"file:{text}"):
        try:
            path = Access().path_of(uri)
        except FrameError:
            continue
        assert path.is_absolute()


def test_an_address_that_may_mean_two_files_is_refused(tmp_path):
    (tmp_path / "a b").write_bytes(b"")
    (tmp_path / "a%20b").write_bytes(b"")
    with pytest.raises(FrameError, match="and both exist"):
        Access().path_of(f"file://localhost{tmp_path}/a%20b")
