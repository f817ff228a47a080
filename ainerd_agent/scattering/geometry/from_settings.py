"""Bins of a detector as the settings describe them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import BinError
from ainerd_agent.scattering.geometry.aps_partition import read_partition_map
from ainerd_agent.scattering.geometry.detector import DetectorGeometry, Geometry, PoniGeometry, describe
from ainerd_agent.scattering.geometry.labels import label_bins
from ainerd_agent.scattering.geometry.masks import HDF5_ENDINGS, load_image, load_mask
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.scattering.geometry.sectors import azimuthal_bins
from ainerd_agent.settings import GeometrySettings, Settings


def bins_from_settings(
    settings: Settings,
    *,
    geometry: DetectorGeometry | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Callable[[tuple[int, int]], Partition]:
    """Give what makes the bins for a detector shape (H, W). Files are read now, not with the first frames.

    Parameters
    ----------
    settings : Settings
    geometry : DetectorGeometry, optional
        Instead of the one in the settings.
    mask : ndarray of bool, shape (H, W), optional
        True where a pixel must not be used: gaps, the beam stop, hot pixels. In addition to that in the settings.

    Raises
    ------
    BinError
        Where there is neither a geometry nor a partition map; a PONI file, mask or map that cannot be read; a map whose
        bins hold no pixel.
    """
    bins = settings.bins
    if geometry is None and settings.geometry is not None:
        geometry = _geometry(settings.geometry)
    if bins.mask is not None:
        from_file = load_mask(bins.mask, marks=bins.mask_marks)
        if mask is not None and mask.shape != from_file.shape:
            raise BinError(f"the mask {bins.mask} has the shape {from_file.shape}, the other mask {mask.shape}")
        mask = from_file if mask is None else from_file | mask
    if bins.partition is not None:
        if Path(bins.partition).suffix.lower() in HDF5_ENDINGS:
            partition = read_partition_map(bins.partition, geometry=geometry, mask=mask, empty=bins.empty)
        else:
            partition = label_bins(load_image(bins.partition), geometry=geometry, mask=mask, empty=bins.empty)
        return partition.fitting
    if geometry is None:
        raise BinError(
            "the geometry of the detector is not known: set poni, or centre_row, centre_column and distance, under "
            "[geometry] in ainerd.toml"
        )
    return partial(
        azimuthal_bins,
        geometry,
        q_range=(bins.q_min, bins.q_max),
        n_q=bins.n_q,
        n_bins=bins.n_bins,
        first_azimuth=bins.first_azimuth,
        mask=mask,
        empty=bins.empty,
    )


def describe_bins(settings: Settings, geometry: DetectorGeometry | None = None) -> dict[str, Any]:
    """Where the detector stood, and SHA-256 of the files that its bins were made from: a file may change later."""
    given = geometry is not None
    if geometry is None and settings.geometry is not None:
        geometry = _geometry(settings.geometry)
    files = {
        "poni": None if given or settings.geometry is None else settings.geometry.poni,
        "mask": settings.bins.mask,
        "partition": settings.bins.partition,
    }
    return {
        **({} if geometry is None else describe(geometry)),
        **{
            f"{name}_sha256": hashlib.sha256(Path(str(file).partition("::")[0]).read_bytes()).hexdigest()
            for name, file in files.items()
            if file is not None
        },
    }


def _geometry(given: GeometrySettings) -> DetectorGeometry:
    if given.poni is not None:
        return PoniGeometry.load(given.poni)
    if given.centre_row is None or given.centre_column is None or given.distance is None:
        raise BinError("without poni, centre_row, centre_column and distance must be given under [geometry]")
    return Geometry(
        centre=(given.centre_row, given.centre_column),
        distance=given.distance,
        pixel_size=given.pixel_size,
        wavelength=given.wavelength,
    )
