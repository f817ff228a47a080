"""The age-lag maps of a run in one array, also where its measurements differ in length and frame time.

Ages are kept in parts of the exposure, and lags in frames: so two lists are the axes of all measurements of a run. A
longer movie has lags that no other one had: they come behind those that are there, so that what was written stays where
it is. A lag that a measurement lacks is NaN there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import CatalogError
from ainerd_agent.records import AgeLagMap, Fingerprints, FloatArray
from ainerd_agent.records.arrays import IntArray

SAME = 1e-9
"""Relative difference of two lags, and difference of two ages in parts of the exposure, that is rounding."""

VALUE, ERROR = range(2)
"""Places along the axis `what`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgeLagAxes:
    """The axes of the age-lag maps of a run.

    Attributes
    ----------
    ages : ndarray, shape (n_ages,)
        Middle of each section, in parts of the duration of the measurement.
    lags : ndarray, shape (n_lags,)
        In frames; of a measurement whose frame time is not known, in parts of its duration. In the order in which they
        came.
    """

    ages: FloatArray
    lags: FloatArray

    def placed(self, of: Fingerprints) -> NDArray[np.float32] | None:
        """The map of a measurement on these axes, which must have its lags.

        Returns
        -------
        ndarray of float32, shape (n_bins, 2, n_ages, n_lags), or None
            Values and errors; NaN at lags that it lacks. None where it has no map.
        """
        if of.age_lag is None:
            return None
        found = np.full((len(of.bins), 2, len(self.ages), len(self.lags)), np.nan, np.float32)
        at = _places(self.lags, _in_own_units(of, of.age_lag)[1])
        found[..., at] = np.stack([of.age_lag.values, of.age_lag.errors], axis=1)  # at VALUE and ERROR
        return found

    def restored(self, stored: NDArray[np.float32], duration: float, frame_time: float | None) -> AgeLagMap | None:
        """The inverse of `placed`: a map on its own axes, without the lags at which nothing is known.

        Parameters
        ----------
        stored : ndarray of float32, shape (n_bins, 2, n_ages, n)
            What is behind the lags of these axes does not count.
        duration, frame_time : float
            Of the measurement, seconds.

        Returns
        -------
        AgeLagMap or None
            None where the measurement has no map.
        """
        values, errors = stored[:, VALUE, :, : len(self.lags)], stored[:, ERROR, :, : len(self.lags)]
        known = np.flatnonzero(~np.isnan(values).all(axis=(0, 1)))
        if not known.size:
            return None
        chosen = known[np.argsort(self.lags[known])]
        return AgeLagMap(
            values=values[..., chosen],
            errors=errors[..., chosen],
            ages=self.ages * duration,
            lags=self.lags[chosen] * (duration if frame_time is None else frame_time),
        )


def with_axes_of(axes: AgeLagAxes | None, new: Iterable[Fingerprints]) -> AgeLagAxes | None:
    """The axes of a run with further measurements; None as long as none has a map.

    Raises
    ------
    CatalogError
        A map has other sections of age than those of the run, or axes that are no ages and lags of an exposure.
    """
    for f in new:
        if f.age_lag is None:
            continue
        ages, lags = _in_own_units(f, f.age_lag)
        if axes is None:
            axes = AgeLagAxes(ages=ages, lags=lags)
            continue
        if ages.shape != axes.ages.shape or not np.allclose(ages, axes.ages, rtol=0, atol=SAME):
            raise CatalogError(
                f"Measurement {f.origin.events} of run {f.origin.raw_uid} is divided into {len(ages)} sections of age "
                f"other than the {len(axes.ages)} of the measurements before it. All of a run need the same: set "
                "`ages` under [correlation] as it was, or 0 for no age-lag maps."
            )
        lacking = lags[_places(axes.lags, lags) < 0]
        if lacking.size:
            axes = replace(axes, lags=np.concatenate([axes.lags, lacking]))
    return axes


def _in_own_units(of: Fingerprints, found: AgeLagMap) -> tuple[FloatArray, FloatArray]:
    """Ages in parts of the duration, and lags in frames (or parts of the duration), of a measurement with a map."""
    duration, frame_time = of.duration, of.origin.exposure.frame_time
    unit = duration if frame_time is None else frame_time
    shape = (len(of.bins), len(found.ages), len(found.lags))
    if found.values.shape != shape or found.errors.shape != shape:
        raise CatalogError(
            f"The age-lag map of measurement {of.origin.events} of run {of.origin.raw_uid} has the shape "
            f"{found.values.shape}, its errors {found.errors.shape}; by its bins, ages and lags it would be {shape}."
        )
    # Also false for NaN
    if not (0 < duration < np.inf and 0 < unit < np.inf and _rises(found.ages) and _rises(found.lags)):
        raise CatalogError(
            f"The age-lag map of measurement {of.origin.events} of run {of.origin.raw_uid} cannot be kept: its ages "
            "and lags must rise, in seconds, and the duration of the exposure must be known. Leave age_lag out where "
            "they are not known."
        )
    lags = found.lags / unit
    whole = np.round(lags)
    return found.ages / duration, np.where(np.abs(lags - whole) <= SAME * whole, whole, lags)


def _rises(axis: FloatArray) -> bool:
    return bool(axis.size and np.isfinite(axis).all() and axis[0] >= 0 and (np.diff(axis) > 0).all())


def _places(axis: FloatArray, lags: FloatArray) -> IntArray:
    """Where lags stand along an axis; -1 for those that it lacks."""
    apart = np.abs(lags[:, None] - axis)
    nearest = apart.argmin(axis=1)
    return np.where(apart[np.arange(len(lags)), nearest] <= SAME * lags, nearest, -1)
