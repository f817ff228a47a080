"""The correlation over age and lag: whether its errors hold, what averaging does, and what it costs beside C2.

    python benchmarks/age_lag.py [--section errors|bias|cost ...] [--quick] [--markdown FILE]

Photons (one per pixel and frame) on speckle of full contrast with g1 = exp(-lag / tau), bins of 32 x 32 pixels, movies
of 4,000 frames, 16 ages, 8 groups. `still` has one tau; in `ageing` tau grows e^1.2 times. Movies of the second table
have 256 frames. Null: errors that are right give 0.95 and 1.00.

The third table is of the movie of `benchmarks/two_time.py`, whose correlation is known at every moment: what averaging
over lags does to it (the truth averaged, less the truth), and what `AgeLagCorrelation.bias` says, in the mean of 18
bins. Its speckle has a contrast of 1. What it costs is the section `ages` of that benchmark.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import two_time
from measuring import machine, n_processors
from movies import SMALL, bins, blocks_of, write_movie
from numpy.typing import NDArray
from tables import Row, Table, write_figures

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


def bias(n_frames: int, n_ages: int = 16) -> Table:
    """What averaging over lags does to the movie of the two-time benchmark, at ages that have no avalanche."""
    labels = bins(SMALL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.npy"
        write_movie(path, n_frames)
        stream = TwoTimeStream(labels, n_frames, size=16, ages=Ages(n_ages=n_ages))
        for block in blocks_of(path, n_frames):
            stream.add(block)
        found = stream.result().age_lag
    if found is None:
        raise ValueError("ages were asked for")
    log_field = np.concatenate([[0], np.cumsum(-1 / (n_frames * (0.02 + 0.48 * np.arange(n_frames) / n_frames)))])
    table = Table(
        f"What averaging over lags does ({n_frames:,} frames, contrast 1)",
        ["lag", "largest of the ages", "`bias` there", "error there", "marked, of all cells at this lag"],
    )
    for at in range(15, len(found.lags), 4):
        lag, summed = int(found.lags[at]), int(found.summed[at])
        steps = np.arange(1 - summed, summed)
        off = np.full(n_ages, np.nan)
        for age, middle in enumerate(found.ages):
            if abs(middle - 0.6 * n_frames) < n_frames / n_ages + lag or found.n_pairs[age, at] == 0:
                continue
            ends = middle + (lag + steps) / 2, middle - (lag + steps) / 2
            if ends[0].max() >= n_frames or ends[1].min() < 0:
                continue
            late, early = (np.interp(each, np.arange(n_frames + 1), log_field) for each in ends)
            truth = np.exp(2 * (late - early))
            off[age] = np.average(truth, weights=summed - np.abs(steps)) - truth[summed - 1]
        if np.isnan(off).all():
            continue
        worst = int(np.nanargmax(np.abs(off)))
        there = found.n_pairs[:, at] > 0
        cells = [f"{lag}", f"{off[worst]:.1e}", f"{found.bias[:, worst, at].mean():.1e}"]
        cells += [f"{np.median(found.errors[:, worst, at]):.1e}", f"{found.biased[:, there, at].mean():.0%}"]
        table.add(Row(cells))
    return table


def errors(quick: bool) -> list[Table]:
    """Whether errors hold."""
    time = np.arange(4000)
    kinds = {"still": np.full(4000, 60.0), "ageing": 40 * np.exp(1.2 * time / 4000)}
    table = Table(
        "Relaxation time at each age",
        ["movie", "fitted", "within two errors", "width / known exponent", "rate within two", "one tau below 5 %"],
    )
    for name, tau in kinds.items():
        table.add(Row(coverage(name, tau, 24, range(1 if quick else 4))))
    return [table, scatter(20 if quick else 50, range(5 if quick else 42))]


def cost(quick: bool) -> list[Table]:
    """What it costs beside C2."""
    lengths = [1000] if quick else [5000, 20_000]
    options = argparse.Namespace(quick=quick, frames=lengths, threads=n_processors(), repeats=3)
    with tempfile.TemporaryDirectory() as folder:
        return two_time.ages(options, Path(folder))[1]


SECTIONS: dict[str, Callable[[bool], list[Table]]] = {
    "errors": errors,
    "bias": lambda quick: [bias(1000 if quick else 5000)],
    "cost": cost,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--section", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="two minutes")
    parser.add_argument("--markdown", type=Path, help="page whose figures are replaced")
    given = parser.parse_args()
    tables = [table for section in given.section for table in SECTIONS[section](given.quick)]
    for each in tables:
        each.show()
    if given.markdown is not None:
        told = ", ".join(f"{name} {value}" for name, value in machine(n_processors()).items())
        write_figures(given.markdown, [f"Measured on: {told}.", *(each.markdown() for each in tables)])


if __name__ == "__main__":
    main()
