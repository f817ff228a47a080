"""The agent: from the measurements so far to the next position."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import qmc

from ainerd_agent.agent.acquisition import BeamtimeCost, ExpectedNovelty, expected_novelty
from ainerd_agent.agent.surrogate import Surrogate
from ainerd_agent.errors import AinerdError
from ainerd_agent.records import Analysis, FloatArray, Suggestion

GRID = 41
"""Candidates along each axis."""


class NoSuggestionError(AinerdError):
    """Every candidate was measured or is too close to an exposed spot."""


class NoveltyAgent:
    """Suggests the position whose dynamics are expected to be the least like anything seen, per second of beamtime.

    It starts with a space-filling design. Then a gaussian process maps positions to latents, and each candidate is
    scored by the expected distance of its latents from the archive, over the seconds it costs. The same seed and the
    same measurements give the same suggestions.

    Parameters
    ----------
    limits : mapping
        Lowest and highest position of "x" and "y", mm. No suggestion leaves them.
    cost : BeamtimeCost
    n_start : int
        Positions of the space-filling start.
    exclusion : float
        No position is suggested closer than this to an exposed spot, mm (radiation damage).
    repeatability : float
        Distance between latents of repeated measurements: the unit of novelty.
    model : str
        Name of the latent model.
    seed : int
    """

    def __init__(
        self,
        limits: Mapping[str, tuple[float, float]],
        cost: BeamtimeCost,
        *,
        n_start: int = 5,
        exclusion: float = 0.1,
        repeatability: float = 1.0,
        model: str = "",
        seed: int = 0,
    ) -> None:
        self._low, self._high = np.array([limits["x"], limits["y"]], dtype=np.float64).T
        if not np.all(self._high > self._low):
            raise ValueError(f"limits {dict(limits)} leave no room: the second of each pair must be the larger")
        if n_start < 1:
            raise ValueError(f"the space-filling start needs at least one position, got {n_start}")
        self._cost = cost
        self._exclusion = exclusion
        self._repeatability = repeatability
        self._model = model
        self._seed = seed
        self._start = qmc.scale(qmc.Sobol(2, rng=seed).random(_power_of_two(n_start))[:n_start], self._low, self._high)
        axes = [np.linspace(low, high, GRID) for low, high in zip(self._low, self._high, strict=True)]
        self._candidates = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        self._exposed: list[FloatArray] = []  # measured or about to be
        self._positions: list[FloatArray] = []
        self._latents: list[FloatArray] = []
        self._inputs: list[str] = []

    @property
    def n_start(self) -> int:
        """Positions of the space-filling start."""
        return len(self._start)

    @property
    def needs_results(self) -> bool:
        """Whether the next suggestion depends on the measurements before it: not in the space-filling start."""
        return len(self._exposed) >= len(self._start)

    def suggest(self) -> Suggestion:
        """The next position, which counts as exposed from now on.

        Raises
        ------
        NoSuggestionError
            Where the sample has no unexposed candidate left.
        """
        number = len(self._exposed)
        if number < len(self._start):
            return self._suggestion(
                self._start[number], reason=f"space-filling start, {number + 1} of {len(self._start)}"
            )
        free = self._free_candidates()
        if not len(free):
            raise NoSuggestionError(
                f"every candidate is within {self._exclusion:g} mm of an exposed spot: the sample is used up; "
                "move to a fresh one or allow a smaller distance"
            )
        rng = np.random.default_rng([self._seed, number])
        cost = self._cost(self._exposed[-1], free)
        if len(self._positions) < 2:
            return self._far_away(free, cost)
        surrogate = Surrogate(float((self._high - self._low).max()), self._seed)
        surrogate.fit(np.array(self._positions), np.array(self._latents, dtype=np.float32))
        novelty = expected_novelty(surrogate.predict(free), surrogate.archive, rng)
        novelty = ExpectedNovelty(novelty.mean / self._repeatability, novelty.std / self._repeatability)
        score = novelty.mean / cost
        best = int(score.argmax())
        nearest = np.linalg.norm(np.array(self._positions) - free[best], axis=1).min()
        return self._suggestion(
            free[best],
            reason=(
                f"novelty {novelty.mean[best]:.1f} ± {novelty.std[best]:.1f} expected, {nearest:.1f} mm from any spot"
            ),
            expected_novelty=float(novelty.mean[best]),
            uncertainty=float(novelty.std[best]),
            cost=float(cost[best]),
            score=float(score[best]),
        )

    def ingest(self, suggestion: Suggestion, analysis: Analysis | None) -> float:
        """Learn what became of a suggestion.

        Parameters
        ----------
        suggestion : Suggestion
        analysis : Analysis or None
            None where the measurement failed. Its spot is not suggested again.

        Returns
        -------
        float
            Novelty found: distance to the nearest earlier measurement (root mean square over the bins) in units of the
            repeatability, to be held against what was expected. NaN for the first and for a failed one.
        """
        if analysis is None or not np.isfinite(analysis.latents).all():
            return float("nan")
        # Over the root of the bins, so that a distance between measurements is a typical distance between maps.
        position = np.array([suggestion.position["x"], suggestion.position["y"]])
        latents = analysis.latents.astype(np.float64).ravel() / np.sqrt(len(analysis.latents))
        nearest = min((float(np.linalg.norm(latents - seen)) for seen in self._latents), default=float("nan"))
        self._positions.append(position)
        self._latents.append(latents)
        self._inputs.append(f"{analysis.origin.raw_uid}/{analysis.origin.seq_num}")
        return nearest / self._repeatability

    def _free_candidates(self) -> FloatArray:
        exposed = np.array(self._exposed)
        distance = np.linalg.norm(self._candidates[:, None] - exposed[None], axis=-1).min(axis=1)
        return np.asarray(self._candidates[distance > self._exclusion])

    def _far_away(self, free: FloatArray, cost: FloatArray) -> Suggestion:
        """The most distant candidate, as long as too little succeeded to learn from."""
        distance = np.linalg.norm(free[:, None] - np.array(self._exposed)[None], axis=-1).min(axis=1)
        best = int(distance.argmax())
        return self._suggestion(
            free[best],
            reason=f"too few measurements to learn from yet: {distance[best]:.1f} mm from any exposed spot",
            cost=float(cost[best]),
        )

    def _suggestion(
        self,
        position: FloatArray,
        *,
        reason: str,
        expected_novelty: float = float("nan"),
        uncertainty: float = float("nan"),
        cost: float | None = None,
        score: float = float("nan"),
    ) -> Suggestion:
        here = self._exposed[-1] if self._exposed else None
        self._exposed.append(position)
        return Suggestion(
            id=f"{self._seed}-{len(self._exposed)}",
            position={"x": float(position[0]), "y": float(position[1])},
            reason=reason,
            expected_novelty=expected_novelty,
            uncertainty=uncertainty,
            cost=float(self._cost(here, position[None])[0]) if cost is None else cost,
            score=score,
            inputs=tuple(self._inputs),
            model=self._model,
            seed=self._seed,
        )


def _power_of_two(count: int) -> int:
    """The least power of two that is not below `count`: Sobol points are balanced in such numbers only."""
    return 1 << max(0, count - 1).bit_length()
