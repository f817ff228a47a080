"""Our decompression against what the HDF5 filters of hdf5plugin compressed, and against damage."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ainerd_agent.scattering.frames._decompress import PADDING, U, Workspace, _block_lz4

TYPES = ["u1", "u2", "u4"]
quick = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def compressed(path: Path, values: np.ndarray, **options: object) -> bytes:
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("x", data=values, chunks=values.shape, **options)
        raw: bytes = stored.id.read_direct_chunk((0,) * values.ndim)[1]
        return raw


def workspace(raw: bytes) -> Workspace:
    space = Workspace(len(raw))
    space.source[: len(raw)] = np.frombuffer(raw, np.uint8)
    return space


def everything(values: np.ndarray) -> np.ndarray:
    return np.array([[0, values.size]])


@st.composite
def counts(draw: st.DrawFn) -> np.ndarray:
    """Counts from nearly none to all bits used, in stretches that repeat or not: every path of the decoder."""
    kind = np.dtype(draw(st.sampled_from(TYPES)))
    size = draw(st.integers(1, 9000))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.poisson(draw(st.sampled_from([0.001, 0.1, 1.0, 30.0])), size).astype(kind)
    if draw(st.booleans()):
        values |= rng.integers(0, np.iinfo(kind).max, size, dtype=kind, endpoint=True) & rng.integers(0, 2, size, kind)
    if draw(st.booleans()):
        values[rng.integers(0, size) :] = np.iinfo(kind).max
    period = draw(st.integers(1, 40))
    values[: size // 2] = np.resize(values[:period], size // 2)
    return values


@quick
@given(values=counts(), block=st.sampled_from([0, 8, 64, 1024, 2056]))
def test_bitshuffle_lz4_gives_back_what_was_compressed(tmp_path, values, block):
    raw = compressed(tmp_path / "x.h5", values, **hdf5plugin.Bitshuffle(nelems=block, cname="lz4"))
    out = np.empty_like(values)
    assert workspace(raw).bitshuffle_lz4(len(raw), out, everything(values))
    np.testing.assert_array_equal(out, values)


@quick
@given(values=counts(), block=st.sampled_from([0, 16, 500, 4096]))
def test_lz4_gives_back_what_was_compressed(tmp_path, values, block):
    raw = compressed(tmp_path / "x.h5", values, **hdf5plugin.LZ4(nbytes=block))
    out = np.empty_like(values)
    assert workspace(raw).lz4(len(raw), out)
    np.testing.assert_array_equal(out, values)


@quick
@given(values=counts(), data=st.data())
def test_only_the_spans_that_are_needed_are_written(tmp_path, values, data):
    raw = compressed(tmp_path / "x.h5", values, **hdf5plugin.Bitshuffle(nelems=128, cname="lz4"))
    edges = sorted(data.draw(st.sets(st.integers(0, values.size // 64 + 1), min_size=2, max_size=12)))
    spans = np.minimum(np.array(edges[: len(edges) // 2 * 2]).reshape(-1, 2) * 64, values.size)
    needed = np.zeros(values.size, dtype=bool)
    for first, last in spans:
        needed[first:last] = True
    needed[values.size - values.size % 8 :] = True  # what is not shuffled costs nothing
    out = np.full_like(values, 7)
    assert workspace(raw).bitshuffle_lz4(len(raw), out, spans)
    np.testing.assert_array_equal(out, np.where(needed, values, 7))


@pytest.mark.parametrize("method", ["bitshuffle_lz4", "lz4"])
def test_damage_is_told_and_nothing_beyond_the_output_is_written(tmp_path, method):
    rng = np.random.default_rng(0)
    values = rng.poisson(0.5, 5000).astype(np.uint16)
    options = hdf5plugin.Bitshuffle(cname="lz4") if method == "bitshuffle_lz4" else hdf5plugin.LZ4()
    raw = compressed(tmp_path / "x.h5", values, **options)

    def decode(damaged: bytes) -> bool:
        room = np.zeros(values.size + 64, np.uint16)
        arguments = (everything(values),) if method == "bitshuffle_lz4" else ()
        done: bool = getattr(workspace(damaged), method)(len(damaged), room[32:-32], *arguments)
        assert not room[:32].any()
        assert not room[-32:].any()
        return done

    assert decode(raw)
    for cut in (0, 5, 12, 14, 17, len(raw) // 2, len(raw) - 1):
        assert not decode(raw[:cut])
    assert not decode(raw + b"\0")
    assert not decode((values.nbytes - 2).to_bytes(8, "big") + raw[8:])  # of another size
    assert not decode(raw[:8] + (2**31).to_bytes(4, "big") + raw[12:])  # an impossible block
    assert not decode(raw[:12] + bytes(len(raw) - 12))  # references to before the beginning
    for _ in range(300):  # whatever happens, it stays inside
        damaged = np.frombuffer(raw, np.uint8).copy()
        damaged[rng.integers(12, len(raw), 5)] = rng.integers(0, 256, 5)
        decode(damaged.tobytes())


def test_damage_stays_within_the_padding(tmp_path):
    """The inner loop copies more than it needs, but no more than the padding holds."""
    rng = np.random.default_rng(1)
    values = rng.poisson(0.5, 4000).astype(np.uint8)
    raw = compressed(tmp_path / "x.h5", values, **hdf5plugin.LZ4())[16:]
    for _ in range(300):
        source = np.full(len(raw) + PADDING, 255, np.uint8)
        source[: len(raw)] = np.frombuffer(raw, np.uint8)
        source[rng.integers(0, len(raw), 5)] = rng.integers(0, 256, 5)
        size = int(rng.integers(1, 4001))
        out = np.full(size + PADDING + 4096, 77, np.uint8)
        _block_lz4(source, U(0), U(len(raw)), out, U(size))
        assert (out[size + PADDING :] == 77).all()
