"""The arrays of `/xpcs/<uid>`: to add one, add it here, and its field to the fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.age_lag import AgeLagAxes
from ainerd_agent.catalog.codec.bad_pixels import bad_pixels_array
from ainerd_agent.catalog.schema import AGE_LAG, BAD_PIXELS
from ainerd_agent.records import Fingerprints
from ainerd_agent.records.bad_pixels import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class MapArray:
    """An array whose first axis are the measurements of a run.

    Attributes
    ----------
    key : str
    dims : tuple of str
        Names of its axes.
    meaning : str
        One line for people.
    field : str
        Where it is in `Fingerprints`.
    encode : callable, optional
        Makes the array; gives None where there is nothing to store. Not needed where the field is an array. Age-lag
        maps are placed on the axes of their run instead.
    """

    key: str
    dims: tuple[str, ...]
    meaning: str
    field: str
    units: str = ""
    encode: Callable[[Any], NDArray[Any] | None] | None = None

    def of(self, fingerprints: Fingerprints) -> NDArray[Any] | None:
        """The array of one measurement; None where it has none."""
        value: Any = fingerprints
        for name in self.field.split("."):
            value = None if value is None else getattr(value, name)
        if value is not None and self.encode is not None:
            value = self.encode(value)
        found: NDArray[Any] | None = value
        return found


MAP_ARRAYS = (
    MapArray(
        key="c2", dims=("measurement", "bin", "t1", "t2"), field="c2",
        meaning="neither rescaled nor offset: baseline 0, contrast on the diagonal",
    ),
    MapArray(key="g2", dims=("measurement", "bin", "lag"), field="g2", meaning="at `lags`"),
    MapArray(
        key=AGE_LAG, dims=("measurement", "bin", "what", "age", "age_lag"), field="age_lag",
        meaning="C2 over age and lag, at `ages` and `age_lags`, and its standard uncertainty",
    ),
    MapArray(
        key="mean_image", dims=("measurement", "row", "column"), field="scattering.mean_image",
        meaning="counts per pixel and frame",
    ),
    MapArray(
        key="intensity_q", dims=("measurement", "ring"), field="scattering.intensity_q",
        meaning="I(q), counts per pixel and frame in rings at `ring_q`",
    ),
    MapArray(
        key="intensity_t", dims=("measurement", "bin", "section"), field="scattering.intensity_t",
        meaning="I(t), counts per pixel and frame in equal sections of the exposure",
    ),
    MapArray(
        key=BAD_PIXELS, dims=("measurement", "pixel", "what"), field="bad_pixels", encode=bad_pixels_array,
        meaning=f"row, column, bin, kind (0 to {len(KINDS) - 1}: {', '.join(KINDS)}), and 1 where a trace stays",
    ),
)  # fmt: skip
"""The first two are always there; the others where a run has them, as `arrays` in the metadata says."""


def arrays_of(
    new: Sequence[Fingerprints], there: Sequence[str], axes: AgeLagAxes | None
) -> dict[str, list[NDArray[Any] | None]]:
    """By key, what each measurement adds to an array; arrays that neither the run nor one of these has are left out.

    Parameters
    ----------
    axes : AgeLagAxes or None
        Of the age-lag maps of the run, these included.
    """
    found = {array.key: [array.of(f) for f in new] for array in MAP_ARRAYS if array.key != AGE_LAG}
    found[AGE_LAG] = [None if axes is None else axes.placed(f) for f in new]
    return {key: each for key, each in found.items() if key in there or any(one is not None for one in each)}


def stacked(arrays: Sequence[NDArray[Any] | None], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Measurements along a new first axis, NaN for what they do not have: at the end of an axis, or at all."""
    found = np.full((len(arrays), *shape), np.nan, np.float32)
    for row, array in zip(found, arrays, strict=True):
        if array is not None:
            row[tuple(slice(length) for length in array.shape)] = array
    return found
