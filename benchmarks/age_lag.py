"""The correlation over age and lag: whether its errors hold, on simulated speckle whose dynamics are known.

    python benchmarks/age_lag.py [--quick]

Photons (one per pixel and frame) on speckle of full contrast with g1 = exp(-lag / tau), bins of 32 x 32 pixels, movies
of 4,000 frames, 16 ages, 8 groups. `still` has one tau; in `ageing` tau grows e^1.2 times. Movies of the second table
have 256 frames. Null: errors that are right give 0.95 and 1.00.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from tables import Row, Table

from ainerd_agent.scattering import AgeLagCorrelation, Ages, TwoTimeStream, fit_ages

SIDE = 32


def correlated(tau: NDArray[np.float64], n_bins: int, seed: int) -> AgeLagCorrelation:
    """A movie of speckle, correlated while it is made."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(1, n_bins + 1), SIDE)[:, None] * np.ones(SIDE, dtype=int)
    stream = TwoTimeStream(labels, len(tau), size=16, ages=Ages())
    field = random.standard_normal((2, *labels.shape), dtype=np.float32)
    for each in tau:
        keep = np.float32(np.exp(-1 / each))
        fresh = random.standard_normal(field.shape, dtype=np.float32)
        field = keep * field + np.sqrt(1 - keep**2) * fresh
        stream.add(random.poisson((field**2).sum(axis=0) / 2).astype(np.uint8)[None])
    found = stream.result().age_lag
    if found is None:
        raise ValueError("ages were asked for")
    return found


def coverage(name: str, tau: NDArray[np.float64], n_bins: int, seeds: range) -> list[str]:
    """How often two errors hold the relaxation time, and how wide they are beside a fit whose exponent is known."""
    away, wide, rates, one = [], [], [], []
    for seed in seeds:
        correlation = correlated(tau, n_bins, seed)
        free, known = fit_ages(correlation), fit_ages(correlation, exponent=1.0)
        truth = np.interp(free.ages, np.arange(len(tau)), tau)
        away.append((free.tau - truth) / free.tau_error)
        wide.append(free.tau_error / known.tau_error)
        slope = np.log(tau[-1] / tau[0]) / len(tau)
        rates.append((free.ageing_rate - slope) / free.ageing_rate_error)
        one.append(free.one_tau)
    z = np.concatenate(away).ravel()
    held = np.abs(z[np.isfinite(z)]) < 2
    # ages of one bin are taken as one observation, so that the interval is not too narrow
    by_bin = (np.abs(np.concatenate(away)) < 2).mean(axis=1)
    interval = 1.96 * by_bin.std(ddof=1) / np.sqrt(len(by_bin))
    return [
        name,
        f"{np.isfinite(z).sum()} of {z.size}",
        f"{held.mean():.3f} +- {interval:.3f}",
        f"{np.nanmedian(np.concatenate(wide)):.2f}",
        f"{(np.abs(np.concatenate(rates)) < 2).mean():.2f}",
        f"{(np.concatenate(one) < 0.05).mean():.2f}",
    ]


def scatter(n_bins: int, seeds: range) -> Table:
    """Scatter of the values over bins, by their rms error, at each lag."""
    movies = [correlated(np.full(256, 10.0), n_bins, seed) for seed in seeds]
    values = np.concatenate([each.values for each in movies])
    errors = np.concatenate([each.errors for each in movies])
    ratio = values.std(axis=0, ddof=1) / np.sqrt((errors**2).mean(axis=0))
    table = Table(
        f"Scatter over {len(values)} bins by rms error (interval +- {1.96 / np.sqrt(2 * len(values)):.2f})",
        ["lag", "lowest of the ages", "mean", "highest"],
    )
    for lag, column in zip(movies[0].lags, ratio.T, strict=True):
        known = column[np.isfinite(column)]
        cells = [f"{lag:.0f}", f"{known.min():.3f}", f"{known.mean():.3f}", f"{known.max():.3f}"]
        table.add(Row(cells))
    return table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute")
    given = parser.parse_args()
    time = np.arange(4000)
    kinds = {"still": np.full(4000, 60.0), "ageing": 40 * np.exp(1.2 * time / 4000)}
    table = Table(
        "Relaxation time at each age",
        ["movie", "fitted", "within two errors", "width / known exponent", "rate within two", "one tau below 5 %"],
    )
    for name, tau in kinds.items():
        table.add(Row(coverage(name, tau, 24, range(1 if given.quick else 4))))
    table.show()
    scatter(20 if given.quick else 50, range(5 if given.quick else 42)).show()


if __name__ == "__main__":
    main()
