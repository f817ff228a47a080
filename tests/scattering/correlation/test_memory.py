"""Maps that do not fit into memory are refused before any is taken."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from ainerd_agent.errors import BinError
from ainerd_agent.scattering import TwoTimeStream
from ainerd_agent.scattering.correlation import memory


@pytest.mark.skipif(memory.available() is None, reason="the system does not say how much memory is free")
def test_maps_that_do_not_fit_are_refused_before_memory_is_taken():
    labels = np.ones((200, 300), dtype=int)
    tracemalloc.start()
    with pytest.raises(BinError, match=r"maps of 100000000 x 100000000 of 1 bins with 60000 pixels take 8e\+07 GB"):
        TwoTimeStream(labels, 10, size=100_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert TwoTimeStream(labels, 10).n_bins == 1


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert memory.available() == 2_000_000
    memory.check_maps(n_pixels=1000, n_bins=1, size=256, itemsize=4)
    with pytest.raises(BinError, match=r"take 0\.00308 GB of memory, and 0\.002 GB are free: use fewer pixels"):
        memory.check_maps(n_pixels=2500, n_bins=1, size=256, itemsize=4)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() != 2_000_000
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "nothing")
    assert memory.available() is None
    memory.check_maps(n_pixels=10**12, n_bins=1, size=256, itemsize=4)


def test_labels_beyond_the_number_of_pixels_are_refused():
    labels = np.ones((20, 30), dtype=np.int64)
    labels[0, 0] = 2**40
    with pytest.raises(BinError, match="labels go up to 1099511627776 for 600 pixels"):
        TwoTimeStream(labels, 10)
