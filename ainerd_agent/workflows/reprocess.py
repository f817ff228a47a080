"""Encode and label stored C2 maps again, by another model, without their frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ainerd_agent.catalog import Catalog, ModelResults, connect
from ainerd_agent.catalog.codec.measured_points import measurements_in
from ainerd_agent.catalog.read.analysed_runs import AnalysedRun
from ainerd_agent.catalog.read.maps import read_age_lags
from ainerd_agent.catalog.schema import C2, MAPS
from ainerd_agent.catalog.server_errors import ServerUnreachableError, server_errors
from ainerd_agent.errors import AinerdError, CatalogError, SessionError
from ainerd_agent.latent.analyst import encoding_of
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.encoding import Encoding
from ainerd_agent.latent.short_lags import short_lags_or_none
from ainerd_agent.records import FloatArray
from ainerd_agent.workflows.model_at_work import ModelAtWork

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


@dataclass(frozen=True, slots=True, eq=False)
class _Underway:
    """A run that is asked for ahead: what is known of it, or what is wrong with it; which measurements are encoded."""

    uid: str
    known: AnalysedRun | str
    new: list[int] = field(default_factory=list)
    encoding: Any = None


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
        What encodes, and where: from `encoders`.
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

    Examples
    --------
    >>> with encoders(catalog, encoder) as (pool, encode):  # doctest: +SKIP
    ...     for done in reprocess(catalog, encoder, pool, encode, sample="silica 60 %"):
    ...         print(done.raw_uid, done.written, done.problem)
    """
    model = ModelAtWork.begin(catalog, encoder)
    waiting: deque[_Underway] = deque()
    with server_errors(catalog.address):
        for uid, results in _sources(catalog, encoder.name, source, conditions):
            waiting.append(_begin(model, uid, results, pool, encode))
            if len(waiting) > ahead:
                yield _finish(model, waiting.popleft())
        while waiting:
            yield _finish(model, waiting.popleft())


def count(catalog: Catalog, encoder: Encoder, *, source: str | None = None, **conditions: Any) -> int:
    """How many runs `reprocess` will look at."""
    with server_errors(catalog.address):
        return len(_sources(catalog, encoder.name, source, conditions))


@contextmanager
def encoders(
    catalog: Catalog, encoder: Encoder, model: Path | None = None, *, workers: int = 2, dask: str | None = None
) -> Iterator[tuple[Pool, Encode]]:
    """What encodes: threads of this process, or the workers of a Dask cluster.

    Parameters
    ----------
    model : Path, optional
        File of the encoder, or the name of a shipped one, for the workers of a cluster.
    workers : int
        Threads.
    dask : str, optional
        Address of a scheduler.

    Yields
    ------
    pool, encode
        For `reprocess`.

    Raises
    ------
    SessionError
        No scheduler answers, or Dask is not installed.
    """
    if dask is None:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="encode")
        try:
            yield pool, here(catalog, encoder)
        finally:
            pool.shutdown(cancel_futures=True)
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise SessionError("a Dask cluster needs the package distributed: install ainerd-agent[dask]") from error
    try:
        client = Client(dask, timeout=10)
    except (OSError, ValueError) as error:
        raise SessionError(f"no Dask scheduler answers at {dask}: {str(error) or type(error).__name__}") from error
    with client:
        where = None if model is None else model.resolve() if model.exists() else model
        yield client, Elsewhere(catalog.address, where, encoder.weights_sha256)


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
        age_lags = read_age_lags(catalog[MAPS, uid], places[part])
        short = [short_lags_or_none(*each) for each in zip(age_lags, contrast[part], strict=True)]
        flat = maps.reshape(-1, *maps.shape[-2:])
        parts.append(encoding_of(encoder, flat, contrast[part].ravel(), np.concatenate(short)))
    return Encoding(
        latents=np.concatenate([part.latents for part in parts]),
        reconstruction_error=np.concatenate([part.reconstruction_error for part in parts]),
        misfit=np.concatenate([part.misfit for part in parts]),
        noise=np.concatenate([part.noise for part in parts]),
        block_noise=np.concatenate([part.block_noise for part in parts]),
        faults=tuple(each for part in parts for each in part.faults),
        side=parts[0].side,
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


def _begin(model: ModelAtWork, uid: str, results: ModelResults, pool: Pool, encode: Encode) -> _Underway:
    """Read what is known of a run, and have those of its measurements encoded that are not there."""
    try:
        known = results.records(uid)
    except ServerUnreachableError:
        raise
    except AinerdError as error:
        return _Underway(uid, str(error))
    there = {events for events, _ in measurements_in(model.points(uid, []))}
    new = [k for k, each in enumerate(known.fingerprints) if each.origin.events not in there]
    if not new:
        return _Underway(uid, known)
    contrast = np.stack([known.fingerprints[k].contrast for k in new])
    return _Underway(uid, known, new, pool.submit(encode, uid, [known.places[k] for k in new], contrast))


def _finish(model: ModelAtWork, underway: _Underway) -> Done:
    """Judge and write a run, once it is encoded."""
    uid, known, new = underway.uid, underway.known, underway.new
    if isinstance(known, str):
        return Done(uid, 0, known)
    if len(new) < len(known.fingerprints):
        model.take_up(model.points(uid))
    # The parameters are those of the maps, which are the same.
    writer = model.with_parameters(known.parameters, known.geometry).writer()
    writer.open_run(known.run)
    try:
        if new:
            fingerprints = [known.fingerprints[k] for k in new]
            stresses = [known.analyses[k].stress for k in new]
            analyses = model.analyst.judge(fingerprints, stresses, underway.encoding.result())
            writer.append_analyses(uid, fingerprints, analyses)
        for events, message in known.failures.items():
            writer.record_failure(uid, events.first, message, stream=events.stream, last_seq_num=events.last)
        if known.status != "running":
            writer.close_run(uid, known.status)
    except ServerUnreachableError:
        raise
    except AinerdError as error:
        return Done(uid, 0, str(error))
    lacking = ", ".join(map(str, known.incomplete))
    return Done(uid, len(new), f"measurements without maps or rows were left out: {lacking}" if lacking else "")
