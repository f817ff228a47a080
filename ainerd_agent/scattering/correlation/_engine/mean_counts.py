"""<I>: the mean counts that a correlation divides by, and bins that have none."""

from __future__ import annotations

import numpy as np

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout


def ring_means(
    layout: PixelLayout, sums: FloatArray, n_groups: int = 1, cell_size: IntArray | None = None
) -> FloatArray:
    """Mean over the pixels of each cell's ring.

    A ring without a single count has no mean of its own; its bin's is the best there is.

    Parameters
    ----------
    layout : PixelLayout
    sums : ndarray, shape (..., n_cells)
        Over the pixels of each cell.
    n_groups : int
        Consecutive bins of the layout that make up one bin of the detector.
    cell_size : ndarray, shape (n_cells,), optional
        Pixels of each cell that count; all by default.

    Returns
    -------
    ndarray, shape (..., n_cells)
    """
    rings = layout.cell_ring
    total = np.zeros((int(rings.max()) + 1, *sums.shape[:-1]))
    np.add.at(total, rings, np.moveaxis(sums, -1, 0))
    size = layout.cell_size if cell_size is None else cell_size
    of_ring = np.moveaxis(total[rings], 0, -1) / np.maximum(np.bincount(rings, weights=size)[rings], 1)
    in_bin = _joined(layout.sum_cells(sums), n_groups) / _joined(layout.sum_cells(size), n_groups)
    return np.where(of_ring > 0, of_ring, in_bin[..., layout.cell_bin // n_groups])


def refuse_dark(counts: FloatArray, bin_numbers: IntArray, where: str) -> None:
    """Refuse bins without counts.

    Parameters
    ----------
    counts : ndarray, shape (..., n_bins)
        Of each bin; in every one of several parts of a movie, where there are more dimensions.
    bin_numbers : ndarray, shape (n_bins,)
        Their labels.
    where : str
        What the counts are of, as "in 400 frames".
    """
    lit = (counts > 0).reshape(-1, len(bin_numbers)).all(axis=0)
    if not lit.all():
        raise FrameError(
            f"no photon was counted in bin {', '.join(map(str, bin_numbers[~lit]))} {where}: check the shutter, the "
            "beam stop and the mask"
        )


def _joined(of_groups: FloatArray | IntArray, n_groups: int) -> FloatArray:
    """Add up over the groups of each bin, (..., n_bins * n_groups) to (..., n_bins)."""
    return np.asarray(of_groups.reshape(*of_groups.shape[:-1], -1, n_groups).sum(axis=-1), dtype=np.float64)
