"""The fluctuations that are multiplied to a map, made from folded frames; compiled by numba."""

from __future__ import annotations

from ainerd_agent.scattering.correlation._engine.kernels import Array, compiled


@compiled
def normalise(folded: Array, start: int, weight: Array, mean: Array, out: Array) -> None:
    """Put `folded[:, start:]` / (`weight` * `mean`) - 1 into `out` (rows, pixels)."""
    inverse = 1 / mean
    for i in range(len(weight)):
        factor = 1 / weight[i]
        values, row = folded[i, start : start + len(mean)], out[i]
        for j in range(len(inverse)):
            row[j] = values[j] * (factor * inverse[j]) - 1
