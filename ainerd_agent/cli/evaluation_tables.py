"""What `ainerd evaluate` prints."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from rich.table import Table

from ainerd_agent.latent.damage import DAMAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ainerd_agent.workflows.evaluate import Evaluation

FIGURES_IN_WORDS = {
    "same_g2": "AUC for pairs with the same g2, mean of 14 kinds (chance 0.5)",
    "same_g2_unseen": "the same, of the 7 kinds that no training contains",
    "same_g2_worst": "the same, of the worst kind",
    "same_g2_null": "the same, of no difference at all: 0.5 but for chance",
    "retrieval": "leak-free retrieval on real maps, mean R-precision",
    "retrieval_scaled": "the same, with local scaling",
    "retrieval_g2": "the same, of six discriminants of g2",
    "over_g2": "what the model has more than these",
    "retrieval_groups": "places that were asked for",
    "retrieval_archive": "windows that each query searched",
    "target_mse": "reconstruction of the target, mean squared error",
    "same_kind": "nearest five of the same kind of dynamics",
    "alike": "of the maps nearest to heterodyne ones, truly alike",
    "alike_to_clear": "the same, asked by maps with fringes of half the contrast or more",
    "n_alike": "maps looked at for it",
    "order": "order of clusters against relaxation rate, Spearman",
    "order_of_maps": "the same, map by map",
    "denoising": "squared distance to the noise-free map, against that of the measured map",
    "ari": "ARI of labels over 20 seeds, mean",
    "ari_least": "the same, least of all pairs",
    "encoding_ms": "encoding the 18 maps of a measurement, ms",
    "n_maps": "simulated maps",
}

DAMAGES_IN_WORDS = {
    "gap": "a gap of zeros, 2 to 30 % of the frames",
    "constant": "a gap of another value",
    "stripes": "stripes of 0.7 contrasts",
    "strong": "stripes of one to two contrasts, up or down",
    "shuffled": "frames in a wrong order",
    "inverted": "upside down",
    "negated": "below the baseline",
    "noise": "white noise",
    "asymmetric": "asymmetric",
    "scale": "too high by 2.5 to 4",
}


def evaluation_tables(found: Evaluation) -> list[Table]:
    """The figures, beside those of the card; and what the flag misses, where the model has one."""
    table = Table("figure", "measured", "on the card", title=f"{found.model} ({found.weights_sha256[:12]})")
    for name, words in FIGURES_IN_WORDS.items():
        if name in found.figures:
            on_card = f"{found.on_card[name]:.4g}" if name in found.on_card else "-"
            table.add_row(words, _with_interval(found.figures, name), on_card)
    flagged = [of for of in ("real", "simulated") if f"false_alarms_{of}" in found.figures]
    return [table, _flag_table(found.figures, flagged)] if flagged else [table]


def _flag_table(figures: Mapping[str, float], of: list[str]) -> Table:
    """Shares of maps for which the flag is wrong."""
    table = Table("", *(f"{each} maps" for each in of), title='the flag "unlike the training": how often it is wrong')
    table.add_row("sound maps, flagged", *(f"{figures[f'false_alarms_{each}']:.0%}" for each in of))
    for name in DAMAGES:
        missed = (f"{figures[f'missed_{name}_{each}']:.0%}" for each in of)
        table.add_row(f"{DAMAGES_IN_WORDS[name]}, not flagged", *missed)
    return table


def _with_interval(figures: Mapping[str, float], name: str) -> str:
    value = f"{figures[name]:.4g}"
    if not isfinite(figures.get(f"{name}_low", float("nan"))):
        return value
    return f"{value} ({figures[f'{name}_low']:.3g} to {figures[f'{name}_high']:.3g})"
