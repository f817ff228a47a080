"""Make the latents of crops of stored maps, beside the points of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ainerd_agent.catalog import Catalog, ModelResults
from ainerd_agent.catalog.codec.time_scales import time_scales_table
from ainerd_agent.catalog.read.analysed_runs import AnalysedRun
from ainerd_agent.catalog.read.similar import encoder_of
from ainerd_agent.catalog.read.time_scales import events_with_time_scales
from ainerd_agent.catalog.schema import C2, MAPS
from ainerd_agent.catalog.server_errors import ServerUnreachableError, server_errors
from ainerd_agent.catalog.write.time_scales import append_time_scales
from ainerd_agent.errors import AinerdError
from ainerd_agent.latent import Encoder
from ainerd_agent.latent.time_scales import encode_crops
from ainerd_agent.records import Events, Fingerprints, MapStack

BATCH = 16
"""Measurements whose maps are read, encoded and written at a time."""


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one run.

    Attributes
    ----------
    raw_uid : str
    written : int
        Measurements whose crops were not there before.
    problems : tuple of str
        Which maps or measurements were left out, and why.
    """

    raw_uid: str
    written: int
    problems: tuple[str, ...] = ()


def make_time_scales(catalog: Catalog, results: ModelResults, encoder: Encoder, **conditions: Any) -> Iterator[Made]:
    """Encode crops of the stored maps of a model's runs, and write them beside its points.

    What is there already stays: after an interruption, the same goes on where it stopped.

    Parameters
    ----------
    catalog : Catalog
    results : ModelResults
        Of the model, in that catalog.
    encoder : Encoder
        The model itself.
    **conditions
        As of `ModelResults.find`.

    Yields
    ------
    Made
        For each run, in order of time.

    Raises
    ------
    CatalogError
        The results are by other weights, or the server does not answer.
    """
    encoder_of(results.container, encoder)
    runs = results.find(**conditions).runs()
    for uid in [] if runs.empty else runs["raw_uid"].tolist():
        try:
            yield _of_run(catalog, results, encoder, str(uid))
        except ServerUnreachableError:
            raise
        except AinerdError as error:
            yield Made(str(uid), 0, (str(error),))


def _of_run(catalog: Catalog, results: ModelResults, encoder: Encoder, uid: str) -> Made:
    with server_errors(catalog.address):
        analysis = results.run(uid)
        there = events_with_time_scales(analysis)
        known = results.records(uid)
        new = [k for k, each in enumerate(known.fingerprints) if each.origin.events not in there]
        written, problems = 0, [f"measurement {events} lacks its maps or rows" for events in known.incomplete]
        for first in range(0, len(new), BATCH):
            made: dict[Events, pa.Table] = {}
            for measured, maps in _with_maps(catalog, known, new[first : first + BATCH]):
                try:
                    made[measured.origin.events] = _table(encoder, measured, maps, problems)
                except AinerdError as error:
                    problems.append(f"measurement {measured.origin.events}: {error}")
            written += append_time_scales(catalog.tiled, analysis, made)
    return Made(uid, written, tuple(problems))


def _with_maps(catalog: Catalog, known: AnalysedRun, chosen: Sequence[int]) -> Iterator[tuple[Fingerprints, MapStack]]:
    """Measurements with their maps, which are read at once."""
    places = [known.places[k] for k in chosen]
    maps = catalog[MAPS, known.run.uid, C2].read((slice(min(places), max(places) + 1),))
    return ((known.fingerprints[k], maps[place - min(places)]) for k, place in zip(chosen, places, strict=True))


def _table(encoder: Encoder, measured: Fingerprints, maps: MapStack, problems: list[str]) -> pa.Table:
    """Rows of a measurement; bins whose maps hold NaN are left out, and named among the problems."""
    finite = np.isfinite(maps).all(axis=(1, 2))
    for number in np.flatnonzero(~finite) + 1 if finite.any() else ():
        problems.append(f"measurement {measured.origin.events}, bin {number}: its map holds NaN or infinite values")
    kept = finite if finite.any() else np.ones_like(finite)
    contrast = measured.contrast[kept]
    found = encode_crops(
        encoder,
        maps[kept],
        measured.duration,
        n_frames=measured.origin.exposure.frames or None,
        contrast=np.where(contrast > 0, contrast, np.nan),
    )
    labels, _ = encoder.clusters.predict(found.latents.reshape(-1, found.latents.shape[-1]))
    bins = (np.flatnonzero(kept) + 1).tolist()
    return time_scales_table(measured.origin, bins, found, labels.reshape(found.latents.shape[:2]))
