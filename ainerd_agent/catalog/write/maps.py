"""The C2 maps and g2 of a run, as a writer fills them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ainerd_agent.catalog.codec.age_lag import AgeLagAxes, with_axes_of
from ainerd_agent.catalog.codec.arrays import MAP_ARRAYS, arrays_of, stacked
from ainerd_agent.catalog.codec.bins import BINS_UNITS, bins_columns
from ainerd_agent.catalog.codec.maps_index import MapsIndex, maps_axes, maps_index, maps_metadata, maps_progress
from ainerd_agent.catalog.codec.metadata import events_of
from ainerd_agent.catalog.layout import child, ensure_container, version_of
from ainerd_agent.catalog.schema import AGE_LAG, BINS, MAPS, MAPS_SPEC
from ainerd_agent.catalog.tiled_types import Array, Container, Table
from ainerd_agent.catalog.write.containers import access_of, set_metadata, upgrade_first
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
    root : Container
    run : Run
    """

    def __init__(self, root: Container, run: Run) -> None:
        self._parent = ensure_container(root, MAPS, specs=[])
        self._run = run
        self._container: Container | None = child(self._parent, run.uid)
        self._index: MapsIndex | None = None
        self._arrays: dict[str, Array] = {}
        self._version = MAPS_SPEC[1]
        if self._container is not None:
            self._version = version_of(self._container, MAPS_SPEC[0])
            self._index = maps_index(self._container.metadata_copy()[0])
            found = {key: child(self._container, key) for key in self._index.arrays}
            self._arrays = {key: array for key, array in found.items() if array is not None}

    def is_current(self) -> bool:
        """Whether nobody else has written since this was made."""
        container: Container | None = child(self._parent, self._run.uid)
        if container is None or self._index is None:
            return container is None and self._index is None
        told, expected = container.metadata_copy()[0], maps_progress(self._run, self._index)
        exposures = ("duration", "frame_time", "frames")  # which a retake changes
        same = all(told.get(key, expected[key]) == expected[key] for key in exposures)
        return same and events_of(told["derived_from"]) == self._index.events

    def append(self, fingerprints: Sequence[Fingerprints]) -> None:
        """Add the measurements that are not there yet."""
        known = set() if self._index is None else set(self._index.events)
        new = [f for f in fingerprints if f.origin.events not in known]
        if not new:
            return
        if self._version != MAPS_SPEC[1]:
            raise upgrade_first(f"/{MAPS}/{self._run.uid}", self._version)
        index = MapsIndex.beginning(new[0]) if self._index is None else self._index
        axes = with_axes_of(index.age_lag_axes, new)
        if self._container is None:
            self._container = ensure_container(
                self._parent,
                self._run.uid,
                specs=[MAPS_SPEC],
                metadata=maps_metadata(self._run, index),
                **access_of(self._run),
            )
        if not index.events:
            self._write_bins(self._container, new[0])
        # The first one of a run decides what the lags are.
        begun = index if index.events else index.extended(new[:1], index.arrays)
        for f in new:
            begun.check(f)
        self._make_room(index, axes)
        for key, arrays in arrays_of(new, index.arrays, axes).items():
            self._extend(self._container, key, arrays, len(index.events))
        # Last: what the index does not name does not count, and is overwritten by the next attempt.
        self._index = index.extended(new, [*self._arrays])
        set_metadata(self._container, maps_progress(self._run, self._index))

    def check(self, fingerprints: Sequence[Fingerprints]) -> None:
        """Make sure that measurements fit those that are there, before anything is changed.

        Raises
        ------
        CatalogError
            Maps have another shape, or g2 other lags; or version 0.1 began the run.
        """
        if self._index is None:
            return
        if self._version != MAPS_SPEC[1]:
            raise upgrade_first(f"/{MAPS}/{self._run.uid}", self._version)
        for f in fingerprints:
            axes = with_axes_of(self._index.age_lag_axes, [f])
            for key, (array,) in arrays_of([f], self._index.arrays, axes).items():
                if key in self._arrays:
                    self._shape_of(key, [array], self._arrays[key])
            if self._index.events != [f.origin.events]:  # the only one of a run decides what the lags are
                self._index.check(f)

    def replace(self, fingerprints: Sequence[Fingerprints]) -> None:
        """Put measurements in the place of earlier ones of the same events; those that are not there yet are added."""
        known = [] if self._index is None else self._index.events
        self.check(fingerprints)
        for f in fingerprints:
            if self._index is not None and self._container is not None and f.origin.events in known:
                self._index = self._replaced(self._container, self._index, f)
        self.append([f for f in fingerprints if f.origin.events not in known])

    def _replaced(self, container: Container, index: MapsIndex, new: Fingerprints) -> MapsIndex:
        place = index.events.index(new.origin.events)
        axes = with_axes_of(index.age_lag_axes, [new])
        self._make_room(index, axes)
        for key, (array,) in arrays_of([new], index.arrays, axes).items():
            if key in self._arrays:
                node = self._arrays[key]
                node.patch(stacked([array], tuple(node.shape[1:])), offset=(place,))
            else:
                self._extend(container, key, [array, *[None] * (len(index.events) - place - 1)], place)
        index = index.replaced(place, new, [*self._arrays])
        set_metadata(container, maps_progress(self._run, index) | maps_axes(index))
        return index

    def _make_room(self, index: MapsIndex, axes: AgeLagAxes | None) -> None:
        """Widen the array of age-lag maps for lags that no measurement had so far: NaN for those that are there.

        Also where it is wide enough: a writer that was interrupted may have written others there.
        """
        node, before = self._arrays.get(AGE_LAG), index.age_lag_axes
        if node is None or before is None or axes is None or len(axes.lags) == len(before.lags):
            return
        first = len(before.lags)
        shape = (*node.shape[1:-1], len(axes.lags) - first)
        nothing: list[NDArray[Any] | None] = [None] * len(index.events)
        step = _fitting(nothing, shape, _BLOCK_BYTES)
        for start in range(0, len(nothing), step):
            part = stacked(nothing[start : start + step], shape)
            node.patch(part, offset=(start, 0, 0, 0, first), extend=True)

    def _write_bins(self, container: Container, first: Fingerprints) -> None:
        import pandas as pd

        table = pd.DataFrame(bins_columns(first.bins))
        existing: Table | None = child(container, BINS)
        if existing is None:
            container.write_table(table, key=BINS, metadata={"units": BINS_UNITS}, **access_of(self._run))
        else:
            existing.write(table)  # an earlier attempt may have created it without its rows

    def _extend(self, container: Container, key: str, arrays: Sequence[NDArray[Any] | None], behind: int) -> None:
        """Put arrays of measurements behind the first `behind` of those that are there."""
        node = self._arrays.get(key)
        done = 0
        if node is None:
            # Measurements that were there before the first one with such an array have nothing in it.
            arrays = [*[None] * behind, *arrays]
            behind = 0
            # An earlier attempt may have made the array, and then been interrupted.
            node = child(container, key)
        shape = self._shape_of(key, arrays, node)
        if node is None:
            # What is written first is the chunk in which the array is stored and read ever after.
            done = _fitting(arrays, shape, _CHUNK_BYTES)
            about = next(array for array in MAP_ARRAYS if array.key == key)
            node = container.write_array(
                stacked(arrays[:done], shape),
                key=key,
                dims=list(about.dims),
                metadata={"units": about.units, "description": about.meaning},
                **access_of(self._run),
            )
        self._arrays[key] = node
        step = _fitting(arrays, shape, _BLOCK_BYTES)
        for start in range(done, len(arrays), step):
            node.patch(stacked(arrays[start : start + step], shape), offset=(behind + start,), extend=True)

    def _shape_of(self, key: str, arrays: Sequence[NDArray[Any] | None], node: Array | None) -> tuple[int, ...]:
        """The shape of what each measurement has in an array: it is one for a run, lags of age-lag maps apart."""
        there = set() if node is None else {tuple(node.shape[1:])}
        shapes = {array.shape for array in arrays if array is not None} | there
        if key == AGE_LAG:
            widest = max(shape[-1] for shape in shapes)
            shapes = {(*shape[:-1], widest) for shape in shapes}
        if len(shapes) > 1:
            raise CatalogError(
                f"The measurements of run {self._run.uid} differ in the shape of {key}: {sorted(shapes)}. All "
                "measurements of a run need the same bins and map size."
            )
        (shape,) = shapes
        return shape


def _fitting(arrays: Sequence[Any], shape: tuple[int, ...], n_bytes: int) -> int:
    """How many of `arrays`, all of one shape, fit in `n_bytes` as float32; at least one."""
    return min(len(arrays), max(1, n_bytes // max(1, 4 * math.prod(shape))))
