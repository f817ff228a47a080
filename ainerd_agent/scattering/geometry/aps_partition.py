"""Read partition maps of the Advanced Photon Source (`aps_partition_writer` writes them).

A map is a group of an HDF5 file. pySimpleMask writes it as `/qmap`, boost_corr copies it to `/xpcs/qmap` of its
results, and pyXpcsViewer reads it there. Its partitions are grids of two quantities (`map_names`), usually q and phi:
`dynamic_roi_map` holds the bins of the correlation from 1, `dynamic_index_mapping` the place of each bin in the grid of
`dynamic_num_pts`, and `dynamic_v_list_dim0` and `_dim1` the values along its sides; the same with `static_` for the
regions over which the static image is averaged. A static region lies within one bin. `mask` is 1 where a pixel may be
used. q is in 1/angstrom; phi in degrees from the detector's +x (columns rising) *against* +y (rows rising), from -180
to 180: the opposite sense of our azimuth. Older maps (`/data`, and `/xpcs` of older results) list q and phi bin by bin.

Sources: pySimpleMask 0.4 (core/partition.py, core/qmap.py, core/model.py), boost_corr 0.1.7 (xpcs_qpartitionmap.py),
pyXpcsViewer 1.2 (core/file_io/qmap_utils.py); the older names, boost_corr's first versions and XPCSGUI.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import BinError
from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.geometry.detector import DetectorGeometry
from ainerd_agent.scattering.geometry.labels import label_bins
from ainerd_agent.scattering.geometry.partition import Empty, Grid, Partition, mean_azimuth

logger = logging.getLogger(__name__)

GROUPS = ("/xpcs/qmap", "/qmap", "/xpcs", "/data")
"""Where a map is looked for."""

NAMES = {
    "dynamic_roi_map": ("dqmap", "dynamicMap"),
    "static_roi_map": ("sqmap", "staticMap"),
    "mask": (),
    "dynamic_num_pts": (),
    "dynamic_index_mapping": (),
    "dynamic_v_list_dim0": ("dqlist", "dqval"),
    "dynamic_v_list_dim1": ("dphilist", "dphival"),
    "static_num_pts": (),
    "static_index_mapping": (),
    "static_v_list_dim0": (),
    "map_names": (),
    "map_units": (),
    "beam_center_y": ("bcy",),
    "beam_center_x": ("bcx",),
    "ainerd/rings": (),
    "ainerd/ring_q": (),
    "ainerd/q": (),
    "ainerd/azimuth": (),
}
"""What is read of a map, and the older names of it. In the subgroup `ainerd` is what the format has no place for."""

PER_NM = {"a": 10.0, "å": 10.0, "angstrom": 10.0, "nm": 1.0}
"""What q is multiplied by to be in 1/nm, by its unit of length."""

DEGREES = {"": 1.0, "deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 180 / np.pi, "radian": 180 / np.pi}

Stored = dict[str, NDArray[Any]]
"""The arrays of a map, by their present names."""


def read_partition_map(
    path: str | Path,
    *,
    geometry: DetectorGeometry | None = None,
    mask: ArrayLike | None = None,
    empty: Empty = "raise",
) -> Partition:
    """Read the bins of a partition map.

    The rings of the static image are the static regions of the map, each by itself; of a map that we wrote, the rings
    that it was made of. q and azimuth of the bins are those that the map lists. Where the beam centre is in the map,
    the azimuths are compared with the directions in which the pixels lie; if one is off by more than half a sector
    (pySimpleMask lists them with its phi offset; the sense of older maps is not known), the directions are taken, and a
    warning is logged.

    Parameters
    ----------
    path : str or Path
        HDF5 file with a map in one of `GROUPS`.
    geometry : DetectorGeometry, optional
        Gives q and azimuth instead of the map: needed where the map is a grid of other quantities than q and phi.
    mask : array_like, shape (H, W), optional
        True where a pixel must not be used, in addition to the pixels that the map leaves out.
    empty : {"raise", "drop"}
        What becomes of a bin without pixels. Older maps keep the numbers of bins that hold none.

    Raises
    ------
    BinError
        No such file, or none with a map; a map whose parts do not fit together; and what `label_bins` refuses.
    """
    stored = _load(path)
    labels = np.maximum(stored["dynamic_roi_map"].astype(np.int64), 0)  # older maps hold -1 where nothing is used
    unusable = labels == 0
    if "mask" in stored:
        unusable |= stored["mask"] == 0
    if mask is not None:
        if np.shape(mask) != labels.shape:
            raise BinError(f"the mask has the shape {np.shape(mask)}, the map {path} {labels.shape}")
        unusable |= np.asarray(mask) != 0

    grid = _grid(path, stored, "dynamic", int(labels.max()))
    rings, ring_q = _static_regions(path, stored)
    q, azimuth = (None, None) if geometry is not None else _listed(path, stored, grid)
    n_bins = len(grid.place) if grid is not None else None if q is None else len(q)
    partition = label_bins(
        labels,
        geometry=geometry,
        q=q,
        azimuth=azimuth,
        rings=rings,
        mask=unusable,
        n_bins=n_bins,
        empty=empty,
    )
    if grid is not None:
        kept = np.delete(grid.place, np.array(partition.dropped, dtype=int) - 1)
        partition = replace(partition, grid=replace(grid, place=kept))
    if partition.ring_q is None and ring_q is not None:
        partition = replace(partition, ring_q=ring_q)
    return partition if geometry is not None or "ainerd/q" in stored else _turned(path, partition, stored)


def _load(path: str | Path) -> Stored:
    import h5py

    if not Path(path).is_file():
        raise BinError(f"there is no file {path}")
    try:
        with h5py.File(path, "r") as file:
            for group in GROUPS:
                stored = _arrays(file, group)
                if "dynamic_roi_map" in stored:
                    break
            else:
                raise BinError(
                    f"{path} holds no partition map: none of its groups {', '.join(GROUPS)} has a dynamic_roi_map"
                )
    except OSError as error:
        raise BinError(f"{path} is not a readable HDF5 file: {error}") from error
    for name in ("dynamic_roi_map", "static_roi_map", "mask", "ainerd/rings"):
        if name in stored:
            stored[name] = np.squeeze(stored[name])
    labels = stored["dynamic_roi_map"]
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer) or labels.max(initial=0) < 1:
        raise BinError(f"the dynamic map of {path} must hold bins, integers from 1, in the shape (H, W)")
    for name in ("static_roi_map", "mask"):
        if name in stored and stored[name].shape != labels.shape:
            raise BinError(f"in {path} the {name} has the shape {stored[name].shape}, the dynamic map {labels.shape}")
    return stored


def _arrays(file: Any, group: str) -> Stored:
    stored = {}
    for name, older in NAMES.items():
        for key in (f"{group}/{each}" for each in (name, *older)):
            if key in file:
                stored[name] = np.asarray(file[key])
                break
    return stored


def _grid(path: str | Path, stored: Stored, prefix: str, n_regions: int) -> Grid | None:
    """How the bins or static regions lie in the grid of the map; None for an older map."""
    if f"{prefix}_num_pts" not in stored:
        return None
    n_0, n_1 = [int(n) for n in np.append(stored[f"{prefix}_num_pts"].ravel(), 1)[:2]]
    place = stored.get(f"{prefix}_index_mapping", np.arange(n_regions)).ravel().astype(np.int64)
    if len(place) < n_regions or place.min(initial=0) < 0 or place.max(initial=0) >= n_0 * n_1:
        raise BinError(
            f"the {prefix} map of {path} does not fit together: {n_regions} regions, {len(place)} of them in the index "
            f"mapping, in a grid of {n_0} x {n_1}"
        )
    return Grid(n_0, n_1, place)


def _static_regions(path: str | Path, stored: Stored) -> tuple[NDArray[Any] | None, FloatArray | None]:
    """Regions for the static image, and q of each where the map lists it."""
    labels = stored["dynamic_roi_map"]
    if "ainerd/rings" in stored and stored["ainerd/rings"].shape == labels.shape:
        return stored["ainerd/rings"], stored.get("ainerd/ring_q")
    if "static_roi_map" not in stored:
        return None, None
    static = stored["static_roi_map"]
    grid = _grid(path, stored, "static", int(static.max()))
    if grid is None or "static_v_list_dim0" not in stored:
        return static, None
    names, unit, _ = _quantities(stored)
    if names[0] != "q":
        return static, None
    return static, _values(path, stored, "static_v_list_dim0", grid.n_q)[grid.place // grid.n_azimuth] * _per_nm(unit)


def _quantities(stored: Stored) -> tuple[list[str], str, str]:
    """Names of the two quantities of the grid, and their units."""
    names, units = (
        [value.decode() if isinstance(value, bytes) else str(value) for value in stored[key].ravel()]
        if key in stored
        else default
        for key, default in (("map_names", ["q", "phi"]), ("map_units", ["Å⁻¹", "deg"]))
    )
    return names, units[0], units[1]


def _per_nm(unit: str) -> float:
    length = re.sub("[^a-zå]", "", unit.lower())
    if length not in PER_NM:
        raise BinError(f"the map has q in {unit!r}, which is not understood: give a geometry, to compute q from")
    return PER_NM[length]


def _values(path: str | Path, stored: Stored, name: str, length: int) -> FloatArray:
    if name not in stored or stored[name].size != length:
        found = f"{stored[name].size} values" if name in stored else "nothing"
        raise BinError(f"{path} should list {length} values in {name}, and lists {found}: give a geometry instead")
    return stored[name].ravel().astype(np.float64)


def _listed(path: str | Path, stored: Stored, grid: Grid | None) -> tuple[FloatArray | None, FloatArray]:
    """Momentum transfer (1/nm) and azimuth (degrees) of each bin, as the map lists them, both of shape (n_bins,)."""
    if "ainerd/q" in stored and "ainerd/azimuth" in stored:
        q = stored["ainerd/q"]
        return None if np.isnan(q).all() else q, stored["ainerd/azimuth"]
    names, q_unit, phi_unit = _quantities(stored)
    if names != ["q", "phi"]:
        raise BinError(
            f"{path} divides the detector by {' and '.join(names)}, not by q and phi: give a geometry, to compute q "
            "and azimuth of its bins from"
        )
    if (turn := re.sub("[^a-z]", "", phi_unit.lower())) not in DEGREES:
        raise BinError(f"{path} has phi in {phi_unit!r}, which is not understood: give a geometry instead")
    if grid is None:
        n_bins = stored["dynamic_v_list_dim0"].size if "dynamic_v_list_dim0" in stored else 0
        q, phi = (_values(path, stored, f"dynamic_v_list_dim{side}", n_bins) for side in (0, 1))
    else:
        q = _values(path, stored, "dynamic_v_list_dim0", grid.n_q)[grid.place // grid.n_azimuth]
        phi = _values(path, stored, "dynamic_v_list_dim1", grid.n_azimuth)[grid.place % grid.n_azimuth]
    return q * _per_nm(q_unit), -phi * DEGREES[turn] % 360


def _turned(path: str | Path, partition: Partition, stored: Stored) -> Partition:
    """The partition with the azimuths at which the pixels lie, where those that the map lists are others."""
    from ainerd_agent.scattering.geometry.detector import Geometry

    if "beam_center_y" not in stored or "beam_center_x" not in stored:
        return partition
    listed = partition.bins.azimuth
    n_sectors = len(np.unique(listed)) if partition.grid is None else partition.grid.n_azimuth
    labels = partition.labels
    centre = (float(stored["beam_center_y"].ravel()[0]), float(stored["beam_center_x"].ravel()[0]))
    seen = Geometry(centre=centre, distance=1.0).azimuth((labels.shape[0], labels.shape[1]))
    found = mean_azimuth(labels[labels > 0], seen[labels > 0])
    off = np.abs((listed - found + 180) % 360 - 180) > 180 / n_sectors
    if not off.any():
        return partition
    logger.warning(
        "%s lists an azimuth of %.1f degrees for bin %d, whose pixels lie at %.1f: taking the azimuths of the pixels",
        path,
        listed[off][0],
        np.flatnonzero(off)[0] + 1,
        found[off][0],
    )
    azimuth = np.where(np.isnan(found), listed, found)
    return replace(partition, bins=replace(partition.bins, azimuth=azimuth))
