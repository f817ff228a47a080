"""Past runs through the analysis of live ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from ainerd_agent.callbacks.replay import Document, documents_in, documents_of, frames_in, whole_runs
from ainerd_agent.catalog import Catalog
from ainerd_agent.catalog.connection import connect_tiled
from ainerd_agent.catalog.layout import address_of
from ainerd_agent.catalog.read.run_names import RAW_RUNS, run_named
from ainerd_agent.catalog.schema import RAW
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.errors import CatalogError
from ainerd_agent.records.run import RunName
from ainerd_agent.scattering.geometry.from_settings import bins_from_settings
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.live import Failure, Outcome, analysis_callback, model_from_settings
from ainerd_agent.workflows.model_at_work import StoredMeasurements

if TYPE_CHECKING:
    from ainerd_agent.catalog.tiled_types import Container

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRuns:
    """Which runs, and where their documents and frames are. By default all in /raw of the catalog.

    Attributes
    ----------
    uids : sequence of str or int
        Of the runs, or what people call them: the beginning of a uid, a scan id, or -1 for the latest. By default all
        runs that fit.
    sample, plan : str, optional
        Only runs with this in their start document.
    source : str, optional
        Address of another Tiled container with raw runs.
    documents : Path or iterable of (name, doc), optional
        A file with one document a line, or documents themselves, instead of runs in Tiled.
    frames : {"files", "tiled"}
        Where frames are read: from the files that documents name, or from Tiled where those are out of reach.

    Raises
    ------
    CatalogError
        Choices that contradict each other.
    """

    uids: Sequence[RunName] = ()
    sample: str | None = None
    plan: str | None = None
    source: str | None = None
    documents: Path | Iterable[Document] | None = None
    frames: str = "files"

    def __post_init__(self) -> None:
        if self.frames not in ("files", "tiled"):
            raise CatalogError(f'frames are in "files" or "tiled", not {self.frames!r}')
        some = self.sample is not None or self.plan is not None
        if self.documents is not None:
            if self.source is not None or self.frames == "tiled":
                raise CatalogError("documents give runs without a server: leave out its address, and frames in Tiled")
            if self.uids or some:
                raise CatalogError("documents give all of their runs: leave out uids, sample and plan")
        if self.uids and some:
            raise CatalogError("uids already say which runs are meant: leave out sample and plan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of past runs.

    Attributes
    ----------
    model : str
        Name of the latent model.
    runs, analysed, failed, there : int
        Runs, and their measurements: analysed now, failed, and in the catalog before.
    waiting : int
        Records that could not be delivered, and wait.
    passed_over : mapping of str to str
        Why a run was not looked at, by its uid: another technique, or documents that cannot be read.
    """

    model: str
    runs: int
    analysed: int
    failed: int
    there: int
    waiting: int
    passed_over: Mapping[str, str] = field(default_factory=dict)


def replay(
    catalog: Catalog,
    settings: Settings,
    past: PastRuns | None = None,
    *,
    unsent: Path = Path("unsent"),
    on_run: Callable[[str], None] | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> Replayed:
    """Analyse past runs as if they were measured now.

    What is in the catalog is not made again: after an interruption, the same call goes on where it stopped.

    Parameters
    ----------
    catalog : Catalog
        Where results go.
    settings : Settings
        Of the beamline: keys, geometry, bins, model. Files count as complete: nothing is followed or waited for.
    past : PastRuns, optional
        By default all runs in /raw of the catalog.
    unsent : Path
        Folder in which results wait while Tiled is away.
    on_run, on_outcome : callable, optional
        Told the uid of each run that begins, and each `Analysis` or `Failure`.

    Raises
    ------
    CatalogError
        No such run, or a server does not answer or does not give documents.

    Examples
    --------
    >>> replay(catalog, Settings(), PastRuns(sample="silica 60 %"))  # doctest: +SKIP
    Replayed(model='ages-v1', runs=3, analysed=54, failed=0, there=0, waiting=0, passed_over={})
    """
    past = PastRuns() if past is None else past
    counts = {"runs": 0, "analysed": 0, "failed": 0}
    passed_over: dict[str, str] = {}
    settings = _patient(settings)

    def count(outcome: Outcome) -> None:
        counts["failed" if isinstance(outcome, Failure) else "analysed"] += 1
        if on_outcome is not None:
            on_outcome(outcome)

    with ExitStack() as stack:
        raw = None if past.documents is not None else _raw(stack, catalog, past.source)
        partition = bins_from_settings(settings)
        model = model_from_settings(catalog, settings)
        writer, stored = model.spooled_writer(unsent), StoredMeasurements(model)
        frames = None if raw is None or past.frames == "files" else frames_in(raw)
        callback = analysis_callback(
            model, partition, writer, settings, frames=frames, take_up=stored.take_up, on_outcome=count
        )
        for run in _runs(past, raw, settings.keys.frames, passed_over):
            counts["runs"] += 1
            if on_run is not None:
                on_run(run[0][1]["uid"])
            for name, doc in run:
                callback(name, doc)
        waiting = writer.flush()
    return Replayed(
        model=model.identity.name, there=stored.taken_up, waiting=waiting, passed_over=passed_over, **counts
    )


def _patient(settings: Settings) -> Settings:
    """The settings for files that nobody writes any more: nothing is followed or waited for."""
    return settings.model_copy(update={"files": settings.files.model_copy(update={"prefetch": False, "timeout": 1.0})})


def _raw(stack: ExitStack, catalog: Catalog, source: str | None) -> Container:
    if source is None:
        found: Container = catalog[RAW]
        return found
    raw = connect_tiled(source)
    stack.callback(raw.context.http_client.close)
    return raw


def _runs(past: PastRuns, raw: Container | None, frames: str, passed_over: dict[str, str]) -> Iterator[list[Document]]:
    """The documents of each run that has the detector, in the order that an analysis wants; the others are noted."""
    for run in _all_runs(past, raw, frames, passed_over):
        uid = str(run[0][1].get("uid", ""))
        if _has(frames, run):
            yield run
        else:
            passed_over[uid] = f"no data key {frames!r}: another technique, or another name of the detector"
            logger.info("run %s is passed over: %s", uid, passed_over[uid])


def _all_runs(
    past: PastRuns, raw: Container | None, frames: str, passed_over: dict[str, str]
) -> Iterator[list[Document]]:
    if raw is None:
        given = past.documents
        yield from whole_runs(documents_in(given) if isinstance(given, Path) else given or (), frames)
        return
    for uid, run in _chosen(raw, past, passed_over):
        try:
            documents = list(documents_of(run))
        except CatalogError as error:
            if past.uids or isinstance(error.__cause__, httpx.TransportError):
                raise
            passed_over[uid] = str(error)
            logger.warning("run %s is passed over: %s", uid, error)
            continue
        yield from whole_runs(documents, frames)


def _has(frames: str, run: Sequence[Document]) -> bool:
    keys = (doc.get("data_keys") for name, doc in run if name == "descriptor")
    return any(isinstance(each, Mapping) and frames in each for each in keys)


def _chosen(raw: Container, past: PastRuns, passed_over: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Runs by uid, or those that fit, in order of time; what is no run is noted."""
    from tiled.queries import Key

    with server_errors(address_of(raw)):
        if past.uids:
            # All are found before the first is analysed, so that a wrong name costs no time.
            yield from [(str(uid), run_named(raw, uid, RAW_RUNS)) for uid in past.uids]
            return
        for key, value in (("sample", past.sample), ("plan_name", past.plan)):
            if value is not None:
                raw = raw.search(Key(f"start.{key}") == value)
        found = []
        for uid, run in raw.items():
            start = run.metadata.get("start")
            time = start.get("time") if isinstance(start, Mapping) else None
            if isinstance(time, int | float) and hasattr(run, "documents"):
                found.append((float(time), uid, run))
            else:
                passed_over[uid] = "it is no Bluesky run: it has no start document with a time"
                logger.warning("%s of %s is passed over: %s", uid, address_of(raw), passed_over[uid])
    for _, uid, run in sorted(found, key=lambda each: each[:2]):
        yield uid, run
