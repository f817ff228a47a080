"""One measurement of a run, read back from a catalog with its maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Fingerprints

if TYPE_CHECKING:
    from ainerd_agent.catalog import Catalog


def read_measurement(
    catalog: Catalog, model: str | None, raw_uid: str, measurement: int | None = None, stream: str | None = None
) -> tuple[Fingerprints, Mapping[str, Any]] | None:
    """Read a measurement with its C2 maps.

    Parameters
    ----------
    catalog : Catalog
    model : str, optional
        By which it was analysed; by default the only one there is.
    raw_uid : str
    measurement : int, optional
        The seq_num of its first event; the latest one by default.
    stream : str, optional
        By default any; needed where several have a measurement of this number.

    Returns
    -------
    fingerprints : Fingerprints
    parameters : mapping
        Those that its maps were made with.
    None
        Where none is asked for, and the run has no measurement that is complete.

    Raises
    ------
    CatalogError
        The run has no complete measurement of this number or stream, or one in each of several streams.
    """
    run = catalog.model(model).records(raw_uid)
    found = [
        each
        for each in run.fingerprints
        if measurement in (None, each.origin.seq_num) and stream in (None, each.origin.stream)
    ]
    if not found and measurement is None and stream is None:
        return None
    if not found:
        asked = "/".join(str(each) for each in (stream, measurement) if each is not None)
        there = ", ".join(f"{each.origin.stream}/{each.origin.seq_num}" for each in run.fingerprints) or "none"
        raise CatalogError(f"Run {raw_uid} has no complete measurement {asked}; it has {there}.")
    if measurement is not None and len(found) > 1:
        streams = ", ".join(each.origin.stream for each in found)
        raise CatalogError(f"Run {raw_uid} has a measurement {measurement} in several streams ({streams}): name one.")
    chosen = max(found, key=lambda each: each.origin.start)
    events = chosen.origin.events
    maps = catalog.c2(raw_uid, events.first, stream=events.stream)
    aged = catalog.age_lag(raw_uid, events.first, stream=events.stream)
    return replace(chosen, c2=maps, age_lag=aged), run.parameters
