"""Nonlinear least squares within bounds, made for small problems that must be done at once.

Levenberg's and Marquardt's method on the normal equations: no more than a few matrix products a step. A parameter that
stands at its bound and wants to go further is held there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ainerd_agent.records import FloatArray

Model = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Weighted residuals, shape (n,), and their slopes by the parameters, shape (n, n_parameters)."""

TOLERANCE = 1e-8
"""Relative decrease of the sum of squares below which a minimum is reached."""

UNKNOWN = 1e-13
"""Share of the largest eigenvalue of the normal equations below which a combination of parameters is not determined."""


@dataclass(frozen=True, slots=True, eq=False)
class Minimum:
    """Where the sum of squares is smallest.

    Attributes
    ----------
    values : ndarray, shape (n_parameters,)
    slopes : ndarray, shape (n, n_parameters)
        Of the residuals, there.
    cost : float
        Sum of squares.
    reached : bool
        False where the steps did not suffice.
    """

    values: FloatArray
    slopes: FloatArray
    cost: float
    reached: bool


def minimise(model: Model, start: FloatArray, low: FloatArray, high: FloatArray, *, max_steps: int = 100) -> Minimum:
    """Find the minimum near `start`, within `low` and `high`, each of shape (n_parameters,)."""
    values = np.clip(start, low, high)
    residuals, slopes = model(values)
    cost = float(residuals @ residuals)
    damping = 1e-3
    for _ in range(max_steps):
        gradient, normal = slopes.T @ residuals, slopes.T @ slopes
        scale = np.sqrt(np.maximum(np.diag(normal), 1e-12 * max(float(np.diag(normal).max()), 1e-300)))
        free = ~(((values <= low) & (gradient > 0)) | ((values >= high) & (gradient < 0)))
        scaled = (normal / np.outer(scale, scale))[np.ix_(free, free)]
        right = -(gradient / scale)[free]
        decrease = 0.0
        while damping < 1e12:
            step = np.zeros(len(values))
            step[free] = np.linalg.solve(scaled + damping * np.eye(len(right)), right) / scale[free]
            tried = np.clip(values + step, low, high)
            told = model(tried)
            tried_cost = float(told[0] @ told[0])
            if tried_cost <= cost:
                decrease = cost - tried_cost
                values, (residuals, slopes), cost = tried, told, tried_cost
                damping = max(damping / 5, 1e-9)
                break
            damping *= 4
        if decrease <= TOLERANCE * cost:
            return Minimum(values, slopes, cost, True)
    return Minimum(values, slopes, cost, False)


def moved_by(slopes: FloatArray, changes: FloatArray) -> FloatArray:
    """How the minimum moves when the (weighted) data change, to first order.

    Parameters
    ----------
    slopes : ndarray, shape (n, n_parameters)
    changes : ndarray, shape (n, m)

    Returns
    -------
    ndarray, shape (n_parameters, m)
        NaN for parameters that the data do not determine, because others can take their place.
    """
    scale = np.sqrt((slopes**2).sum(axis=0))
    scale[scale == 0] = 1
    unit = slopes / scale
    strength, directions = np.linalg.eigh(unit.T @ unit)
    known = strength > len(strength) * UNKNOWN * strength[-1]
    inverse = (directions[:, known] / strength[known]) @ directions[:, known].T
    moved = inverse @ (unit.T @ changes) / scale[:, None]
    moved[(directions[:, ~known] ** 2).sum(axis=1) > UNKNOWN**0.5] = np.nan
    return np.asarray(moved)
