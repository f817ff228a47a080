"""Write partition maps of the Advanced Photon Source, so that its tools take our bins (the format: `aps_partition`)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import BinError
from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.scattering.geometry.partition import Grid, Partition, means, paint

HC = 1.239841984
"""Energy times wavelength, keV nm."""


def save_partition_map(
    path: str | Path, partition: Partition, *, geometry: Geometry | None = None, group: str = "/qmap"
) -> None:
    """Write a partition to an HDF5 file of its own, or into one that has no such group yet.

    Parameters
    ----------
    geometry : Geometry, optional
        See `write_partition_map`.
    group : str
        "/qmap" is where boost_corr looks for it, "/xpcs/qmap" where results have it.

    Raises
    ------
    BinError
        Where the file has such a group already, or cannot be written.
    """
    import h5py

    try:
        with h5py.File(path, "a") as file:
            if group in file:
                raise BinError(f"{path} has a group {group} already: write to another file")
            write_partition_map(file.create_group(group), partition, geometry=geometry)
    except OSError as error:
        raise BinError(f"{path} cannot be written as an HDF5 file: {error}") from error


def write_partition_map(group: Any, partition: Partition, *, geometry: Geometry | None = None) -> None:
    """Write a partition into an empty HDF5 group, in the form of APS.

    The static regions are the rings of the partition, cut where a bin ends; the rings themselves are kept in the
    subgroup `ainerd`, with q and azimuth of each bin.

    Parameters
    ----------
    group : h5py.Group
    geometry : Geometry, optional
        Gives the beam centre, distance, pixel size and energy, without which pyXpcsViewer does not read the map.
        (`PoniGeometry.untilted` for a tilted detector: the format knows no tilt.)
    """
    bins = partition.bins
    ring_q = partition.ring_q
    if ring_q is None:  # as coarse as the bins
        used = partition.labels > 0
        ring_q = means(partition.rings[used], bins.q[partition.labels[used] - 1])
    written = _regions(partition, ring_q)
    if geometry is not None:
        written |= {
            "beam_center_y": float(geometry.centre[0]),
            "beam_center_x": float(geometry.centre[1]),
            "detector_distance": geometry.distance,
            "pixel_size": geometry.pixel_size,
            "energy": HC / geometry.wavelength,
        }
    own: dict[str, Any] = {"rings": partition.rings, "ring_q": ring_q, "q": bins.q, "azimuth": bins.azimuth}
    digest = hashlib.sha256()
    for parent, values in ((group, written), (group.create_group("ainerd"), own)):
        for name, value in values.items():
            options = {"compression": "gzip", "compression_opts": 1} if np.ndim(value) == 2 else {}
            parent.create_dataset(name, data=value, **options)
            digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
    for dimension, (name, unit) in enumerate((("q", "Å⁻¹"), ("phi", "deg"))):
        for prefix in ("dynamic", "static"):
            group[f"{prefix}_v_list_dim{dimension}"].attrs.update({"name": name, "unit": unit})
    for name, unit in (("q", "1/nm"), ("ring_q", "1/nm"), ("azimuth", "deg")):
        group["ainerd"][name].attrs["unit"] = unit
    group.attrs["hash"] = digest.hexdigest()  # pyXpcsViewer tells maps apart by it
    group.attrs["version"] = "ainerd-agent"


def _regions(partition: Partition, ring_q: FloatArray) -> dict[str, Any]:
    """The dynamic and static regions, with q and phi of each, under the names of APS."""
    bins = partition.bins
    # Bins that are no grid are the diagonal of one, in which each has a row and a column of its own.
    grid = partition.grid or Grid(len(bins), len(bins), np.arange(len(bins)) * (len(bins) + 1))
    row, column = np.divmod(grid.place, grid.n_azimuth)
    phi = np.full(grid.n_azimuth, np.nan)
    phi[column] = (180 - bins.azimuth) % 360 - 180
    static, place, ring = _static_regions(partition, grid)
    return {
        "mask": partition.labels > 0,
        "dynamic_roi_map": partition.labels,
        "dynamic_num_pts": np.array([grid.n_q, grid.n_azimuth]),
        "dynamic_index_mapping": grid.place,
        "dynamic_v_list_dim0": _row_means(row, bins.q, bins.n_pixels, grid.n_q) / 10,
        "dynamic_v_list_dim1": phi,
        "static_roi_map": static,
        "static_num_pts": np.array([len(ring), grid.n_azimuth]),
        "static_index_mapping": place,
        "static_v_list_dim0": ring_q[ring - 1] / 10,
        "static_v_list_dim1": phi,
        "map_names": ["q", "phi"],
        "map_units": ["Å⁻¹", "deg"],
    }


def _static_regions(partition: Partition, grid: Grid) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Cut the rings where a bin ends.

    Returns
    -------
    regions : ndarray of int32, shape (H, W)
        From 1; 0 is ignored.
    place : ndarray of int, shape (n_regions,)
        Of each region in a grid that has the columns of `grid`. Its rows are the rings; one that lies in several q
        rings has as many rows.
    ring : ndarray of int, shape (n_rows,)
        From 1.
    """
    used = np.flatnonzero(partition.labels)
    bin_place = grid.place[partition.labels.ravel()[used] - 1]
    ring_and_row = partition.rings.ravel()[used].astype(np.int64) * grid.n_q + bin_place // grid.n_azimuth
    rows, row = np.unique(ring_and_row, return_inverse=True)
    place, region = np.unique(row * grid.n_azimuth + bin_place % grid.n_azimuth, return_inverse=True)
    return paint(partition.labels.shape, used, region + 1), place, rows // grid.n_q


def _row_means(row: NDArray[np.int64], values: FloatArray, weights: NDArray[np.int64], n_rows: int) -> FloatArray:
    """Weighted mean of the bins in each row of a grid; NaN for a row without bins."""
    total = np.bincount(row, weights=weights, minlength=n_rows)
    mean: FloatArray = np.full(n_rows, np.nan)
    np.divide(np.bincount(row, weights=values * weights, minlength=n_rows), total, out=mean, where=total > 0)
    return mean
