"""Positions that may be suggested: a space-filling start, and a grid of candidates."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.protocol import NoSuggestionError
from ainerd_agent.records import FloatArray

N_PER_AXIS = 71
"""Candidates along each axis."""

N_ALTERNATIVES = 3
ALTERNATIVES_APART = 0.2
"""Distance between alternatives, in units of the sample's length: neighbours of the best one are no alternatives."""


class Candidates:
    """A grid over the limits, and the design to begin with.

    Parameters
    ----------
    limits : Limits
    n_start : int
        Positions of the start; there are fewer where no more fit.
    seed : int

    Raises
    ------
    ValueError
        Everything is forbidden.
    """

    def __init__(self, limits: Limits, n_start: int, seed: int) -> None:
        self._limits = limits
        axes = [np.linspace(first, last, N_PER_AXIS) for first, last in zip(limits.low, limits.high, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        self._grid: FloatArray = grid[limits.allowed(grid)]
        if not len(self._grid):
            raise ValueError(f"the forbidden regions leave no room within the limits: {limits.forbidden}")
        self.start = self._filling(n_start, seed)

    def free(self, exposed: FloatArray) -> FloatArray:
        """Those that may be suggested where the spots (m, 2) were exposed, shape (n, 2).

        Raises
        ------
        NoSuggestionError
            There are none.
        """
        free = self._grid[self._limits.allowed(self._grid, exposed)]
        if not len(free):
            raise NoSuggestionError(
                f"every candidate is within {self._limits.exclusion:g} mm of an exposed spot, or forbidden: the sample "
                "is used up; move to a fresh one or allow a smaller distance"
            )
        return np.asarray(free)

    def is_free(self, position: FloatArray, exposed: FloatArray) -> bool:
        """Whether a position (2,) may be suggested where the spots (m, 2) were exposed."""
        return bool(self._limits.allowed(position[None], exposed)[0])

    def best_apart(self, positions: FloatArray, score: FloatArray) -> list[int]:
        """The best of some positions, and the best ones that are not its neighbours or one another's."""
        left = score.copy()
        found: list[int] = []
        while len(found) <= N_ALTERNATIVES and np.isfinite(left).any():
            found.append(int(np.nanargmax(left)))
            near = np.linalg.norm(positions - positions[found[-1]], axis=1) < ALTERNATIVES_APART * self._limits.extent
            left[near] = -np.inf
        return found

    def _filling(self, n: int, seed: int) -> FloatArray:
        """A Sobol sequence, less what is forbidden or too close to a point before; where it ends, any candidates."""
        sobol = qmc.Sobol(2, rng=seed).random(_power_of_two(16 * n))
        points = qmc.scale(sobol, self._limits.low, self._limits.high)
        left = np.concatenate([points, np.random.default_rng(seed).permutation(self._grid)])
        left = left[self._limits.allowed(left)]
        chosen: list[FloatArray] = []
        while len(chosen) < n and len(left):
            chosen.append(left[0])
            left = left[np.linalg.norm(left - left[0], axis=1) > self._limits.exclusion]
        return np.array(chosen)


def _power_of_two(count: int) -> int:
    """The least power of two that is not below `count`: Sobol points are balanced in such numbers only."""
    return 1 << max(0, count - 1).bit_length()
