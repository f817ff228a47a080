"""Positions that may be suggested: a space-filling start, and candidates on every sample."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree
from scipy.stats import qmc

from ainerd_agent.agent.limits import Limits
from ainerd_agent.agent.protocol import NoSuggestionError
from ainerd_agent.agent.samples import Part
from ainerd_agent.records import FloatArray

N_PER_AXIS = 71
"""Candidates along each of two axes."""

N_CANDIDATES = N_PER_AXIS**2
"""Candidates in all, shared by the samples that have no wells."""

N_ALONG_ONE, N_LEAST = 1001, 64
"""Candidates along a single axis, and on each sample at least."""

N_TRIED = 2**16
"""Positions that are tried before a sample is taken to have no room."""

N_ALTERNATIVES = 3
ALTERNATIVES_APART = 0.2
"""Distance between alternatives, in units of the sample's length: neighbours of the best one are no alternatives."""


class Candidates:
    """Candidates within the limits, and the design to begin with.

    Two axes have a grid, one has equal steps, more have a Sobol sequence; a sample with wells has these.

    Parameters
    ----------
    limits : Limits
    n_start : int
        Positions of the start; there are fewer where no more fit. With several samples, one on each at least.
    seed : int

    Raises
    ------
    ValueError
        Everything is forbidden, on one of the samples.
    """

    def __init__(self, limits: Limits, n_start: int, seed: int) -> None:
        self._limits = limits
        n_without_wells = sum(part.wells is None for part in limits.parts)
        share = max(N_LEAST, N_CANDIDATES // max(1, n_without_wells))
        places = [_places(part, share, _seed(seed, number)) for number, part in enumerate(limits.parts)]
        for part, each in zip(limits.parts, places, strict=True):
            if not len(each):
                of = f" of sample {part.name}" if part.name else ""
                raise ValueError(f"the forbidden regions leave no room within the limits{of}: {part.forbidden}")
        self._grid: FloatArray = np.concatenate(places)
        self.start = self._in_turn(
            [self._filling(number, each, n_start, _seed(seed, number)) for number, each in enumerate(places)],
            max(n_start, len(places)),
        )

    def free(self, exposed: FloatArray) -> FloatArray:
        """Those that may be suggested where the spots (m, n_axes) were exposed, shape (n, n_axes).

        Raises
        ------
        NoSuggestionError
            There are none.
        """
        free = self._grid[self._limits.allowed(self._grid, exposed)]
        if not len(free):
            near = self._limits.exclusion_in_words
            gone = f"is within {near} of an exposed spot" if near else "was measured"
            raise NoSuggestionError(
                f"every candidate {gone}, or forbidden: the sample is used up; move to a fresh one or allow a smaller "
                "distance"
            )
        return np.asarray(free)

    def is_free(self, position: FloatArray, exposed: FloatArray) -> bool:
        """Whether a position (n_axes,) may be suggested where the spots (m, n_axes) were exposed."""
        return bool(self._limits.allowed(position[None], exposed)[0])

    def best_apart(self, positions: FloatArray, score: FloatArray) -> list[int]:
        """The best of some positions, and the best ones that are not its neighbours or one another's."""
        left, where = score.copy(), self._limits.coordinates(positions)
        found: list[int] = []
        while len(found) <= N_ALTERNATIVES and np.isfinite(left).any():
            found.append(int(np.nanargmax(left)))
            near = np.linalg.norm(where - where[found[-1]], axis=1) < ALTERNATIVES_APART * self._limits.extent
            left[near | (np.arange(len(left)) == found[-1])] = -np.inf
        return found

    def most_distant(self, free: FloatArray, spots: FloatArray) -> tuple[FloatArray, float]:
        """Of candidates (n, n_axes), the one (n_axes,) that is the farthest from any exposed spot, and how far.

        The distance is one of coordinates (`Limits.coordinates`); infinite where there are no spots.
        """
        if not len(spots):
            return free[0], np.inf
        distance = KDTree(self._limits.coordinates(spots)).query(self._limits.coordinates(free))[0]
        best = int(distance.argmax())
        return free[best], float(distance[best])

    def _filling(self, number: int, places: FloatArray, n: int, seed: int | list[int]) -> FloatArray:
        """Positions that fill one sample, the first ones already evenly."""
        part = self._limits.parts[number]
        most = n if part.sample is None or part.sample.measurements is None else min(n, part.sample.measurements)
        one_way = self._limits.space.one_way
        if part.wells is not None:
            left = _maximin(self._limits, places, seed)
        else:
            left = np.concatenate([_sobol(part, _power_of_two(16 * n), seed), _shuffled(places, seed)])
        if one_way.any():
            # It begins where such an axis begins: what it has passed cannot be measured any more.
            first = left[:, one_way].min(axis=0) if part.wells is not None else part.low[one_way]
            if part.wells is None:
                left[:, one_way] = first
            left = left[(left[:, one_way] == first).all(axis=1)]
        left = left[self._limits.allowed(left)]
        chosen: list[FloatArray] = []
        while len(chosen) < most and len(left):
            chosen.append(left[0])
            left = left[self._limits.clear_of(left, left[0])]
        return np.array(chosen).reshape(-1, len(self._limits.low))

    def _in_turn(self, designs: list[FloatArray], n: int) -> FloatArray:
        """One position of each sample after the other."""
        if len(designs) == 1:
            return designs[0]
        rounds = max(len(each) for each in designs)
        mixed = [each[number] for number in range(rounds) for each in designs if number < len(each)]
        chosen: list[FloatArray] = []
        for position in mixed:
            if len(chosen) < n and (not chosen or self._limits.allowed(position[None], np.array(chosen))[0]):
                chosen.append(position)
        return np.array(chosen).reshape(-1, len(self._limits.low))


def _places(part: Part, share: int, seed: int | list[int]) -> FloatArray:
    """Candidates on a sample, less those that are forbidden, shape (n, n_axes)."""
    if part.wells is not None:
        return np.asarray(part.wells)
    free = np.flatnonzero(part.high > part.low)
    if len(free) > 2:
        n = _power_of_two(share)
        found = _sobol(part, n, seed)
        found = found[~part.forbids(found)]
        if not len(found):
            found = _sobol(part, N_TRIED, seed)
            found = found[~part.forbids(found)][:n]
        return np.asarray(found)
    n_along = {0: 1, 1: min(share, N_ALONG_ONE), 2: int(np.sqrt(share))}[len(free)]
    axes = [np.linspace(low, high, n_along if high > low else 1) for low, high in zip(part.low, part.high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    return np.asarray(grid[~part.forbids(grid)])


def _sobol(part: Part, n: int, seed: int | list[int]) -> FloatArray:
    """A Sobol sequence over the limits of a sample, shape (n, n_axes); axes that are fixed stay so."""
    points = np.tile(part.low, (n, 1))
    free = part.high > part.low
    if free.any():
        rng = seed if isinstance(seed, int) else np.random.default_rng(seed)
        sobol = qmc.Sobol(int(free.sum()), rng=rng).random(n)
        points[:, free] = qmc.scale(sobol, part.low[free], part.high[free])
    # Rounding may leave the limits by the last digit.
    return np.asarray(np.clip(points, part.low, part.high))


def _maximin(limits: Limits, wells: FloatArray, seed: int | list[int]) -> FloatArray:
    """Wells in an order in which each is the farthest from those before it; chance chooses the first one."""
    where = limits.coordinates(wells)
    order = [int(np.random.default_rng(seed).integers(len(wells)))]
    nearest = np.full(len(wells), np.inf)
    while len(order) < len(wells):
        nearest = np.minimum(nearest, np.linalg.norm(where - where[order[-1]], axis=1))
        nearest[order] = -1.0
        order.append(int(nearest.argmax()))
    return np.asarray(wells[order])


def _shuffled(places: FloatArray, seed: int | list[int]) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).permutation(places))


def _seed(seed: int, number: int) -> int | list[int]:
    """One for each sample; that of a single one is the agent's."""
    return [seed, number] if number else seed


def _power_of_two(count: int) -> int:
    """The least power of two that is not below `count`: Sobol points are balanced in such numbers only."""
    return 1 << max(0, count - 1).bit_length()
