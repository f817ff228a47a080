"""C2 maps that somebody computed before, read from a file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.records import Bins, Fingerprints, Origin
from ainerd_agent.scattering.correlation.age_lag import age_average, age_lag_of_maps, relaxation_time
from ainerd_agent.scattering.fits.map_relaxations import fit_maps
from ainerd_agent.scattering.quality import map_quality

ORIGIN_COLUMNS = ("x", "y", "time", "q", "azimuth")
"""Columns that say where a map comes from: mm, mm, s since the epoch, 1/nm, degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredMaps:
    """Maps of one file.

    Attributes
    ----------
    maps : ndarray, shape (n, size, size)
        As stored.
    columns : mapping of str to ndarray, each of shape (n,)
        What the file says of each map.
    """

    maps: NDArray[Any]
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Which maps hold neither NaN nor infinities, shape (n,)."""
        return np.asarray(np.isfinite(self.maps).all(axis=(1, 2)))

    @property
    def faults(self) -> dict[int, str]:
        """What is wrong with maps that tell nothing, by their index, in words.

        A map that is the same everywhere beside its diagonal was filled, not measured: even a frozen sample has noise.
        """
        found = dict.fromkeys(np.flatnonzero(~self.finite).tolist(), "the map holds NaN or infinite values")
        if self.maps.shape[1] < 3:
            return found
        beside = ~np.eye(self.maps.shape[1], dtype=bool)
        for index in np.flatnonzero(self.finite):
            values = self.maps[index][beside]
            if values.min() == values.max():
                found[int(index)] = f"the map is {values[0]:g} everywhere beside its diagonal: nothing was measured"
        return found

    def select(self, chosen: NDArray[np.bool_]) -> StoredMaps:
        """Some of the maps, with their columns."""
        return StoredMaps(self.maps[chosen], {name: values[chosen] for name, values in self.columns.items()})

    def rename(self, reserved: Collection[str], prefix: str = "file_") -> StoredMaps:
        """Put a prefix before columns whose names mean something else in the catalog."""
        names = {name: f"{prefix}{name}" if name in reserved else name for name in self.columns}
        return StoredMaps(self.maps, {names[name]: values for name, values in self.columns.items()})

    def baseline(self) -> float:
        """The value of uncorrelated times, estimated from the maps.

        The level of a map is its mean over the quarter of longest lags. Maps of one file share a normalisation, so the
        baseline is the level of the most relaxed ones (5th percentile). A single map that does not relax in its window
        cannot tell its baseline; then it has to be given.
        """
        quarter = max(1, self.maps.shape[1] // 4)
        telling = self.finite
        telling[list(self.faults)] = False
        levels = self.maps[telling if telling.any() else self.finite][:, :quarter, -quarter:].mean(
            axis=(1, 2), dtype=np.float64
        )
        return float(np.percentile(levels, 5))

    def fingerprints(
        self,
        raw_uid: str,
        time: float,
        *,
        baseline: float,
        contrast: float | None = None,
        duration: float = float("nan"),
    ) -> Iterator[Fingerprints]:
        """Each map as a measurement with one bin.

        Parameters
        ----------
        raw_uid : str
            Key of the ingested file.
        time : float
            Seconds since the epoch, for maps whose time is not in a column.
        baseline : float
            Value of uncorrelated times, subtracted.
        contrast : float, optional
            Of the speckles, where it is known; estimated from each map where not.
        duration : float
            Seconds that a side of the maps spans, where it is known.
        """
        size = self.maps.shape[1]
        lags = np.arange(size) * duration / size
        extra = {name: values for name, values in self.columns.items() if name not in ORIGIN_COLUMNS}
        first = float(np.nanmin(self.columns["time"])) if "time" in self.columns else time
        for index, stored in enumerate(self.maps):
            row = {name: values[index].item() for name, values in self.columns.items() if name in ORIGIN_COLUMNS}
            start = float(row.get("time", time))
            c2 = stored.astype(np.float32)[None] - np.float32(baseline)
            correlation = age_average(c2)
            found = np.array([_contrast_of(c2[0]) if contrast is None else contrast])
            yield Fingerprints(
                origin=Origin(
                    raw_uid=raw_uid,
                    seq_num=index + 1,
                    start=start,
                    stop=start + (duration if np.isfinite(duration) else 0.0),
                    elapsed=start - first,
                    position={axis: float(row[axis]) for axis in ("x", "y") if axis in row},
                    extra={name: values[index].item() for name, values in extra.items()},
                ),
                c2=c2,
                bins=Bins(
                    q=np.array([row.get("q", np.nan)], dtype=np.float64),
                    azimuth=np.array([row.get("azimuth", np.nan)], dtype=np.float64),
                    n_pixels=np.zeros(1, dtype=np.int64),
                ),
                duration=duration,
                mean_counts=np.full(1, np.nan),
                contrast=found,
                # Lag 0 of a map from elsewhere may hold shot noise.
                quality=map_quality(c2, found),
                tau=relaxation_time(correlation[:, 1:], lags[1:]),
                g2=1 + correlation,
                lags=lags,
                relaxations=fit_maps(c2, duration),
                age_lag=age_lag_of_maps(c2, duration) if np.isfinite(duration) else None,
            )


def _contrast_of(c2: NDArray[np.float32]) -> float:
    """Level beside the diagonal; of a map that relaxes within a step nothing is left there but its noise."""
    quarter = max(1, len(c2) // 4)
    beside = np.diagonal(c2, offset=1).mean(dtype=np.float64)
    return float(max(beside, c2[:quarter, -quarter:].std(dtype=np.float64)))


def read_maps(path: Path, *, key: str | None = None) -> StoredMaps:
    """Read C2 maps from an .npy or .npz file.

    Parameters
    ----------
    path : Path
        An array of shape (n, size, size) or (size, size); in an .npz, the arrays of shape (n,) beside it are taken as
        columns that describe each map.
    key : str, optional
        Name of the maps in an .npz. Without it the only array of square maps is taken.

    Raises
    ------
    MapError
        A file that is missing or damaged, or that holds no square maps, or several.
    """
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else {"c2": loaded}
    except FileNotFoundError as error:
        raise MapError(f"there is no file {path}") from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise MapError(
            f"{path} is not a readable .npy or .npz file of numbers: it is truncated, or of another format"
        ) from error
    candidates = [name for name, array in arrays.items() if _are_maps(array)]
    if key is not None and key not in arrays:
        raise MapError(f"{path} has no array {key!r}; it has {', '.join(arrays)}")
    if key is None and len(candidates) != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        problem = "no square maps" if not candidates else "several arrays of square maps: name one with --key"
        raise MapError(f"{path} holds {problem}; maps have the shape (n, size, size) or (size, size), found {shapes}")
    name = key if key is not None else candidates[0]
    maps = arrays.pop(name)
    if not _are_maps(maps):
        raise MapError(f"{name} of {path} has the shape {maps.shape} and type {maps.dtype}, not those of square maps")
    if maps.ndim == 2:
        maps = maps[None]
    columns = {other: array for other, array in arrays.items() if array.shape == (len(maps),)}
    for column in (*ORIGIN_COLUMNS, "shear_stress"):
        if column in columns and columns[column].dtype.kind not in "fiu":
            raise MapError(f"the column {column} of {path} must hold numbers, not {columns[column].dtype}")
    stored = StoredMaps(maps, columns)
    if not stored.finite.any():
        raise MapError(f"every map of {path} holds NaN or infinite values")
    return stored


def _are_maps(array: NDArray[Any]) -> bool:
    return (
        array.ndim in (2, 3)
        and array.shape[-1] == array.shape[-2] >= 8
        and array.size > 0
        and bool(np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer))
    )
