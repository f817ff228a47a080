"""Does the agent find more, sooner? Simulated samples whose ground truth is known, against what people would do.

    python benchmarks/agent.py [--seeds N] [--quick] [--json FILE] [--markdown PAGE] [--figure FILE.png]

A sample says which dynamics there are at a place and a time. Measuring gives latents of simulated maps of these, drawn
from a library of repeats that is made once: speckles, photons, C2 and the shipped encoder, as in live analysis. All
ways begin with the same space-filling start and have the same beamtime, which travel and counting use up.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from measuring import THREAD_VARIABLES, machine, n_processors, timed
from numpy.typing import NDArray
from rich.console import Console
from tables import Row, Table, write_figures

from ainerd_agent.agent import BeamtimeCost, NoSuggestionError, NoveltyAgent
from ainerd_agent.agent.surrogate import Surrogate
from ainerd_agent.instrument import dynamics as kinds
from ainerd_agent.instrument.dynamics import Dynamics
from ainerd_agent.instrument.speckle import covariance_root, speckle_intensity
from ainerd_agent.records import Analysis, Origin, ShearStress, Suggestion
from ainerd_agent.scattering import two_time

Array = NDArray[Any]

SIDE = 10.0
"""Of the sample, mm."""

COST = BeamtimeCost(speed=2.0, counting=5.0)
BUDGET = 400.0
"""Seconds of beamtime."""

N_START = 5
EXCLUSION = 0.15
COARSE = 26
"""Candidates along each axis for gpCAM, which takes two seconds for 71."""

OURS = "agent, coverage"
"""What is shipped as the default."""

AZIMUTHS = (0.0, 90.0, 180.0, 270.0)
REPEATS = 24
N_PIXELS, CONTRAST = 600, 0.3
COUNTS, FEW_COUNTS = 3.0, 0.3
RARE_RADIUS = np.sqrt(0.02 / np.pi) * SIDE
CHECKED = 40
"""Moments of the beamtime at which ways are compared."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """A sample: which dynamics (a number) there are at places (n, 2) and seconds (n,)."""

    dynamics: list[Dynamics]
    at: Callable[[Array, Array], Array]
    counts: float = COUNTS


def gradient(rng: np.random.Generator) -> Landscape:
    """Relaxation times rise smoothly in one direction, by a factor of 60 in all, in twelve steps."""
    taus = np.geomspace(0.02, 1.2, 12)
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])

    def at(places: Array, _: Array) -> Array:
        along = (places - SIDE / 2) @ direction / (SIDE * np.abs(direction).sum()) + 0.5
        return np.clip((along * len(taus)).astype(int), 0, len(taus) - 1)

    return Landscape([kinds.equilibrium(tau) for tau in taus], at)


def _phases() -> list[Dynamics]:
    return [
        kinds.equilibrium(0.1),
        kinds.equilibrium(1.0, 1.6),
        kinds.ageing_glass(0.05, 0.3),
        kinds.flowing(1.0, 12.0),
        kinds.intermittent(3.0, (0.35, 0.7), 1.0),
        kinds.heterodyne(1.5, 2 * np.pi * 6),
    ]


def phases(rng: np.random.Generator, counts: float = COUNTS) -> Landscape:
    """Six phases with sharp boundaries, of very different areas."""
    known = _phases()
    seeds, reach = rng.uniform(0, SIDE, (len(known), 2)), rng.uniform(0.4, 1.6, len(known))

    def at(places: Array, _: Array) -> Array:
        distance = np.linalg.norm(places[:, None] - seeds[None], axis=-1)
        return np.asarray((distance / reach).argmin(axis=1))

    if len(np.unique(at(_grid(60), np.zeros(3600)))) < len(known):
        return phases(rng, counts)
    return Landscape(known, at, counts)


def rare(rng: np.random.Generator) -> Landscape:
    """Two phases side by side, and a disc of 2 % of the area with a third one."""
    known = [_phases()[number] for number in (1, 2, 3)]
    centre, border = rng.uniform(RARE_RADIUS, SIDE - RARE_RADIUS, 2), rng.uniform(0.3, 0.7) * SIDE

    def at(places: Array, _: Array) -> Array:
        inside = np.linalg.norm(places - centre, axis=1) < RARE_RADIUS
        return np.where(inside, 2, (places[:, 0] > border).astype(int))

    return Landscape(known, at)


def ageing(rng: np.random.Generator) -> Landscape:
    """Three regions that slow down with time, at their own paces: twelve dynamics in all."""
    taus = np.geomspace(0.02, 2.0, 12)
    seeds, pace = rng.uniform(0, SIDE, (3, 2)), np.array([0.5, 1.0, 2.0])

    def at(places: Array, seconds: Array) -> Array:
        region = np.linalg.norm(places[:, None] - seeds[None], axis=-1).argmin(axis=1)
        return np.clip((seconds / BUDGET * pace[region] * 6 + 2 * region).astype(int), 0, 11)

    return Landscape([kinds.equilibrium(tau) for tau in taus], at)


SAMPLES: dict[str, Callable[[np.random.Generator], Landscape]] = {
    "gradient": gradient,
    "phases": phases,
    "rare phase": rare,
    "ageing": ageing,
    "noise at the limit": lambda rng: phases(rng, FEW_COUNTS),
}


def library(dynamics: list[Dynamics], counts: float, seed: int) -> Array:
    """Latents of repeated measurements: (n_dynamics, repeats, n_azimuths, 64)."""
    from ainerd_agent.latent import Encoder

    encoder, rng = Encoder.load(), np.random.default_rng(seed)
    times, bins = (np.arange(256) + 0.5) / 256, np.ones((1, N_PIXELS), dtype=int)
    found = []
    for each in dynamics:
        maps = []
        for azimuth in AZIMUTHS:
            root = covariance_root(each.g1(times, azimuth))
            for _ in range(REPEATS):
                movie = rng.poisson(counts * speckle_intensity(root, N_PIXELS, CONTRAST, rng)).astype(np.float32)
                maps.append(two_time(movie[:, None, :], bins, size=256)[0])
        latents = encoder.encode(np.stack(maps), contrast=CONTRAST)
        found.append(latents.reshape(len(AZIMUTHS), REPEATS, -1).swapaxes(0, 1))
    return np.stack(found)


class Experiment:
    """A sample that is measured: what it costs, what comes of it, and what is known in the end."""

    def __init__(self, landscape: Landscape, latents: Array, seed: int) -> None:
        self.landscape, self._latents = landscape, latents
        self._rng = np.random.default_rng([seed, 1])
        self.seconds = 0.0
        self.here: Array | None = None
        self.found: list[tuple[float, int]] = []
        self.vectors: list[Array] = []

    def measure(self, place: Array) -> Analysis | None:
        """Go there and count; None where the beamtime does not suffice."""
        self.seconds += float(COST(self.here, place[None])[0])
        if self.seconds > BUDGET:
            return None
        self.here = place
        state = int(self.landscape.at(place[None], np.array([self.seconds]))[0])
        latents = self._latents[state, self._rng.integers(REPEATS)]
        self.found.append((self.seconds, state))
        return _analysis(latents, len(self.found), self.seconds)


def _analysis(latents: Array, seq_num: int, seconds: float) -> Analysis:
    n = len(latents)
    return Analysis(
        origin=Origin(raw_uid="run", seq_num=seq_num, start=seconds, stop=seconds),
        latents=latents,
        cluster=np.zeros(n, dtype=np.int64),
        centre_distance=np.zeros(n),
        novelty=np.zeros(n),
        reconstruction_error=np.zeros(n),
        stress=ShearStress(),
    )


Way = Callable[[Experiment, list[Array], int], Iterator[Array]]
"""Gives the next place, after the places so far."""


def _grid(n: int) -> Array:
    axis = (np.arange(n) + 0.5) * SIDE / n
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


def raster(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Row by row, to and fro, as many points as the beamtime suffices for."""
    for n in range(15, 1, -1):
        grid = _grid(n).reshape(n, n, 2)
        grid[1::2] = grid[1::2, ::-1]
        route = grid.reshape(-1, 2)
        stops = np.concatenate([places[-1][None], route])
        if experiment.seconds + sum(COST(a, b[None])[0] for a, b in pairwise(stops)) <= BUDGET:
            break
    yield from route


def at_random(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Anywhere."""
    rng = np.random.default_rng([seed, 2])
    while True:
        yield rng.uniform(0, SIDE, 2)


def max_min_distance(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """As far as can be from all places so far."""
    candidates = _grid(71)
    while True:
        distance = np.linalg.norm(candidates[:, None] - np.array(places)[None], axis=-1).min(axis=1)
        yield candidates[distance.argmax()]


def gp_variance(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Where the same surrogate is the least certain."""
    candidates = _grid(71)
    while True:
        when = [seconds for seconds, _ in experiment.found]
        known = np.column_stack([np.array(places), when])
        surrogate = Surrogate(SIDE).fit(known, np.array([each.ravel() / 2 for each in experiment.vectors]))
        asked = np.column_stack([candidates, np.full(len(candidates), when[-1] + COST.counting)])
        yield candidates[np.square(surrogate.predict(asked).std).sum(axis=1).argmax()]


def blox(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Stein novelty of the predicted components against the measured ones (BLOX, Terayama et al. 2020).

    Its code is no package; this is the formula of the paper, with our surrogate for the prediction.
    """
    candidates = _grid(71)
    while True:
        when = [seconds for seconds, _ in experiment.found]
        known = np.column_stack([np.array(places), when])
        surrogate = Surrogate(SIDE).fit(known, np.array([each.ravel() / 2 for each in experiment.vectors]))
        asked = np.column_stack([candidates, np.full(len(candidates), when[-1] + COST.counting)])
        scale = np.maximum(surrogate.archive.std(axis=0)[:2], 1e-9)
        seen, predicted = surrogate.archive[:, :2] / scale, surrogate.predict(asked).mean[:, :2] / scale
        apart = np.square(predicted[:, None] - seen[None]).sum(axis=-1)
        novelty = -((2 - apart) * np.exp(-apart / 2)).sum(axis=1)
        # Where it is 0 for all, far from everything, chance decides; spots are not measured again.
        far = np.linalg.norm(candidates[:, None] - np.array(places)[None], axis=-1).min(axis=1) > EXCLUSION
        yield candidates[np.where(far, novelty, -np.inf).argmax()]


def scientific_value(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Upper confidence bound of a gaussian process of the scientific value (Carbone et al., Matter 2023).

    The value of a measurement is how much it differs from its neighbours, weighed by how near they are. Its code is no
    package; this is the formula of the paper.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    candidates = _grid(71)
    while True:
        x, y = np.array(places), np.array([each.ravel() for each in experiment.vectors])
        apart = np.linalg.norm(x[:, None] - x[None], axis=-1)
        near = np.sort(apart + 1e9 * np.eye(len(x)), axis=1)[:, 0].mean()
        value = (np.exp(-np.square(apart / near) / 2) * np.linalg.norm(y[:, None] - y[None], axis=-1)).mean(axis=1)
        value = (value - value.mean()) / max(float(value.std()), 1e-9)
        kernel = ConstantKernel(1.0, (0.1, 10)) * Matern(2.0, (0.3, 20.0), nu=2.5)
        model = GaussianProcessRegressor(kernel, alpha=1e-3, random_state=0).fit(x, value)
        mean, std = model.predict(candidates, return_std=True)
        far = np.linalg.norm(candidates[:, None] - x[None], axis=-1).min(axis=1) > EXCLUSION
        yield candidates[np.where(far, mean + np.sqrt(10.0) * std, -np.inf).argmax()]


def gpcam(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """The package gpCAM: its variance of the first principal component, trained anew every fifth time."""
    import gpcam as package

    candidates = _grid(COARSE)
    rounds = 0
    bounds = np.array([[1e-3, 1e3], [SIDE / 50, 2 * SIDE], [SIDE / 50, 2 * SIDE]])
    learnt = np.array([1.0, SIDE / 4, SIDE / 4])
    np.random.seed(seed)  # noqa: NPY002 (the package's own)
    while True:
        x = np.array(places)
        y = _first_component(experiment)
        optimiser = package.GPOptimizer(x, y, init_hyperparameters=learnt, noise_variances=np.full(len(y), 1e-2))
        if rounds % 5 == 0:
            optimiser.train(hyperparameter_bounds=bounds, method="local", max_iter=30)
            learnt = np.clip(optimiser.hyperparameters, bounds[:, 0], bounds[:, 1])
        rounds += 1
        asked = optimiser.ask(list(candidates), n=1, acquisition_function="variance", vectorized=True)
        yield np.asarray(asked["x"])[0]


def botorch(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """The package BoTorch (under Ax): the posterior standard deviation of four components, fitted every fifth time."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    candidates, rounds, state = _grid(71), 0, None
    while True:
        x = torch.tensor(np.array(places) / SIDE)
        y = torch.tensor(_components(experiment))
        model = SingleTaskGP(x, (y - y.mean(0)) / y.std(0).clamp_min(1e-9))
        if state is not None:
            model.load_state_dict(state, strict=False)
        if rounds % 5 == 0:
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            state = {
                name: value for name, value in model.state_dict().items() if "covar_module" in name or "noise" in name
            }
        rounds += 1
        with torch.no_grad():
            variance = model.posterior(torch.tensor(candidates / SIDE)[:, None]).variance[:, 0]
            variance = (variance * y.var(0)).sum(-1)
        yield candidates[int(variance.argmax())]


def _components(experiment: Experiment) -> Array:
    vectors = np.array([each.ravel() / 2 for each in experiment.vectors], dtype=np.float64)
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(left[:, :4] * sizes[:4])


def _first_component(experiment: Experiment) -> Array:
    first = _components(experiment)[:, 0]
    return np.asarray(first / max(float(first.std()), 1e-9))


def oracle(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Knows the truth: to the nearest place with dynamics that were not found yet."""
    candidates = _grid(71)
    while True:
        cost = COST(places[-1], candidates)
        states = experiment.landscape.at(candidates, experiment.seconds + cost)
        fresh = ~np.isin(states, [state for _, state in experiment.found])
        yield candidates[np.where(fresh, cost, cost + 1e3).argmin()]


WAYS: dict[str, Way | None] = {
    "agent, coverage": None,
    "agent, novelty": None,
    "raster grid": raster,
    "random": at_random,
    "max-min distance": max_min_distance,
    "GP variance": gp_variance,
    "BLOX": blox,
    "scientific value": scientific_value,
    "gpCAM": gpcam,
    "BoTorch": botorch,
    "oracle": oracle,
}
PACKAGES = {"gpCAM": "gpcam", "BoTorch": "botorch"}
"""Ways that need a package of the extra bench; they are left out where it is not installed."""


def run(way: str, landscape: Landscape, latents: Array, seed: int) -> dict[str, Any]:
    """One beamtime: when each of the dynamics was found, and how much of the latent space was covered, over time."""
    experiment = Experiment(landscape, latents, seed)
    limits = {"x": (0.0, SIDE), "y": (0.0, SIDE)}
    goal = "novelty" if way == "agent, novelty" else "coverage"
    agent = NoveltyAgent(limits, COST, goal=goal, n_start=N_START, exclusion=EXCLUSION, seed=seed)
    places: list[Array] = []

    def go(place: Array, suggestion: Suggestion | None) -> bool:
        analysis = experiment.measure(place)
        if analysis is None:
            return False
        places.append(place)
        experiment.vectors.append(analysis.latents)
        if suggestion is not None:
            agent.ingest(suggestion, analysis)
        return True

    chosen = WAYS[way]
    on = True
    warnings.filterwarnings("ignore")  # of the packages, about their fits
    while on and not agent.needs_results:
        suggestion = agent.suggest()
        on = go(np.array([suggestion.position["x"], suggestion.position["y"]]), suggestion)
    if chosen is None:
        while on:
            try:
                suggestion = agent.suggest()
            except NoSuggestionError:
                break
            on = go(np.array([suggestion.position["x"], suggestion.position["y"]]), suggestion)
    else:
        for place in chosen(experiment, places, seed):
            if not go(place, None):
                break
    first: dict[int, float] = {}
    dose: dict[int, float] = {}
    for number, (seconds, state) in enumerate(experiment.found, start=1):
        first.setdefault(state, seconds)
        dose.setdefault(state, number * COST.counting)
    return {
        "first": sorted(first.values()),
        "dose": sorted(dose.values()),
        "measured": len(places),
        "coverage": _coverage(experiment, latents),
    }


def _coverage(experiment: Experiment, latents: Array) -> list[float]:
    """Distance from each dynamics to the nearest measurement, in units of their usual distance, over the beamtime."""
    means = latents.mean(axis=1).reshape(len(latents), -1)
    usual = np.linalg.norm(means[:, None] - means[None], axis=-1)[np.triu_indices(len(means), 1)].mean()
    measured = np.array([each.ravel() for each in experiment.vectors])
    distance = np.linalg.norm(means[:, None] - measured[None], axis=-1) / usual
    when = np.array([seconds for seconds, _ in experiment.found])
    return [
        float(distance[:, when <= moment].min(axis=1).mean()) if (when <= moment).any() else float("nan")
        for moment in _moments()
    ]


def _moments() -> Array:
    return np.linspace(BUDGET / CHECKED, BUDGET, CHECKED)


def of_sample(sample: str, seeds: list[int], ways: list[str]) -> dict[str, Any]:
    """All beamtimes of a sample."""
    first = SAMPLES[sample](np.random.default_rng(0))
    latents = library(first.dynamics, first.counts, seed=11)
    found = {
        way: [run(way, SAMPLES[sample](np.random.default_rng([seed, 3])), latents, seed) for seed in seeds]
        for way in ways
    }
    return {"n_dynamics": len(first.dynamics), "ways": found}


def share_found(runs: list[dict[str, Any]], n_dynamics: int, against: str = "first") -> Array:
    """Share of the dynamics that were found, (n_runs, n_moments); against beamtime ("first") or "dose"."""
    return (
        np.array([[np.sum(np.array(each[against]) <= moment) for moment in _moments()] for each in runs]) / n_dynamics
    )


def time_to(runs: list[dict[str, Any]], number: int, against: str = "first") -> Array:
    """Seconds of beamtime or dose until so many dynamics were found, infinite where they were not, (n_runs,)."""
    return np.array([each[against][number - 1] if len(each[against]) >= number else np.inf for each in runs])


def seconds_of_a_suggestion(n_measured: int = 500) -> list[float]:
    """What a suggestion over the 5,041 candidates takes with so many measurements of 18 bins, four times."""
    agent = NoveltyAgent({"x": (0.0, SIDE), "y": (0.0, SIDE)}, COST, n_start=n_measured, exclusion=EXCLUSION, seed=0)
    rng = np.random.default_rng(0)
    ways = rng.standard_normal((3, 64))
    for number in range(n_measured):
        suggestion = agent.suggest()
        where = np.array([suggestion.position["x"], suggestion.position["y"], number / 100]) / SIDE
        latents = (np.sin(3 * where) @ ways + 0.1 * rng.standard_normal((18, 64))).astype(np.float32)
        agent.ingest(suggestion, _analysis(latents, number + 1, 10.0 * number))
    return [timed(agent.suggest) for _ in range(4)]


def tables(results: dict[str, Any]) -> list[Table]:
    """Time to all dynamics; share found on average over the beamtime; coverage in the end."""
    names = list(results)
    until = Table("Seconds of beamtime until all dynamics were found, median", ["way", *names])
    exposed = Table("Seconds of exposure (dose) until all dynamics were found, median", ["way", *names])
    share = Table("Share of the dynamics that were found, mean over the beamtime and the seeds", ["way", *names])
    coverage = Table(
        "Distance from the dynamics to the nearest measurement in the end, in units of their own (less is better)",
        ["way", *names],
    )
    for way in next(iter(results.values()))["ways"]:
        cells: list[list[str]] = [[], [], [], []]
        for found in results.values():
            runs, n = found["ways"][way], found["n_dynamics"]
            for place, against in enumerate(("first", "dose")):
                seconds = time_to(runs, n, against)
                done = np.isfinite(seconds).sum()
                median = float(np.sort(seconds)[(len(seconds) - 1) // 2])
                cells[place].append(f"{median:.0f} s" if np.isfinite(median) else f"not ({done} of {len(runs)})")
            found_share = share_found(runs, n).mean(axis=1)
            error = found_share.std(ddof=min(1, len(runs) - 1)) / np.sqrt(len(runs))
            cells[2].append(f"{found_share.mean():.3f} ± {error:.3f}")
            cells[3].append(f"{np.mean([each['coverage'][-1] for each in runs]):.3f}")
        for table, row in zip((until, exposed, share, coverage), cells, strict=True):
            table.add(Row([way, *row], strong=way == OURS))
    return [until, exposed, share, coverage]


def draw(results: dict[str, Any], path: Path) -> None:
    """Dynamics found and latent space covered over beamtime and dose: means, and bands of the middle half of seeds."""
    from ainerd_agent.figures import save
    from ainerd_agent.figures.style import new_figure

    figure = new_figure(11.0, 8.0)
    grid = figure.subplots(3, len(results), sharey="row", sharex="row", squeeze=False)
    colours = {
        OURS: "#c1272d",
        "agent, novelty": "#e08e79",
        "raster grid": "#0b6e99",
        "random": "#7a7a7a",
        "max-min distance": "#2e8b57",
        "GP variance": "#b8860b",
        "BLOX": "#8e6bbf",
        "scientific value": "#c77cb0",
        "gpCAM": "#5fa2a2",
        "BoTorch": "#9a8f5a",
        "oracle": "#222222",
    }
    kinds_of_rows = (
        ("first", "beamtime (s)", "share of dynamics found"),
        ("dose", "exposure (s)", "share of dynamics found"),
        ("coverage", "beamtime (s)", "distance to the dynamics"),
    )
    for row, (against, label, value) in zip(grid, kinds_of_rows, strict=True):
        for axes, (sample, found) in zip(row, results.items(), strict=True):
            for way, runs in found["ways"].items():
                if against == "coverage":
                    share = np.array([each["coverage"] for each in runs])
                else:
                    share = share_found(runs, found["n_dynamics"], against)
                style = {"color": colours[way], "lw": 2.0 if way == OURS else 1.0}
                axes.plot(_moments(), share.mean(axis=0), label=way, ls=":" if way == "oracle" else "-", **style)
                if way in (OURS, "max-min distance"):
                    low, high = np.quantile(share, (0.25, 0.75), axis=0)
                    axes.fill_between(_moments(), low, high, color=colours[way], alpha=0.15, lw=0)
            axes.set_title(sample)
            axes.set_xlabel(label)
        row[0].set_ylabel(value)
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    save(figure, path.parent, path.stem)


def main() -> None:
    """Measure, print the tables, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--sample", action="append", choices=list(SAMPLES))
    parser.add_argument("--quick", action="store_true", help="one sample, two seeds")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    samples = options.sample or (["rare phase"] if options.quick else list(SAMPLES))
    seeds = list(range(2 if options.quick else options.seeds))
    os.environ |= dict.fromkeys(THREAD_VARIABLES, "1")  # the processes share the processors
    with ProcessPoolExecutor(n_processors(), mp_context=get_context("spawn")) as pool:
        ways = [way for way in WAYS if way not in PACKAGES or find_spec(PACKAGES[way])]
        futures = {sample: pool.submit(of_sample, sample, seeds, ways) for sample in samples}
        results = {sample: future.result() for sample, future in futures.items()}
    found = tables(results)
    for table in found:
        table.show()
    told = machine(n_processors())
    line = ", ".join(f"{key} {value}" for key, value in told.items())
    Console().print(f"Measured on: {line}", highlight=False)
    each = float(np.median(seconds_of_a_suggestion()))
    speed = f"A suggestion over 5,041 candidates with 500 measurements takes {each:.2f} s (limit 1 s)."
    Console().print(speed, highlight=False)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": told, "samples": results}, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", speed, *(table.markdown() for table in found)])
    if options.figure is not None:
        draw(results, options.figure)


if __name__ == "__main__":
    main()
