"""Does what a model says of repeats, clusters and kinds come true? On dynamics, kinds and experiments not learnt from.

- `repeat_probability` of repeats, simulated and real: it has to be uniform, at any noise and for any kind.
- `cluster_probability`: how often a repeat falls into the same cluster.
- Kinds: how often they are right, by the probability that was told, and which are mistaken for which; also for the
  kinds of `ainerd_agent.latent.same_g2`, of which half are in no training.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest
from tables import Row, Table, write_figures

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.held_out import held_out
from ainerd_agent.latent.kinds import KindModel, Kinds
from ainerd_agent.latent.repeats import RepeatModel
from ainerd_agent.latent.same_g2 import KINDS as PAIRS
from ainerd_agent.latent.same_g2 import trials
from ainerd_agent.latent.training.learn_kinds import kind_weights
from ainerd_agent.latent.training.learn_repeats import RepeatPairs
from ainerd_agent.latent.training.readings import ALIKE, UNLIKE, SimulatedReadings, real_pairs, simulated_readings
from ainerd_agent.records.analysis import KINDS, UNKNOWN
from ainerd_agent.scattering.files.map_files import read_maps

Array = NDArray[Any]
SEED = 4_242
THIRDS = {"least noise": (0.0, 1 / 3), "middle": (1 / 3, 2 / 3), "most noise": (2 / 3, 1.0)}
NOISE = 2
"""Which of the numbers of the noise orders the pairs: near the diagonal, of means over 4 x 4."""

KIND_OF_PAIR = {
    "ageing": "ageing",
    "avalanche": "intermittent",
    "chirped": "oscillating",
    "flow": "flowing",
    "pulsed": "oscillating",
    "rejuvenation": "ageing",
    "pixels jump": "intermittent",
    "drift": "oscillating",
    "echo": "oscillating",
}
"""Kind of the first side, by a word in the name of the pair."""


def repeats_table(model: RepeatModel, sources: dict[str, tuple[RepeatPairs, Array | None]]) -> Table:
    """Shares of repeats below some probabilities, and the largest deviation from uniform (Kolmogorov, Smirnov)."""
    columns = ["repeats", "pairs", "KS distance", "below 0.01", "below 0.05", "below 0.5", "novelty, median"]
    table = Table("Probabilities of repeats, which should be uniform", columns)
    for name, (pairs, kind) in sources.items():
        found = model.compare(pairs.first, pairs.first_noise, pairs.second, pairs.second_noise)
        probability = model.probability(found.surprise)
        for part, chosen in _strata(pairs, kind):
            p = probability[chosen]
            shares = (f"{np.mean(p < level):.3f}" for level in (0.01, 0.05, 0.5))
            cells = [f"{name}{part}", str(len(p)), f"{kstest(p, 'uniform').statistic:.3f}", *shares]
            table.add(Row([*cells, f"{np.median(found.distance[chosen]):.2f}"], strong=not part))
    return table


def _strata(pairs: RepeatPairs, kind: Array | None) -> Iterator[tuple[str, Array]]:
    yield "", np.ones(len(pairs), dtype=bool)
    noise = pairs.first_noise[:, NOISE]
    for name, levels in THIRDS.items():
        low, high = np.quantile(noise, levels)
        yield f", {name}", (noise >= low) & (noise <= high)
    for each in np.unique(kind) if kind is not None else ():
        yield f", {each}", kind == each


def clusters_table(encoder: Encoder, sources: dict[str, tuple[RepeatPairs, Array | None]]) -> Table:
    """What was told of clusters against what repeats do."""
    table = Table("Probabilities of clusters", ["repeats", "told", "pairs", "mean of what was told", "same cluster"])
    for name, (pairs, _) in sources.items():
        told = encoder.clusters.shares(pairs.first).max(axis=1)
        same = encoder.clusters.predict(pairs.first)[0] == encoder.clusters.predict(pairs.second)[0]
        for low, high in ((0.0, 0.7), (0.7, 0.9), (0.9, 1.01)):
            here = (told >= low) & (told < high)
            if here.any():
                cells = [f"{low:g} to {min(high, 1):g}", str(here.sum()), f"{told[here].mean():.2f}"]
                table.add(Row([name, *cells, f"{same[here].mean():.2f}"]))
    return table


def kinds_tables(model: KindModel, known: SimulatedReadings) -> list[Table]:
    """Confusion and reliability, each kind weighing as much."""
    lessons = known.lessons()
    found = model.predict(lessons.latents, lessons.noise)
    weight, names = kind_weights(lessons.kind), np.array(found.kind)
    confusion = Table("Kinds of simulated maps", ["truth", "maps", *KINDS, UNKNOWN])
    for number, kind in enumerate(KINDS):
        own = names[lessons.kind == number]
        confusion.add(Row([kind, str(len(own)), *(f"{np.mean(own == each):.2f}" for each in (*KINDS, UNKNOWN))]))
    right = found.of_all.argmax(axis=1) == lessons.kind
    truth = np.eye(len(KINDS))[lessons.kind]
    brier = np.average(((found.of_all - truth) ** 2).sum(axis=1), weights=weight)
    reliability = Table(
        f"Reliability of kinds: Brier score {brier:.3f}, 0.8 without any knowledge", ["told", "maps", "right"]
    )
    for low in (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        here = (found.probability >= low) & (found.probability < low + (0.2 if low == 0.2 else 0.1001))
        if here.any():
            told, true = (np.average(each[here], weights=weight[here]) for each in (found.probability, right))
            reliability.add(Row([f"{told:.2f}", str(here.sum()), f"{true:.2f}"]))
    return [confusion, reliability]


def pairs_table(encoder: Encoder, model: KindModel, n_pairs: int) -> Table:
    """Kinds that another simulator makes, and their twins."""
    table = Table("Kinds of pairs with one g2", ["dynamics", "kind", "in trainings", *KINDS, UNKNOWN])
    rows: dict[tuple[str, str], list[str]] = {}
    for trial in trials(n_pairs, SEED, kinds=list(PAIRS)):
        seen = encoder.measure(trial.c2, contrast=trial.contrast)
        found: Kinds = model.predict(seen.latents, seen.noise)
        first = next(kind for word, kind in KIND_OF_PAIR.items() if word in trial.pair.kind)
        twin = first
        if "twin" in trial.pair.kind:  # that of fringes is stationary, and may have fringes
            twin = "stationary" if first == "oscillating" else "equilibrium"
        half = len(found.kind) // 2
        rows.setdefault((trial.pair.kind, first), []).extend(found.kind[:half])
        rows.setdefault((f"{trial.pair.kind}: the other", twin), []).extend(found.kind[half:])
    for (name, kind), names in rows.items():
        seen_before = "no" if PAIRS[name.removesuffix(": the other")].unseen else "may be"
        shares = (f"{names.count(each) / len(names):.2f}" for each in (*KINDS, UNKNOWN))
        table.add(Row([name, kind, seen_before, *shares]))
    return table


def main() -> None:
    """Measure, print the tables, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a name or a file; the default model where none is given")
    parser.add_argument("--real", type=Path, help="npz with c2, series, roi, window; baseline 1, contrast 1")
    parser.add_argument("--quick", action="store_true", help="a tenth of the maps")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--markdown", type=Path, help="file for the tables")
    options = parser.parse_args()
    encoder = Encoder.load(options.model)
    if encoder.repeats is None or encoder.kinds is None:
        parser.error(f"{encoder.name} has no readings: ainerd_agent.workflows.readings.add_readings gives them")
    known = simulated_readings(encoder, 40 if options.quick else 400, SEED)
    sources: dict[str, tuple[RepeatPairs, Array | None]] = {
        "simulated, Friedel pairs": (known.pairs(ALIKE), known.kind),
        "simulated, other detector and counts": (known.pairs(UNLIKE), known.kind),
    }
    if options.real is not None:
        stored = read_maps(options.real)
        stored = stored.select(held_out(stored.columns["series"]))
        if (pairs := real_pairs(encoder, stored, baseline=1.0, contrast=1.0)) is not None:
            sources["real, held-out experiments"] = (pairs, None)
    tables = [repeats_table(encoder.repeats, sources), clusters_table(encoder, sources)]
    tables += [*kinds_tables(encoder.kinds, known), pairs_table(encoder, encoder.kinds, 1 if options.quick else 5)]
    for table in tables:
        table.show()
    if options.json is not None:
        figures = {
            table.title: [dict(zip(table.columns, row.cells, strict=True)) for row in table.rows] for table in tables
        }
        options.json.write_text(json.dumps(figures, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [table.markdown() for table in tables])


if __name__ == "__main__":
    main()
