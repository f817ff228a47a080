"""Leak-free retrieval with models, and with what is there without one, for `benchmarks/latent.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from latent_ways import noise_statistics
from numpy.typing import NDArray
from tables import Row, Table

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.evaluation import WINDOW_COLUMNS, encode_stored, windows_of
from ainerd_agent.latent.g2_discriminant import G2Discriminant
from ainerd_agent.latent.held_out import BY_HASH
from ainerd_agent.latent.model_file import card_of
from ainerd_agent.latent.retrieval import Retrieval, leak_free, retrieve
from ainerd_agent.latent.training.lessons import groups_of
from ainerd_agent.scattering.files.map_files import StoredMaps, read_maps
from ainerd_agent.workflows.evaluate import kept_apart, read_card

Array = NDArray[Any]
Represent = Callable[[Array], Array]
Told = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Found:
    """Of one representation: by distance, and with local scaling."""

    plain: Retrieval
    scaled: Retrieval


def split_of(card: Mapping[str, Any]) -> str:
    """In words, which experiments a model's training left out."""
    return (
        f"held out by the {BY_HASH}" if card.get("held_out") == BY_HASH else f"kept apart by seed {card.get('seed', 0)}"
    )


def retrieve_with_models(encoders: Mapping[str, Encoder], real: Path, told: Told) -> tuple[list[Table], dict[str, Any]]:
    """A table for each split: models on experiments that they never saw, beside what is there without them."""
    stored = read_maps(real)
    cards: dict[str, dict[str, Any]] = {BY_HASH: {"held_out": BY_HASH}}
    models: dict[str, dict[str, Encoder]] = {split_of(cards[BY_HASH]): {}}
    for name, encoder in encoders.items():
        card = read_card(card_of(name))
        cards[split_of(card)] = card
        models.setdefault(split_of(card), {})[name] = encoder
    tables, figures = [], {}
    for split, members in models.items():
        card = cards[BY_HASH] if BY_HASH in split else cards[split]
        found = _of_split(stored, card, members)
        tables.append(_table(split, found, told))
        figures[split] = {
            name: {
                "plain": [e.plain.mean, e.plain.low, e.plain.high],
                "scaled": [e.scaled.mean, e.scaled.low, e.scaled.high],
            }
            for name, e in found.items()
        }
    return tables, figures


def _of_split(stored: StoredMaps, card: Mapping[str, Any], encoders: Mapping[str, Encoder]) -> dict[str, Found]:
    apart, others = (windows_of(each) for each in kept_apart(stored, card))
    task = leak_free(*(apart.columns[name] for name in WINDOW_COLUMNS))
    group = groups_of(others)
    assert group is not None
    rng = np.random.default_rng(0)
    noise = noise_statistics(others.maps)
    represent: dict[str, Represent] = {
        G2: G2Discriminant(others.maps, group),
        "noise statistics alone": lambda maps: (noise_statistics(maps) - noise.mean(axis=0)) / noise.std(axis=0),
        "null: random vectors": lambda maps: rng.standard_normal((len(maps), 64)),
    }
    represent = {name: _encoded(each) for name, each in encoders.items()} | represent
    queries = task.queries(apart.maps)
    found = {}
    for name, way in represent.items():
        vectors = way(apart.maps), way(queries)
        found[name] = Found(retrieve(task, *vectors), retrieve(task, *vectors, local_scaling=True))
    return found


G2 = "g2, 6 discriminants"


def _encoded(encoder: Encoder) -> Represent:
    return lambda maps: encode_stored(encoder, maps, baseline=1.0, contrast=1.0)


def _table(split: str, found: Mapping[str, Found], told: Told) -> Table:
    one = found[G2].plain
    table = Table(
        f"Leak-free retrieval: experiments {split}, {one.n_experiments} with {one.n_groups} places that are asked for, "
        f"archive {one.archive:,}",
        ["representation", "R-precision", "above g2", "with local scaling", "above g2 with local scaling"],
    )
    for name, each in found.items():
        scaled = each.scaled
        above = [told(mine.over(g2), 3) for mine, g2 in ((each.plain, one), (scaled, found[G2].scaled))]
        if name == G2:
            above = ["", ""]
        plain = told((each.plain.mean, each.plain.low, each.plain.high), 3)
        table.add(Row([name, plain, above[0], told((scaled.mean, scaled.low, scaled.high), 3), above[1]]))
    return table
