"""Points measurement by measurement: one row where the points have one per bin, and distances between measurements.

A distance between measurements is the root mean square, over the bins that both have, of the distances between the
latent vectors of these bins. So the direction counts: two anisotropic measurements are alike where each direction is
alike. It is the agent's distance (`ainerd_agent.agent.decision.measured`), in the unit of distances between maps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.columns import latent_columns
from ainerd_agent.catalog.codec.point_columns import POINT_COLUMNS
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import FloatArray

if TYPE_CHECKING:
    import pandas as pd

MEASUREMENT = ("raw_uid", "stream", "seq_num", "last_seq_num")
"""The columns that say which measurement a row is."""

SAME_AZIMUTH = 5.0
"""Degrees by which the centres of a bin may differ between measurements: a quarter of the usual sectors."""

SAME_Q = 0.05
"""The same, as a share of q: a bin's q is the mean over its pixels, which a mask changes a little."""

By = Literal["bin", "measurement"]
"""What a row of an answer is."""

_CHUNK = 100_000

_OF_BINS = {column.name for column in POINT_COLUMNS if column.per_bin} | {"bin", "cluster", "novelty"}


def check_by(by: str) -> None:
    """Refuse what is not one of `By`.

    Raises
    ------
    CatalogError
    """
    if by not in get_args(By):
        raise CatalogError(f'by is "bin" or "measurement", not {by!r}.')


def per_measurement(points: pd.DataFrame) -> pd.DataFrame:
    """One row per measurement, in the order in which they first come.

    Parameters
    ----------
    points : DataFrame
        Rows of points.

    Returns
    -------
    DataFrame
        The columns that are of a measurement as a whole, with `bins`, how many rows it had; `cluster`, that of most of
        them (the slower one of a tie); and `novelty`, the root mean square of the novelties that are known, in
        repeatabilities, NaN where none is.
    """
    known = points.assign(_square=np.square(points["novelty"].astype(float)))
    groups = known.groupby(list(MEASUREMENT), sort=False)
    dropped = [name for name in (*_OF_BINS, *latent_columns(points.columns)) if name in points]
    # The row itself: groupby's own `first` passes over what is not known.
    found = points.drop(columns=dropped)[~points.duplicated(list(MEASUREMENT))].reset_index(drop=True)
    found["bins"] = groups.size().to_numpy()
    found["cluster"] = groups["cluster"].agg(_most).to_numpy()
    found["novelty"] = np.sqrt(groups["_square"].mean().to_numpy(dtype=float))
    return found


def _most(clusters: Any) -> int:
    return int(np.bincount(np.asarray(clusters, dtype=np.int64)).argmax())


def partners(asked: NDArray[Any], others: NDArray[Any]) -> NDArray[np.int64]:
    """The bin of one measurement that bins of others are to be compared with.

    Bins are the same by azimuth and q, not by number: another detector, or other settings, number them otherwise. Where
    neither is known, the number has to do.

    Parameters
    ----------
    asked : ndarray of bin, azimuth (degrees) and q (1/nm), shape (n,)
    others : ndarray of the same, shape (m,)

    Returns
    -------
    ndarray of int, shape (m,)
        Place in `asked`; -1 where there is none.
    """
    # There are few kinds of bins, however many rows.
    kinds, kind = np.unique(np.rec.fromarrays([others[name] for name in ("bin", "azimuth", "q")]), return_inverse=True)
    number, azimuth, q = (np.asarray(kinds[f"f{k}"], dtype=float)[:, None] for k in range(3))
    apart = np.abs((azimuth - asked["azimuth"].astype(float) + 180.0) % 360.0 - 180.0)
    share = np.abs(q - asked["q"].astype(float)) / np.abs(asked["q"].astype(float))
    neither = np.isnan(azimuth) & np.isnan(asked["azimuth"].astype(float))
    no_q = np.isnan(q) & np.isnan(asked["q"].astype(float))
    off = np.where(neither, np.where(number == asked["bin"], 0.0, np.inf), apart / SAME_AZIMUTH)
    off = np.fmax(off, np.where(no_q, 0.0, share / SAME_Q))
    off = np.where(np.isnan(apart) & ~neither | np.isnan(share) & ~no_q, np.inf, off)
    nearest = off.argmin(axis=1)
    nearest[off[np.arange(len(kinds)), nearest] > 1.0] = -1
    return np.asarray(nearest[kind.ravel()], dtype=np.int64)


def distances(
    asked: NDArray[np.float32], latents: NDArray[np.float32], partner: NDArray[np.int64], measurement: NDArray[np.int64]
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Distances of measurements from one.

    Parameters
    ----------
    asked : ndarray, shape (n_bins, n_latents)
    latents : ndarray, shape (m, n_latents)
        Of the others, row by row.
    partner : ndarray of int, shape (m,)
        From `partners`.
    measurement : ndarray of int, shape (m,)
        Which measurement each row is of, from 0.

    Returns
    -------
    distance : ndarray, shape (n_measurements,)
        NaN where less than half of the bins have a partner: that would say little of the whole.
    bins : ndarray of int, shape (n_measurements,)
        Bins that were compared.
    """
    n_measurements, n_bins = int(measurement.max(initial=-1)) + 1, len(asked)
    square, count = np.zeros(n_measurements * n_bins), np.zeros(n_measurements * n_bins, np.int64)
    for first in range(0, len(latents), _CHUNK):
        part = slice(first, first + _CHUNK)
        known = partner[part] >= 0
        bins = partner[part][known]
        apart = np.square(latents[part][known].astype(np.float64) - asked[bins]).sum(axis=1)
        place = measurement[part][known] * n_bins + bins
        square += np.bincount(place, apart, len(square))
        count += np.bincount(place, minlength=len(count))
    # Where several bins of another partition lie in one of these, their mean counts.
    there = count.reshape(n_measurements, n_bins) > 0
    mean = square.reshape(there.shape) / np.maximum(count.reshape(there.shape), 1)
    n_compared = there.sum(axis=1)
    distance = np.sqrt(mean.sum(axis=1) / np.maximum(n_compared, 1))
    return np.where(2 * n_compared >= n_bins, distance, np.nan), n_compared


def numbered(columns: Iterable[NDArray[Any]]) -> NDArray[np.int64]:
    """Number rows by what they have in common in these columns, from 0."""
    rows = np.rec.fromarrays(list(columns))
    return np.asarray(np.unique(rows, return_inverse=True)[1], dtype=np.int64).ravel()
