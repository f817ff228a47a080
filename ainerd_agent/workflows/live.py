"""The analysis of a live session, put together from settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.callbacks.analysis import AnalysisCallback, Outcome
from ainerd_agent.callbacks.assemble import Assembler, FramesElsewhere
from ainerd_agent.catalog import Catalog, ModelIdentity, SpooledWriter
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.scattering.correlation.two_time import warm_up
from ainerd_agent.scattering.fingerprint import TwoTimeOptions
from ainerd_agent.scattering.geometry.detector import DetectorGeometry
from ainerd_agent.scattering.geometry.from_settings import bins_from_settings, describe_bins
from ainerd_agent.settings import Settings


@dataclass(frozen=True, slots=True)
class LiveAnalysis:
    """A callback for documents, and what stands behind it.

    Attributes
    ----------
    callback : AnalysisCallback
        To be subscribed through `ainerd_agent.callbacks.InBackground`.
    writer : SpooledWriter
        Also for the agent's suggestions.
    encoder : Encoder
    analyst : Analyst
        With the atlas of what this process has seen.
    """

    callback: AnalysisCallback
    writer: SpooledWriter
    encoder: Encoder
    analyst: Analyst


def live_analysis(
    catalog: Catalog,
    settings: Settings,
    spool: Path,
    *,
    geometry: DetectorGeometry | None = None,
    mask: NDArray[np.bool_] | None = None,
    frames: FramesElsewhere | None = None,
    skip: Callable[[str, int], bool] | None = None,
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
    frames
        See `Assembler`.
    skip
        See `AnalysisCallback`.
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
    """
    partition = bins_from_settings(settings, geometry=geometry, mask=mask)
    encoder = Encoder.load(settings.model)
    identity = ModelIdentity(
        name=encoder.name,
        weights_sha256=encoder.weights_sha256,
        n_clusters=len(encoder.clusters),
        parameters={
            **settings.bins.model_dump(mode="json", exclude_none=True),
            **settings.correlation.model_dump(mode="json", exclude_none=True, exclude={"device"}),
        },
        geometry=describe_bins(settings, geometry),
    )
    # Now, and not measurement by measurement in the background: is the name free for these weights?
    catalog.model_for(identity)
    writer = catalog.spooled_writer(identity, spool)
    analyst = Analyst(encoder)
    callback = AnalysisCallback(
        Assembler(settings.keys, settings.files, frames),
        partition,
        analyst,
        writer,
        options=TwoTimeOptions.from_settings(settings.correlation),
        follow=settings.files.follow,
        skip=skip,
        on_outcome=on_outcome,
    )
    warm_up()
    return LiveAnalysis(callback, writer, encoder, analyst)
