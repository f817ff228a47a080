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
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from agent_samples import BUDGET, COST, EXCLUSION, SAMPLES, SIDE, Array, Experiment, Landscape, analysis_of, library
from agent_ways import PACKAGES, WAYS
from measuring import THREAD_VARIABLES, machine, n_processors, timed
from rich.console import Console
from tables import Row, Table, write_figures

from ainerd_agent.agent import NoSuggestionError, NoveltyAgent
from ainerd_agent.records import Suggestion

N_START = 5
OURS = "agent, coverage"
"""What is shipped as the default."""

CHECKED = 40
"""Moments of the beamtime at which ways are compared."""


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
        agent.ingest(suggestion, analysis_of(latents, number + 1, 10.0 * number))
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
