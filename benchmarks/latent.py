"""What latent spaces are worth: whether they see non-equilibrium, and find like dynamics where nothing leaks.

    python benchmarks/latent.py [--real chx_c2_50.npz] [--target ainerd_c2_256.npy] [--model NAME_OR_FILE ...] [--quick]
                                [--json FILE] [--markdown FILE]
    python benchmarks/latent.py --gate MODEL --real chx_c2_50.npz

- Same g2: pairs of dynamics of one g2 that differ in what happens at which age, each side measured at several levels of
  noise; AUC of distances between the sides against those within them (`ainerd_agent.latent.same_g2`).
- Leak-free retrieval on real maps: no query shares a frame with what it asks for (`ainerd_agent.latent.retrieval`).
- What can be read by nearest neighbours: parameters, the kind of dynamics, a single avalanche.
- Reconstruction of local events, and of the paper's target.
- False alarms and misses of the flag "unlike the training".

All intervals are of 95 %, by drawing again what is independent. With --gate, one model is judged: exit status 1 and one
sentence where it must not be shipped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from latent_pictures import draw_events, draw_target
from latent_readings import AVALANCHE_LEVEL, read_kinds, read_parameters, see_avalanches
from latent_retrieval import retrieve_with_models
from latent_ways import Way, ways
from measuring import machine
from rich.console import Console
from tables import Row, Table, write_figures

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.damage import FlagScore
from ainerd_agent.latent.evaluation import evaluate_flag, evaluate_retrieval, evaluate_same_g2, windows_of
from ainerd_agent.latent.model_file import SHIPPED, card_of
from ainerd_agent.latent.release_gate import refusal
from ainerd_agent.latent.resampling import Figure
from ainerd_agent.latent.same_g2 import KINDS, SameG2, auc_of_pair, score, trials, truth_of
from ainerd_agent.scattering.files.map_files import read_maps
from ainerd_agent.scattering.simulation.maps import SimulatedMaps, simulate_maps
from ainerd_agent.workflows.evaluate import kept_apart, read_card

SEED = 20_260
SIMULATION_SEED = 987_654
MATCHED = "matched filter, knows both truths"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated."""

    pairs: int
    maps: int
    parameters: int
    avalanches: int
    events: int
    flagged: int


FULL = Size(pairs=10, maps=1000, parameters=250, avalanches=30, events=60, flagged=100)
QUICK = Size(pairs=2, maps=150, parameters=30, avalanches=4, events=6, flagged=15)


def told(figure: Figure, digits: int = 2) -> str:
    """A figure with its interval, where there is one."""
    if not np.isfinite(figure[1:]).all():
        return f"{figure[0]:.{digits}f}"
    mean, low, high = (f"{each:.{digits}f}" for each in figure)
    return f"{mean} ({low} to {high})"


def tell_pairs_apart(known: Mapping[str, Way], n_pairs: int, seed: int) -> dict[str, SameG2]:
    """AUC of each representation on the same pairs; that of a matched filter says how much noise allows."""
    scores: dict[str, dict[str, list[float]]] = {name: {} for name in (*known, MATCHED)}
    for trial in trials(n_pairs, seed):
        vectors = {name: np.asarray(way(trial.c2, trial.contrast)) for name, way in known.items()}
        one, other = (truth_of(side) for side in trial.pair.sides)
        scaled = trial.c2 / trial.contrast[:, None, None]
        vectors[MATCHED] = np.tensordot(scaled, one - other, axes=2)[:, None]
        for name, each in vectors.items():
            scores[name].setdefault(trial.pair.kind, []).append(auc_of_pair(each))
    return {name: score(each) for name, each in scores.items()}


def same_g2_table(found: Mapping[str, SameG2]) -> Table:
    """Kinds in rows, representations in columns."""
    names = list(found)
    table = Table("Pairs of one g2 told apart: AUC (chance 0.50)", ["kind", *names])
    kinds = next(iter(found.values())).kinds
    for unseen, title in ((False, "as trainings may contain"), (True, "unseen: no training contains them")):
        for number, each in enumerate(kinds):
            if each.unseen == unseen:
                cells = (told((s.auc, s.low, s.high)) for s in (found[name].kinds[number] for name in names))
                table.add(Row([each.kind, *cells]))
        table.add(
            Row([f"mean, {title}", *(f"{found[name].mean_of(unseen=unseen):.3f}" for name in names)], strong=True)
        )
    table.add(Row(["mean of all", *(told(found[name].figure, 3) for name in names)], strong=True))
    table.add(Row(["worst kind", *(f"{found[name].worst.auc:.2f} ({found[name].worst.kind})" for name in names)]))
    nulls = (found[name].null for name in names)
    table.add(Row([next(iter(found.values())).null.kind, *(told((s.auc, s.low, s.high)) for s in nulls)]))
    return table


def readings_table(parameters: Mapping[str, Mapping[str, Figure]], kinds: Mapping[str, Figure]) -> Table:
    """Parameters and kind in columns, representations in rows."""
    columns = ["representation", *(f"{each}, R2" for each in parameters), "kind, balanced accuracy"]
    table = Table("Read by the nine nearest neighbours", columns)
    for name, figure in kinds.items():
        cells = (told(each[name]) if name in each else "" for each in parameters.values())
        table.add(Row([name, *cells, told(figure)], strong=name not in next(iter(parameters.values()))))
    return table


def avalanche_table(encoders: Mapping[str, Encoder], size: Size) -> tuple[Table, dict[str, Any]]:
    """One avalanche against its twin."""
    found = see_avalanches(encoders, size.avalanches, SEED)
    level = f"{AVALANCHE_LEVEL.pixels:,} pixels, {AVALANCHE_LEVEL.counts:g} count, contrast {AVALANCHE_LEVEL.contrast}"
    table = Table(
        f"An avalanche over half the correlation against its twin: {level}",
        [
            "model",
            "distance, repeatabilities",
            "that of repeats, median",
            "farther apart than 99 % of the repeats",
            "repeat probability below 1 %",
            "the same of repeats",
        ],
    )
    for name, each in found.items():
        table.add(
            Row(
                [
                    name,
                    told(each.apart),
                    f"{each.repeats:.2f}",
                    told(each.seen),
                    told(each.told),
                    f"{each.mistaken:.3f}",
                ]
            )
        )
    return table, {name: asdict(each) for name, each in found.items()}


def picture_table(encoders: Mapping[str, Encoder], size: Size, target: Path | None) -> tuple[Table, dict[str, Any]]:
    """Mean squared errors."""
    found: dict[str, dict[str, Any]] = dict(draw_events(encoders, size.events, SEED))
    names = [*encoders, "the measured map itself"]
    table = Table("Drawn again: mean squared error", ["maps", *names])
    for event, errors in found.items():
        table.add(Row([f"{event}, against the truth", *(told(errors[name], 5) for name in names)]))
    if target is not None:
        of_target = draw_target(encoders, target)
        table.add(Row([target.name, *(f"{of_target[name]:.5f}" for name in encoders), "0"]))
        found[target.name] = of_target
    return table, found


def flag_table(
    encoders: Mapping[str, Encoder], size: Size, simulated: SimulatedMaps, real: Path | None
) -> tuple[Table, dict[str, Any]]:
    """How often the flag is wrong, on real windows that training left out and on two kinds of simulated maps."""
    found: dict[str, FlagScore] = {}
    sound = simulated.c2[: size.flagged].astype(np.float32)
    measured = list(trials(max(1, size.flagged // (8 * len(KINDS))), SEED, kinds=KINDS))
    same_g2, contrast = (np.concatenate(each) for each in zip(*((t.c2, t.contrast) for t in measured), strict=True))
    for name, encoder in encoders.items():
        found[f"{name}, simulated"] = evaluate_flag(
            encoder, sound, baseline=0.0, contrast=simulated.contrast[: size.flagged], seed=SEED
        )
        found[f"{name}, of one g2"] = evaluate_flag(encoder, same_g2, baseline=0.0, contrast=contrast, seed=SEED)
        if real is not None:
            apart = windows_of(kept_apart(read_maps(real), read_card(card_of(name)))[0])
            windows = apart.maps[:: max(1, len(apart) // size.flagged)]
            found[f"{name}, real"] = evaluate_flag(encoder, windows, baseline=1.0, contrast=1.0, seed=SEED)
    table = Table('The flag "unlike the training": how often it is wrong', ["", *found])
    table.add(Row(["sound maps, flagged", *(_share(each, each.false_alarms) for each in found.values())]))
    for damage in next(iter(found.values())).missed:
        table.add(Row([f"{damage}, missed", *(_share(each, each.missed[damage]) for each in found.values())]))
    return table, {name: asdict(each) for name, each in found.items()}


def _share(score: FlagScore, share: float) -> str:
    low, high = score.interval(share)
    return f"{share:.1%} ({low:.1%} to {high:.1%})"


def gate(model: str, real: Path | None, n_pairs: int) -> str | None:
    """Why a model must not be shipped, or None."""
    if real is None:
        return f"{model} cannot be judged without real maps: give --real"
    encoder = Encoder.load(model)
    apart, others = kept_apart(read_maps(real), read_card(card_of(model)))
    found = evaluate_retrieval(encoder, apart, others, baseline=1.0, contrast=1.0)
    g2 = float("nan") if found.g2 is None else found.g2.mean
    return refusal(model, auc=evaluate_same_g2(encoder, n_pairs, seed=SEED).mean, retrieval=found.plain.mean, g2=g2)


def measure_all(options: argparse.Namespace, size: Size) -> tuple[list[Table], dict[str, Any]]:
    """All tables, and their figures."""
    encoders = {name: Encoder.load(name) for name in options.model or SHIPPED}
    simulated = simulate_maps(size.maps, SIMULATION_SEED)
    known = ways(encoders, simulated.c2, simulated.contrast)
    same_g2 = tell_pairs_apart(known, size.pairs, SEED)
    tables, figures = [same_g2_table(same_g2)], {"same_g2": {name: asdict(each) for name, each in same_g2.items()}}
    if options.real is not None:
        found, figures["retrieval"] = retrieve_with_models(encoders, options.real, told)
        tables += found
    parameters, kinds = read_parameters(known, size.parameters, SEED), read_kinds(known, simulated)
    tables.append(readings_table(parameters, kinds))
    figures |= {"parameters": parameters, "kinds": kinds}
    for name, (table, each) in {
        "avalanche": avalanche_table(encoders, size),
        "pictures": picture_table(encoders, size, options.target),
        "flag": flag_table(encoders, size, simulated, options.real),
    }.items():
        tables.append(table)
        figures[name] = each
    return tables, figures


def main() -> None:
    """Measure, print the tables, write the files; or judge one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="a name or a file; the shipped ones where none is given")
    parser.add_argument("--real", type=Path, help="npz with c2, series, roi, window; baseline 1, contrast 1")
    parser.add_argument("--target", type=Path, help="npy with maps to reconstruct that training never saw")
    parser.add_argument("--gate", metavar="MODEL", help="judge one model; needs --real")
    parser.add_argument("--quick", action="store_true", help="a tenth of the maps: wide intervals, under a minute")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = QUICK if options.quick else FULL
    if options.gate is not None:
        if (reason := gate(options.gate, options.real, size.pairs)) is not None:
            sys.exit(reason)
        Console().print(f"{options.gate} may be shipped", highlight=False)
        return
    tables, figures = measure_all(options, size)
    for table in tables:
        table.show()
    on = machine(1)
    line = ", ".join(f"{key} {value}" for key, value in on.items())
    Console().print(f"Measured on: {line}", highlight=False)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": on, **figures}, indent=1, default=_plain))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", *(table.markdown() for table in tables)])


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


if __name__ == "__main__":
    main()
