"""The analysis of a live session, put together from settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.callbacks import AnalysisCallback, Assembler, Failure, InBackground, Outcome
from ainerd_agent.callbacks.analysis import AnalysisLimits, ResultWriter
from ainerd_agent.callbacks.open_run import FramesElsewhere
from ainerd_agent.catalog import Catalog, SpooledWriter
from ainerd_agent.catalog.schema import RAW
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.records import Analysis, Origin
from ainerd_agent.scattering.fingerprint import TwoTimeOptions
from ainerd_agent.scattering.geometry.detector import DetectorGeometry
from ainerd_agent.scattering.geometry.from_settings import bins_from_settings, describe_bins
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.live_channel import LiveChannel
from ainerd_agent.workflows.live_looks import LiveLooks
from ainerd_agent.workflows.model_at_work import ModelAtWork

__all__ = [
    "Failure",
    "LiveAnalysis",
    "Outcome",
    "analysis_callback",
    "live_analysis",
    "model_from_settings",
    "raw_backup",
    "raw_writer",
]

RESULT_TIMEOUT = 120.0
"""Seconds after which a result that somebody waits for counts as failed."""


@dataclass(frozen=True, slots=True, eq=False)
class LiveAnalysis:
    """A callback for documents, and what stands behind it.

    Attributes
    ----------
    callback : AnalysisCallback
        To be subscribed through `in_background`, or fed with documents.
    writer : SpooledWriter
        Also for the agent's suggestions.
    model : ModelAtWork
        The latent model, its place in the catalog, and the atlas of what this process has seen.
    looks : LiveLooks or None
        Looks at running exposures, where a live channel was given.
    """

    callback: AnalysisCallback
    writer: SpooledWriter
    model: ModelAtWork
    looks: LiveLooks | None = None

    @property
    def encoder(self) -> Encoder:
        """The latent model."""
        return self.model.encoder

    @property
    def analyst(self) -> Analyst:
        """With the atlas of what this process has seen."""
        return self.model.analyst

    def in_background(self) -> InBackground:
        """The callback on a thread of its own, for a RunEngine. Keep it: the RunEngine holds callbacks weakly."""
        return InBackground(self.callback)

    def result(self, raw_uid: str, seq_num: int, *, timeout: float = RESULT_TIMEOUT) -> Analysis | None:
        """Wait for the analysis of a measurement; None where it failed, or does not come in time (seconds)."""
        outcome = self.callback.outcome(raw_uid, seq_num, timeout=timeout)
        return None if isinstance(outcome, Failure) else outcome


def live_analysis(
    catalog: Catalog,
    settings: Settings,
    spool: Path,
    *,
    geometry: DetectorGeometry | None = None,
    mask: NDArray[np.bool_] | None = None,
    channel: LiveChannel | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> LiveAnalysis:
    """Put the analysis of a beamline together.

    Parameters
    ----------
    catalog : Catalog
        From `ainerd_agent.catalog.connect`.
    settings : Settings
    spool : Path
        Folder in which results wait while Tiled is away.
    geometry, mask
        See `bins_from_settings`.
    channel : LiveChannel, optional
        Where looks at running exposures are served; it is the caller's to close. Subscribe `looks.in_background()` too.
    on_outcome : callable, optional
        Told of each result.

    Raises
    ------
    BinError
        See `bins_from_settings`.
    ModelError
        Where the latent model cannot be loaded.
    CatalogError
        Where the catalog holds results of another model of that name, or its server does not answer.

    Examples
    --------
    >>> live = live_analysis(catalog, settings, Path("unsent"))  # doctest: +SKIP
    >>> analysis = live.in_background()  # doctest: +SKIP
    >>> RE.subscribe(analysis)  # doctest: +SKIP
    """
    partition = bins_from_settings(settings, geometry=geometry, mask=mask)
    model = model_from_settings(catalog, settings, geometry)
    writer = model.spooled_writer(spool)
    callback = analysis_callback(model, partition, writer, settings, on_outcome=on_outcome)
    looks = None if channel is None else LiveLooks(settings, partition, model.encoder, channel)
    return LiveAnalysis(callback, writer, model, looks)


def analysis_callback(
    model: ModelAtWork,
    partition: Callable[[tuple[int, int]], Partition],
    writer: ResultWriter,
    settings: Settings,
    *,
    frames: FramesElsewhere | None = None,
    take_up: Callable[[Origin], bool] | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> AnalysisCallback:
    """The callback of a live analysis, or of past runs: see `Assembler` for `frames`, and `AnalysisCallback`.

    It compiles what it needs before it returns.
    """
    options = TwoTimeOptions.from_settings(settings.correlation)
    callback = AnalysisCallback(
        Assembler(settings, frames),
        partition,
        model.analyst,
        writer,
        options=options,
        prefetch=settings.files.prefetch,
        limits=AnalysisLimits(seconds=settings.movies.limit, clocks=settings.clocks),
        take_up=take_up,
        on_outcome=on_outcome,
    )
    options.warm_up()
    return callback


def raw_writer(catalog: Catalog, unsent: Path) -> InBackground:
    """What writes documents to /raw of a catalog, on a thread of its own. Keep it, as `LiveAnalysis.in_background`.

    Parameters
    ----------
    unsent : Path
        Folder in which documents of runs are kept that the server could not take: in `raw_backup(unsent)`.
    """
    from bluesky_tiled_plugins import TiledWriter

    backup = raw_backup(unsent)
    backup.mkdir(parents=True, exist_ok=True)
    return InBackground(TiledWriter(catalog[RAW], batch_size=1, max_array_size=0, backup_directory=str(backup)))


def raw_backup(unsent: Path) -> Path:
    """Where `raw_writer` keeps what it could not deliver."""
    return unsent / "raw"


def model_from_settings(catalog: Catalog, settings: Settings, geometry: DetectorGeometry | None = None) -> ModelAtWork:
    """The latent model of the settings at work on a catalog, for frames that are analysed by these settings."""
    return ModelAtWork.begin(
        catalog,
        Encoder.load(settings.model),
        parameters={
            **settings.bins.model_dump(mode="json", exclude_none=True),
            # C2 and latents are the same whatever these are.
            **settings.correlation.model_dump(mode="json", exclude_none=True, exclude={"device", "ages"}),
        },
        geometry=describe_bins(settings, geometry),
    )
