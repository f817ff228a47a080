"""Chunks that unpack to far more than a frame: refused before the memory is taken."""

from __future__ import annotations

import bz2
import tracemalloc
import zlib

import h5py
import hdf5plugin
import numpy as np
import pytest

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering import HDF5Frames
from ainerd_agent.scattering.frames.chunk_sizes import BLOSC, BZIP2, DEFLATE, LZ4, SHUFFLE, ZSTD, unpacks_to
from ainerd_agent.scattering.frames.roots import Access

FRAME = (128, 128)
BOMB = 60_000_000
LITTLE = Access(largest_frame=1_000_000)


def bomb(kind: str) -> bytes:
    """A chunk that says, or does, more than a frame."""
    zeros = bytes(BOMB)
    if kind in ("gzip", "gzip-shuffle", "gzip-fletcher"):
        return zlib.compress(zeros, 1)
    if kind == "bzip2":
        return bz2.compress(zeros, 1)
    if kind == "zstd":
        return b"\x28\xb5\x2f\xfd\xe0" + BOMB.to_bytes(8, "little") + bytes(3)
    if kind == "blosc":
        return bytes([2, 1, 0, 2]) + BOMB.to_bytes(4, "little") + (1 << 20).to_bytes(4, "little") + bytes(60)
    return BOMB.to_bytes(8, "big") + (1 << 14).to_bytes(4, "big") + bytes(60)


LAYOUTS = {
    "gzip": {"compression": "gzip"},
    "gzip-shuffle": {"compression": "gzip", "shuffle": True},
    "gzip-fletcher": {"compression": "gzip", "fletcher32": True},
    "bzip2": hdf5plugin.BZip2(),
    "zstd": hdf5plugin.Zstd(),
    "blosc": hdf5plugin.Blosc(),
    "lz4": hdf5plugin.LZ4(),
    "bitshuffle-lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle-zstd": hdf5plugin.Bitshuffle(cname="zstd"),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_chunk_that_unpacks_to_more_than_a_frame_is_refused_before_it_is_unpacked(tmp_path, kind):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=np.ones((3, *FRAME), "u2"), chunks=(1, *FRAME), **LAYOUTS[kind])
        data.id.write_direct_chunk((1, 0, 0), bomb(kind))
    source = HDF5Frames(tmp_path / "x.h5", "x", access=LITTLE)
    list(HDF5Frames(tmp_path / "x.h5", "x", stop=1).blocks())  # what is compiled and imported first
    with pytest.MonkeyPatch.context() as patch:
        # The library takes memory that nobody else sees: it must not come so far.
        patch.setattr(h5py.Dataset, "read_direct", lambda *args, **options: pytest.fail("the library unpacks it"))
        tracemalloc.start()
        with pytest.raises(FrameError, match=r"frame [01] in .*x\.h5 is damaged"):
            list(source.blocks())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("kind", [kind for kind in LAYOUTS if kind != "bzip2"])
def test_a_source_of_a_virtual_dataset_is_looked_at_as_well(tmp_path, kind):
    """The library puts these frames together, and unpacks their halves by itself."""
    frames = np.random.default_rng(0).poisson(1, (3, *FRAME)).astype("u2")
    layout = h5py.VirtualLayout((3, *FRAME), "u2")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=frames, chunks=(1, *FRAME), **LAYOUTS[kind])
    source = h5py.VirtualSource(str(tmp_path / "x.h5"), "x", (3, *FRAME))
    layout[:, :64], layout[:, 64:] = source[:, :64], source[:, 64:]
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    whole = HDF5Frames(tmp_path / "v.h5", "x", access=LITTLE)
    np.testing.assert_array_equal(np.concatenate(list(whole.blocks())), frames)
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file["x"].id.write_direct_chunk((1, 0, 0), bomb(kind))
    with pytest.raises(FrameError, match=r"/x of .*x\.h5 is damaged: the chunk at \(1, 0, 0\)"):
        list(whole.blocks())


@pytest.mark.parametrize("kind", ["bitshuffle-lz4", "zstd"])
def test_a_chunk_that_is_larger_than_a_frame_is_refused(tmp_path, kind):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=np.ones((3, *FRAME), "u2"), chunks=(1, *FRAME), **LAYOUTS[kind])
        data.id.write_direct_chunk((1, 0, 0), bytes(300_000))
    with pytest.raises(FrameError, match="its chunk is larger than its frames"):
        list(HDF5Frames(tmp_path / "x.h5", "x").blocks())


@pytest.mark.parametrize("shape", [(1, 40_000, 40_000), (1, 1, 40_000, 40_000)])
def test_a_frame_that_is_absurd_is_refused(tmp_path, shape):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", shape, "u2", chunks=(*(1 for _ in shape[:-2]), 100, 100))
    source = HDF5Frames(tmp_path / "x.h5", "x", event=None if len(shape) == 3 else 0)
    with pytest.raises(
        FrameError,
        match=r"a frame of /x of .*x\.h5 would take 3\.2e\+09 bytes of memory, more than files\.largest_frame",
    ):
        list(source.blocks())


def test_a_chunk_of_too_many_frames_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (1000, 64, 64), "u2", chunks=(1000, 64, 64), compression="gzip")
    with pytest.raises(FrameError, match=r"a chunk of /x of .* would take 8\.19e\+06 bytes"):
        list(HDF5Frames(tmp_path / "x.h5", "x", access=LITTLE).blocks())


def test_what_a_chunk_unpacks_to_is_told_by_itself(tmp_path):
    frames = np.random.default_rng(0).poisson(1, (1, *FRAME)).astype("u2")
    for kind in LAYOUTS:
        with h5py.File(tmp_path / "x.h5", "w") as file:
            data = file.create_dataset("x", data=frames, chunks=(1, *FRAME), **LAYOUTS[kind])
            filters = [
                data.id.get_create_plist().get_filter(number)[0]
                for number in range(data.id.get_create_plist().get_nfilters())
            ]
            chunk = data.id.read_direct_chunk((0, 0, 0))[1]
        assert unpacks_to(filters, chunk, frames.nbytes, 1) == frames.nbytes, kind
    assert unpacks_to([SHUFFLE], b"anything", 8, 1) == 0
    assert unpacks_to([DEFLATE], b"not deflated", 8, 1) == unpacks_to([BZIP2], b"nor this", 8, 1) == 0
    assert unpacks_to([ZSTD], b"no", 8, 1) == unpacks_to([LZ4], b"", 8, 1) == unpacks_to([BLOSC], b"", 8, 1) == 0
