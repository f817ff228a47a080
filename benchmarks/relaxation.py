"""Whether the stated errors of relaxation and heterodyne fits hold, and g2 is that of an established package.

    python benchmarks/relaxation.py [--quick] [--json FILE] [--markdown FILE] [--peer PYTHON]

Movies are simulated with known dynamics (`ainerd_agent.instrument`: |g1|**2, partial coherence, Poisson counts), and
fitted. A parameter is covered where the truth lies within two stated standard errors, which should be so in 95 % of
cases, and must be in 90 %. "Plain" is what least squares alone states (scipy's curve_fit with the errors of the single
points), which takes the noise of different lags for independent.

The frames of one movie go to scikit-beam's multi-tau correlator too. Where it is not installed, `--peer` names the
Python of an environment that has it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine, n_processors
from numpy.typing import NDArray
from scipy.optimize import OptimizeWarning, curve_fit
from tables import Row, Table, write_figures

from ainerd_agent.scattering import two_time
from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.exact_g2 import exact_g2
from ainerd_agent.scattering.correlation.g2 import G2, g2_of_maps, smoothing_of, subdivide
from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream
from ainerd_agent.scattering.fits.heterodyne import fit_heterodyne
from ainerd_agent.scattering.fits.relaxation import Relaxation, fit_relaxation
from ainerd_agent.scattering.simulation.dynamics import (
    Dynamics,
    ageing_glass,
    equilibrium,
    flowing,
    heterodyne,
    intermittent,
)
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

N_BINS = 18
AZIMUTH = (np.arange(N_BINS) + 0.5) * 360 / N_BINS
Q = 0.024
NAMES = ("tau", "exponent", "contrast", "baseline")

PEER = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from skbeam.core.correlation import multi_tau_auto_corr
given = np.load(sys.argv[1])
start = time.perf_counter()
g2, lags = multi_tau_auto_corr(int(given["levels"]), 16, given["labels"], given["frames"])
np.savez(sys.argv[2], g2=g2[1:].T, lags=lags[1:], seconds=time.perf_counter() - start)
"""


def movie(
    dynamics: Dynamics, n_frames: int, n_pixels: int, contrast: float, counts: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Frames (T, 18, n_pixels) with a bin in each row, and labels; what depends on the azimuth varies within a bin."""
    times = np.arange(n_frames, dtype=np.float64)
    parts = 1 if dynamics.isotropic else 4
    rows = []
    for azimuth in AZIMUTH:
        for part in range(parts):
            here = azimuth + 360 / N_BINS * ((part + 0.5) / parts - 0.5)
            intensity = speckle_intensity(covariance_root(dynamics.g1(times, here)), n_pixels // parts, contrast, rng)
            rows.append(rng.poisson(counts * intensity).astype(np.uint16))
    frames = np.concatenate(rows, axis=1).reshape(n_frames, N_BINS, -1)
    return frames, np.arange(1, N_BINS + 1)[:, None] * np.ones(frames.shape[2], dtype=np.int64)


def age_lag_g2(frames: NDArray[Any], labels: NDArray[np.int64]) -> G2:
    """g2 by the correlation over age and lag."""
    stream = TwoTimeStream(labels, len(frames), size=16, ages=Ages(n_ages=1, n_groups=16))
    stream.add(frames)
    found = stream.result().age_lag
    if found is None:
        raise ValueError("ages were asked for")
    return found.g2()


def plain(g2: G2, index: int, fit: Relaxation) -> dict[str, tuple[float, float]]:
    """What least squares alone makes of a curve: values and errors."""

    def model(t: Any, baseline: float, contrast: float, tau: float, exponent: float) -> Any:
        return baseline + contrast * np.exp(-2 * (t / np.abs(tau)) ** exponent)

    start = fit.baseline, fit.contrast, fit.tau, fit.exponent
    try:
        values, covariance = curve_fit(
            model, g2.lags, g2.g2[index], p0=start, sigma=g2.error[index], absolute_sigma=True, maxfev=2000
        )
    except (RuntimeError, OptimizeWarning):
        return {}
    names = ("baseline", "contrast", "tau", "exponent")
    return {name: (values[k], float(np.sqrt(covariance[k, k]))) for k, name in enumerate(names)}


class Coverage:
    """How often the truth lies within two standard errors."""

    def __init__(self) -> None:
        self.hits: dict[str, list[bool]] = {}
        self.relative: dict[str, list[float]] = {}

    def add(self, name: str, value: float, error: float, truth: float) -> None:
        """Count a value."""
        self.hits.setdefault(name, []).append(bool(abs(value - truth) <= 2 * error))
        self.relative.setdefault(name, []).append(error / truth)

    def share(self, name: str) -> float:
        """Of the cases that are covered."""
        return float(np.mean(self.hits.get(name, [np.nan])))

    def merge(self, other: Coverage) -> None:
        """Take the cases of another one."""
        for name, hits in other.hits.items():
            self.hits.setdefault(name, []).extend(hits)
            self.relative.setdefault(name, []).extend(other.relative[name])


def covered(g2: G2, truth: dict[str, float]) -> tuple[Coverage, Coverage, int, float]:
    """Fit all bins: coverage, that of plain least squares, bins that could be fitted, seconds."""
    start = time.perf_counter()
    fits = fit_relaxation(g2)
    seconds = time.perf_counter() - start
    ours, theirs = Coverage(), Coverage()
    for index, fit in enumerate(fits):
        if not fit.converged:
            continue
        alone = plain(g2, index, fit)
        for name in NAMES:
            ours.add(name, getattr(fit, name), getattr(fit, f"{name}_error"), truth[name])
            if alone:
                theirs.add(name, *alone[name], truth[name])
    return ours, theirs, sum(fit.converged for fit in fits), seconds


def measure_relaxation(
    cases: Sequence[tuple[float, float, float, float]], n_frames: int
) -> tuple[Table, dict[str, Any]]:
    """Coverage over rates, exponents, contrasts and counts."""
    table = Table(
        f"Relaxation fits of g2, {N_BINS} bins of 576 pixels, {n_frames} frames: truth within 2 errors",
        [
            "tau (frames)",
            "exponent",
            "contrast",
            "counts",
            "fitted",
            *NAMES,
            "error of tau",
            "plain: tau",
            "18 fits (ms)",
        ],
    )
    total, total_plain, seconds, n_fitted = Coverage(), Coverage(), [], 0
    rng = np.random.default_rng(1)
    for tau, exponent, contrast, counts in cases:
        frames, labels = movie(equilibrium(tau, exponent), n_frames, 576, contrast, counts, rng)
        truth = {"tau": tau, "exponent": exponent, "contrast": contrast, "baseline": 1.0}
        ours, theirs, fitted, took = covered(age_lag_g2(frames, labels), truth)
        table.add(
            Row(
                [f"{tau:g}", f"{exponent:g}", f"{contrast:g}", f"{counts:g}", f"{fitted} of {N_BINS}"]
                + [f"{ours.share(name):.0%}" for name in NAMES]
                + [f"{np.median(ours.relative['tau']):.1%}", f"{theirs.share('tau'):.0%}", f"{took * 1e3:.0f}"]
            )
        )
        total.merge(ours)
        total_plain.merge(theirs)
        seconds.append(took)
        n_fitted += fitted
    table.add(
        Row(
            ["all", "", "", "", f"{n_fitted} of {N_BINS * len(cases)}"]
            + [f"{total.share(name):.1%}" for name in NAMES]
            + ["", f"{total_plain.share('tau'):.0%}", f"{np.median(seconds) * 1e3:.0f}"],
            strong=True,
        )
    )
    return table, {
        "coverage": {name: total.share(name) for name in NAMES},
        "plain": {name: total_plain.share(name) for name in NAMES},
        "fitted": n_fitted,
        "cases": N_BINS * len(cases),
        "seconds for 18 fits": float(np.median(seconds)),
    }


def measure_maps(taus: Sequence[float], n_frames: int, size: int) -> tuple[Table, dict[str, Any]]:
    """Coverage for g2 from reduced maps: groups of pixels, and ages alone."""
    table = Table(
        f"The same from maps of {size} x {size} of {n_frames} frames (exponent 1, contrast 0.3, 1 count)",
        ["tau (frames)", "errors from", "fitted", *NAMES],
    )
    found: dict[str, Any] = {}
    rng = np.random.default_rng(2)
    for tau in taus:
        frames, labels = movie(equilibrium(tau), n_frames, 576, 0.3, 1.0, rng)
        truth = {"tau": tau, "exponent": 1.0, "contrast": 0.3, "baseline": 1.0}
        step, smoothing = n_frames / size, smoothing_of(n_frames, size)
        ways = {
            "16 groups of pixels": g2_of_maps(
                two_time(frames, subdivide(labels), static=labels, size=size), step, n_groups=16, smoothing=smoothing
            ),
            "8 parts of the age": g2_of_maps(two_time(frames, labels, size=size), step, smoothing=smoothing),
        }
        for name, g2 in ways.items():
            ours, _, fitted, _ = covered(g2.coarse(), truth)
            table.add(Row([f"{tau:g}", name, f"{fitted} of {N_BINS}", *(f"{ours.share(each):.0%}" for each in NAMES)]))
            found[f"tau {tau:g}, {name}"] = {each: ours.share(each) for each in NAMES}
    return table, found


def measure_heterodyne(n_movies: int, n_frames: int) -> tuple[Table, dict[str, Any]]:
    """Coverage of velocity, direction and fraction."""
    table = Table(
        f"Heterodyne fits, {N_BINS} bins of 576 pixels, {n_frames} frames: truth within 2 errors",
        ["g2", "movies", "significant", "velocity", "direction", "fraction", "error of the velocity", "seconds"],
    )
    rng = np.random.default_rng(3)
    coverage = {"exact": Coverage(), "over age and lag": Coverage()}
    significant, seconds = dict.fromkeys(coverage, 0), {name: [] for name in coverage}
    for _ in range(n_movies):
        velocity = 2 * np.pi * rng.uniform(3, 6) / n_frames / Q
        direction, fraction = rng.uniform(0, 180), rng.uniform(0.15, 0.4)
        dynamics = heterodyne(n_frames * rng.uniform(0.8, 2), Q * velocity, fraction, direction)
        frames, labels = movie(dynamics, n_frames, 576, 0.3, 1.0, rng)
        for name, told in coverage.items():
            g2 = exact_g2(frames, labels) if name == "exact" else age_lag_g2(frames, labels)
            start = time.perf_counter()
            fit = fit_heterodyne(g2, np.full(N_BINS, Q), AZIMUTH, azimuth_width=360 / N_BINS)
            seconds[name].append(time.perf_counter() - start)
            significant[name] += fit.significant
            if fit.significant:
                told.add("velocity", fit.velocity, fit.velocity_error, velocity)
                off = (fit.flow_azimuth - direction + 90) % 180 - 90  # the sense is not known
                told.add("direction", off + direction, fit.flow_azimuth_error, direction)
                told.add("fraction", fit.fraction, fit.fraction_error, fraction)
    found = {}
    for name, told in coverage.items():
        found[name] = {each: told.share(each) for each in ("velocity", "direction", "fraction")} | {
            "significant": significant[name],
            "movies": n_movies,
        }
        table.add(
            Row(
                [name, str(n_movies), str(significant[name])]
                + [f"{told.share(each):.0%}" for each in ("velocity", "direction", "fraction")]
                + [f"{np.median(told.relative['velocity']):.2%}", f"{np.median(seconds[name]):.2f}"]
            )
        )
    return table, found


def measure_alarms(n_rounds: int, n_frames: int) -> tuple[Table, dict[str, Any]]:
    """False alarms on dynamics without fringes."""
    table = Table(
        "False alarms of the heterodyne test (stated: 1 % of bins, 1 % of movies)",
        ["dynamics", "bins", "alarms", "movies", "alarms"],
    )
    rng = np.random.default_rng(4)
    kinds = {
        "exponential, fast": equilibrium(n_frames * 0.03),
        "exponential, slow": equilibrium(n_frames * 6.0),
        "stretched": equilibrium(n_frames * 0.08, 0.6),
        "compressed": equilibrium(n_frames * 0.3, 1.6),
        "ageing": ageing_glass(n_frames * 0.015, age=n_frames * 2.0),
        "avalanches": intermittent(n_frames * 3.0, (n_frames * 0.2, n_frames * 0.5, n_frames * 0.6)),
        "flow": flowing(n_frames * 1.5, 14.0 / n_frames, 90.0),
        "ageing, young": ageing_glass(n_frames * 0.01, age=n_frames * 0.2),
    }
    totals = np.zeros(4, dtype=int)
    for name, dynamics in kinds.items():
        counted = np.zeros(4, dtype=int)
        for _ in range(n_rounds):
            frames, labels = movie(dynamics, n_frames, 576, 0.3, 1.0, rng)
            fit = fit_heterodyne(exact_g2(frames, labels), np.full(N_BINS, Q), AZIMUTH, azimuth_width=360 / N_BINS)
            counted += [N_BINS, sum(each.significant for each in fit.bins), 1, fit.significant]
        totals += counted
        table.add(Row([name, *map(str, counted)]))
    table.add(Row(["all", *map(str, totals)], strong=True))
    return table, {
        "bins": int(totals[0]),
        "alarms in bins": int(totals[1]),
        "movies": int(totals[2]),
        "alarms in movies": int(totals[3]),
    }


def measure_peer(python: str, n_frames: int) -> tuple[Table, dict[str, Any]]:
    """g2 of the same frames by scikit-beam."""
    table = Table("Multi-tau g2 of the same frames", ["package", "lags", "largest difference", "frames/s"])
    frames, labels = movie(equilibrium(20.0), n_frames, 576, 0.3, 1.0, np.random.default_rng(5))
    age_lag_g2(frames[:2], labels)  # compiles
    start = time.perf_counter()
    ours = age_lag_g2(frames, labels)
    rate = n_frames / (time.perf_counter() - start)
    table.add(Row(["ainerd-agent", str(len(ours.lags)), "", f"{rate:.0f}"], strong=True))
    with tempfile.TemporaryDirectory() as name:
        given, got = Path(name) / "given.npz", Path(name) / "got.npz"
        np.savez(given, frames=frames, labels=labels, levels=int(np.log2(n_frames / 16)))
        done = subprocess.run([python, "-c", PEER, str(given), str(got)], capture_output=True, text=True)
        if done.returncode != 0:
            why = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"ended with {done.returncode}"
            table.failures.append(f"scikit-beam could not be run by {python}: {why}. NOT COMPARED.")
            return table, {"failed": why}
        peer = np.load(got)
        lags, g2, seconds = peer["lags"], peer["g2"], float(peer["seconds"])
    same = np.searchsorted(ours.lags, lags)
    difference = float(np.abs(ours.g2[:, same] - g2).max())
    table.add(Row(["scikit-beam", str(len(lags)), f"{difference:.1e}", f"{n_frames / seconds:.0f}"]))
    return table, {"largest difference": difference, "lags": len(lags), "frames/s": rate, "peer": n_frames / seconds}


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer movies, under a minute")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="page whose figures are replaced")
    parser.add_argument("--peer", default=sys.executable, help="Python that has scikit-beam")
    options = parser.parse_args()
    cases = [
        (tau, exponent, contrast, counts)
        for tau in ((10.0, 60.0) if options.quick else (6.0, 15.0, 40.0, 100.0))
        for exponent in ((0.7, 1.5) if options.quick else (0.6, 1.0, 1.6))
        for contrast, counts in (((0.3, 0.5),) if options.quick else ((0.3, 0.3), (0.3, 3.0), (0.1, 2.0)))
    ]
    found: dict[str, Any] = {}
    sections: dict[str, Callable[[], tuple[Table, dict[str, Any]]]] = {
        "relaxation": lambda: measure_relaxation(cases, 400 if options.quick else 600),
        "maps": lambda: measure_maps(*(((30.0,), 512, 128) if options.quick else ((20.0, 60.0, 200.0), 1200, 128))),
        "heterodyne": lambda: measure_heterodyne(2 if options.quick else 40, 200 if options.quick else 300),
        "false alarms": lambda: measure_alarms(1 if options.quick else 12, 200 if options.quick else 300),
        "peer": lambda: measure_peer(options.peer, 1024),
    }
    tables = []
    for name, measure in sections.items():
        table, found[name] = measure()
        table.show()
        tables.append(table.markdown())
    lowest = min(found["relaxation"]["coverage"].values())
    print(f"lowest coverage of the relaxation fits: {lowest:.1%} (required: 90 %)")
    found["machine"] = machine(n_processors())
    print(json.dumps(found["machine"]))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))
    if options.markdown is not None:
        measured = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
        write_figures(options.markdown, [f"Measured on: {measured}.", *tables])


if __name__ == "__main__":
    main()
