"""The analysis of a live session, put together from settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog import DerivedWriter, ModelIdentity, SpooledWriter, check_model
from ainerd_agent.errors import BinError
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.scattering import Geometry, azimuthal_bins
from ainerd_agent.settings import Settings
from callbacks.analysis import AnalysisCallback, Outcome
from callbacks.assemble import Assembler


@dataclass(frozen=True, slots=True)
class LiveAnalysis:
    """A callback for documents, and what stands behind it.

    Attributes
    ----------
    callback : AnalysisCallback
        To be subscribed through `callbacks.InBackground`.
    writer : SpooledWriter
        Also for the agent's suggestions.
    encoder : Encoder
    """

    callback: AnalysisCallback
    writer: SpooledWriter
    encoder: Encoder


def live_analysis(
    root: Any,
    settings: Settings,
    spool: Path,
    *,
    geometry: Geometry | None = None,
    mask: NDArray[np.bool_] | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> LiveAnalysis:
    """Put the analysis of a beamline together.

    Parameters
    ----------
    root : tiled container
        From `ainerd_agent.catalog.connect`.
    settings : Settings
    spool : Path
        Folder in which results wait while Tiled is away.
    geometry : Geometry, optional
        Instead of the one in the settings.
    mask : ndarray of bool, shape (H, W), optional
        True where a pixel must not be used: gaps, the beam stop, hot pixels.
    on_outcome : callable, optional
        Told of each result.

    Raises
    ------
    BinError
        Where neither the settings nor the argument give a geometry.
    ModelError
        Where the latent model cannot be loaded.
    CatalogError
        Where the catalog holds results of another model of that name, or its server does not answer.
    """
    if geometry is None:
        if settings.geometry is None:
            raise BinError(
                "the geometry of the detector is not known: set centre_row, centre_column and distance under "
                "[geometry] in ainerd.toml"
            )
        given = settings.geometry
        geometry = Geometry(
            centre=(given.centre_row, given.centre_column),
            distance=given.distance,
            pixel_size=given.pixel_size,
            wavelength=given.wavelength,
        )
    bins = settings.bins
    encoder = Encoder.load(settings.model)
    identity = ModelIdentity(
        name=encoder.name,
        weights_sha256=encoder.weights_sha256,
        n_clusters=len(encoder.clusters),
        parameters=bins.model_dump(),
    )
    # Now, and not measurement by measurement in the background: is the name free for these weights?
    check_model(root, identity)
    writer = SpooledWriter(DerivedWriter(root, model=identity), spool)
    callback = AnalysisCallback(
        Assembler(settings.keys),
        partial(azimuthal_bins, geometry, q_range=(bins.q_min, bins.q_max), n_bins=bins.n_bins, mask=mask),
        Analyst(encoder),
        writer,
        on_outcome=on_outcome,
    )
    return LiveAnalysis(callback, writer, encoder)
