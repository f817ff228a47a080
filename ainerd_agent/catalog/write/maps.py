"""The container of the maps of a run, as a writer fills it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.bins import BINS_UNITS, bins_columns
from ainerd_agent.catalog.codec.metadata import maps_metadata, maps_progress
from ainerd_agent.catalog.layout import child, ensure_container
from ainerd_agent.catalog.schema import BINS, C2, C2_DIMS, G2, G2_DIMS, MAPS, MAPS_SPEC
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.catalog.write.containers import _access, _seq_nums, set_metadata
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Fingerprints, Run

_CHUNK_BYTES = 4 * 2**20
"""About this much of an array is one file: a measurement's maps, or many where they are small."""


_BLOCK_BYTES = 32 * 2**20
"""A request carries about this much of an array."""


class MapsStore:
    """`/xpcs/<uid>`: C2 maps and g2, one measurement after the other. Other models' analyses share it.

    Parameters
    ----------
    root : tiled Container
    run : Run
    """

    def __init__(self, root: Container, run: Run) -> None:
        self._parent = ensure_container(root, MAPS, specs=[])
        self._run = run
        self._container: Any = child(self._parent, run.uid)
        self._seq_nums: list[int] = []
        self._arrays: dict[str, Any] = {}
        if self._container is not None:
            self._arrays = {key: child(self._container, key) for key in (C2, G2)}
            self._seq_nums = self._container.metadata_copy()[0]["derived_from"]["seq_nums"]

    def is_current(self) -> bool:
        """Whether nobody else has written since this was made."""
        return _seq_nums(child(self._parent, self._run.uid)) == (None if self._container is None else self._seq_nums)

    def append(self, fingerprints: Sequence[Fingerprints]) -> None:
        """Add the measurements that are not there yet."""
        known = set(self._seq_nums)
        new = [f for f in fingerprints if f.origin.seq_num not in known]
        if not new:
            return
        first = new[0]
        if self._container is None:
            self._container = ensure_container(
                self._parent,
                self._run.uid,
                specs=[MAPS_SPEC],
                metadata=maps_metadata(self._run, first, []),
                **_access(self._run),
            )
        if not self._seq_nums:
            self._write_bins(first)
        self._check_lags(new)
        additions = ((C2, [f.c2 for f in new], C2_DIMS), (G2, [f.g2 for f in new], G2_DIMS))
        for addition in additions:
            self._extend(*addition)
        # Last: what these numbers do not name does not count, and is overwritten by the next attempt.
        self._seq_nums += [f.origin.seq_num for f in new]
        set_metadata(self._container, maps_progress(self._run, first.origin.stream, self._seq_nums))

    def _write_bins(self, first: Fingerprints) -> None:
        import pandas as pd

        table = pd.DataFrame(bins_columns(first.bins))
        existing = child(self._container, BINS)
        if existing is None:
            self._container.write_table(table, key=BINS, metadata={"units": BINS_UNITS}, **_access(self._run))
        else:
            existing.write(table)  # an earlier attempt may have created it without its rows

    def _check_lags(self, new: Sequence[Fingerprints]) -> None:
        lags = np.array(self._container.metadata_copy()[0]["lags"], np.float64)
        for f in new:
            if f.lags.shape != lags.shape or not np.allclose(f.lags, lags, rtol=1e-3, equal_nan=True):
                raise CatalogError(
                    f"Measurement {f.origin.seq_num} of run {self._run.uid} has other lags than the run's first one: "
                    "all measurements of a run need the same frame time and number of frames."
                )

    def _extend(self, key: str, arrays: Sequence[NDArray[Any]], dims: Sequence[str]) -> None:
        """Put `arrays` behind the measurements of an array that count."""
        node = self._arrays.get(key)
        shapes = {array.shape for array in arrays} | ({tuple(node.shape[1:])} if node is not None else set())
        if len(shapes) > 1:
            raise CatalogError(
                f"The measurements of run {self._run.uid} differ in the shape of {key}: {sorted(shapes)}. All "
                "measurements of a run need the same bins and map size."
            )
        done = 0
        if node is None:
            # What is written first is the chunk in which the array is stored and read ever after.
            done = _fitting(arrays, _CHUNK_BYTES)
            node = self._container.write_array(
                _stack(arrays[:done]), key=key, dims=list(dims), metadata={"units": ""}, **_access(self._run)
            )
            self._arrays[key] = node
        step = _fitting(arrays, _BLOCK_BYTES)
        for start in range(done, len(arrays), step):
            offset = (len(self._seq_nums) + start,)
            node.patch(_stack(arrays[start : start + step]), offset=offset, extend=True)


def _stack(arrays: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    return np.stack(arrays).astype(np.float32, copy=False)


def _fitting(arrays: Sequence[NDArray[Any]], n_bytes: int) -> int:
    """How many of `arrays`, all of one size, fit in `n_bytes` as float32; at least one."""
    return min(len(arrays), max(1, n_bytes // max(1, 4 * arrays[0].size)))
