"""Encode and label stored C2 maps again, by another model, without their frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ainerd_agent.catalog import Catalog, ModelResults, connect
from ainerd_agent.catalog.layout import child
from ainerd_agent.catalog.read.analysed_runs import AnalysedRun
from ainerd_agent.catalog.read.points import points_of
from ainerd_agent.catalog.schema import C2, MAPS, latent_columns
from ainerd_agent.catalog.server_errors import ServerUnreachableError, server_errors
from ainerd_agent.errors import AinerdError, CatalogError
from ainerd_agent.latent.analyst import Analyst, encoding_of
from ainerd_agent.latent.encoder import Encoder, Encoding
from ainerd_agent.records import FloatArray
from ainerd_agent.records.analysis import ModelIdentity

BATCH = 16
"""Measurements whose maps are read and encoded at a time: some 75 MB with 18 bins."""

Encode = Callable[[str, Sequence[int], FloatArray], Encoding]
"""Encodes the maps of a run: those of the measurements at some places of `c2`, with their contrast (n, n_bins)."""


class Pool(Protocol):
    """Where runs are encoded: a `concurrent.futures` executor, or a Dask client."""

    def submit(self, call: Encode, uid: str, places: Sequence[int], contrast: FloatArray, /) -> Any:
        """Begin; the answer has a method `result()`."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one run.

    Attributes
    ----------
    written : int
        Measurements that were not there before.
    problem : str
        Why it was left out, or some of its measurements; empty where all went well.
    """

    raw_uid: str
    written: int
    problem: str = ""


def reprocess(
    catalog: Catalog,
    encoder: Encoder,
    pool: Pool,
    encode: Encode,
    *,
    source: str | None = None,
    ahead: int = 4,
    **conditions: Any,
) -> Iterator[Done]:
    """Analyse stored runs again, into the container of another model. What was there before stays.

    Runs are encoded in parallel, and judged and written in order of their time: a map's novelty is against all that was
    measured before it, however many workers there are. What was written before an interruption is read instead of made.

    Parameters
    ----------
    catalog : Catalog
    encoder : Encoder
        Its name must be new, or that of results by the same weights, which are completed.
    pool, encode
        What encodes, and where: `here` or `elsewhere`.
    source : str, optional
        The model whose results tell of positions, times and stress; by default each run's latest analysis.
    ahead : int
        Runs that are encoded before the one that is written.
    **conditions
        As of `ModelResults.find`.

    Yields
    ------
    Done
        For each run, in order of time.

    Raises
    ------
    CatalogError
        The name belongs to other weights, or there is no other model. The server does not answer: begin again later,
        and it goes on where it stopped.
    """
    identity = _identity(encoder)
    target = catalog.model_for(identity)
    analyst = Analyst(encoder)
    # What is asked for ahead: the run, its records or what is wrong with it, and its encoding where it is needed.
    waiting: deque[tuple[str, AnalysedRun | str, list[int], Any]] = deque()
    with server_errors(catalog.address):
        for uid, results in _sources(catalog, encoder.name, source, conditions):
            try:
                recalled: AnalysedRun | str = results.records(uid)
            except ServerUnreachableError:
                raise
            except AinerdError as error:
                recalled = str(error)
            waiting.append((uid, *_begin(recalled, target, pool, encode)))
            if len(waiting) > ahead:
                yield _finish(catalog, analyst, target, *waiting.popleft())
        while waiting:
            yield _finish(catalog, analyst, target, *waiting.popleft())


def count(catalog: Catalog, encoder: Encoder, *, source: str | None = None, **conditions: Any) -> int:
    """How many runs `reprocess` will look at."""
    with server_errors(catalog.address):
        return len(_sources(catalog, encoder.name, source, conditions))


def here(catalog: Catalog, encoder: Encoder) -> Encode:
    """Encode in this process."""

    def encode(uid: str, places: Sequence[int], contrast: FloatArray) -> Encoding:
        return _encode(catalog, encoder, uid, places, contrast)

    return encode


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Encode in another process, which has this package, reaches the server, and has its API key in TILED_API_KEY.

    The key is not handed on: whoever looks at a cluster would see it.

    Parameters
    ----------
    address : str
        Of the server, without a key.
    model : Path or None
        As for `Encoder.load`; the file has to be there as well.
    weights_sha256 : str
    """

    address: str
    model: Path | None
    weights_sha256: str

    def __call__(self, uid: str, places: Sequence[int], contrast: FloatArray) -> Encoding:
        """Encode the maps of a run."""
        catalog, encoder = _opened(self.address), _loaded(self.model)
        if encoder.weights_sha256 != self.weights_sha256:
            raise CatalogError(f"A worker has other weights at {self.model}: give all of them the same file.")
        return _encode(catalog, encoder, uid, places, contrast)


@lru_cache(maxsize=2)
def _opened(address: str) -> Catalog:
    return connect(address)


@lru_cache(maxsize=2)
def _loaded(model: Path | None) -> Encoder:
    return Encoder.load(model)


def _encode(catalog: Catalog, encoder: Encoder, uid: str, places: Sequence[int], contrast: FloatArray) -> Encoding:
    array = catalog[MAPS, uid, C2]
    parts = []
    for start in range(0, len(places), BATCH):
        part = slice(start, start + BATCH)
        first, last = min(places[part]), max(places[part])
        maps = array.read((slice(first, last + 1),))[[place - first for place in places[part]]]
        parts.append(encoding_of(encoder, maps.reshape(-1, *maps.shape[-2:]), contrast[part].ravel()))
    return Encoding(
        latents=np.concatenate([part.latents for part in parts]),
        reconstruction_error=np.concatenate([part.reconstruction_error for part in parts]),
        misfit=np.concatenate([part.misfit for part in parts]),
    )


def _identity(encoder: Encoder, recalled: AnalysedRun | None = None) -> ModelIdentity:
    return ModelIdentity(
        name=encoder.name,
        weights_sha256=encoder.weights_sha256,
        n_clusters=len(encoder.clusters),
        # Those of the maps, which are the same.
        parameters={} if recalled is None else recalled.parameters,
        geometry={} if recalled is None else recalled.geometry,
    )


def _sources(catalog: Catalog, name: str, source: str | None, conditions: Any) -> list[tuple[str, ModelResults]]:
    """The results that each run is taken from, in order of the runs' time."""
    names = [other for other in catalog.models() if other != name] if source is None else [source]
    if not names or source == name:
        raise CatalogError(
            f"The catalog holds no results but those of {name}: there is nothing to analyse again. Give a model of "
            "another name."
        )
    latest: dict[str, tuple[float, float, ModelResults]] = {}
    for results in map(catalog.model, names):
        for about in results.find(**conditions).runs().to_dict("records"):
            made = about.get("analysed") or 0.0
            if about["raw_uid"] not in latest or latest[about["raw_uid"]][1] < made:
                latest[about["raw_uid"]] = (about["time"], made, results)
    return [(uid, found) for uid, (_, _, found) in sorted(latest.items(), key=lambda item: (item[1][0], item[0]))]


def _begin(
    recalled: AnalysedRun | str, target: ModelResults, pool: Pool, encode: Encode
) -> tuple[AnalysedRun | str, list[int], Any]:
    """What is known of a run, which of its measurements are there, and the encoding of the others, under way."""
    if isinstance(recalled, str):
        return recalled, [], None
    run = child(target.container, recalled.run.uid)
    there = set() if run is None else set(points_of(run, ["seq_num"])["seq_num"])
    new = [k for k, each in enumerate(recalled.fingerprints) if each.origin.seq_num not in there]
    places = [recalled.places[k] for k in new]
    if not new:
        return recalled, new, None
    contrast = np.stack([recalled.fingerprints[k].contrast for k in new])
    return recalled, new, pool.submit(encode, recalled.run.uid, places, contrast)


def _finish(
    catalog: Catalog,
    analyst: Analyst,
    target: ModelResults,
    uid: str,
    recalled: AnalysedRun | str,
    new: list[int],
    encoding: Any,
) -> Done:
    if isinstance(recalled, str):
        return Done(uid, 0, recalled)
    known = child(target.container, uid) if len(new) < len(recalled.fingerprints) else None
    if known is not None:
        # In the atlas, as if this process had made them.
        rows = points_of(known, None)
        columns = latent_columns(rows)
        for _, group in rows.groupby("seq_num"):
            latents = group[columns].to_numpy(np.float32)
            analyst.atlas.add(latents, group["azimuth"].to_numpy(), group["q"].to_numpy())
    writer = catalog.writer(_identity(analyst.encoder, recalled))
    writer.open_run(recalled.run)
    try:
        if new:
            fingerprints = [recalled.fingerprints[k] for k in new]
            analyses = analyst.judge(fingerprints, [recalled.stresses[k] for k in new], encoding.result())
            writer.append_analyses(uid, fingerprints, analyses)
        for number, message in recalled.failures.items():
            writer.record_failure(uid, number, message)
        if recalled.status != "running":
            writer.close_run(uid, recalled.status)
    except ServerUnreachableError:
        raise
    except AinerdError as error:
        return Done(uid, 0, str(error))
    lacking = ", ".join(map(str, recalled.incomplete))
    return Done(uid, len(new), f"measurements without maps or rows were left out: {lacking}" if lacking else "")
