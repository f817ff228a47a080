"""Results as files for other programs: HDF5 in the names of APS, CSV and Parquet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.read.analysed_runs import analysed_run
from ainerd_agent.catalog.read.maps import read_age_lag, read_maps
from ainerd_agent.catalog.read.points import points_of
from ainerd_agent.catalog.schema import C2, G2, MAPS
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Events
from ainerd_agent.scattering.files.aps_results import write_results

HDF5 = (".h5", ".hdf", ".hdf5", ".nxs")


def export(root: Container, analysis: Container, path: Path, measurement: int | None = None) -> list[Path]:
    """Write an analysed run to files, of the kind that the ending tells.

    Parameters
    ----------
    root : tiled Container
    analysis : tiled Container
        `/ainerd/<model>/<uid>`.
    path : Path
        `.csv` or `.parquet` for the points, `.h5`, `.hdf`, `.hdf5` or `.nxs` for maps, g2 and points in the names of
        APS: that is one measurement a file, so with several, "-0001" and so on come before the ending, and the stream
        before that where several have the same numbers.
    measurement : int, optional
        Only this one.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    CatalogError
        Another ending, no such measurement, or a file that exists.
    MapError
        A file that cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet", *HDF5):
        raise CatalogError(f"{path} has no ending that says what to write: .csv, .parquet, or {', '.join(HDF5)}")
    with server_errors(address_of(root)):
        rows = points_of(analysis)
        if measurement is not None:
            rows = rows[rows["seq_num"] == measurement].reset_index(drop=True)
        if not len(rows):
            asked = "no points" if measurement is None else f"no measurement {measurement}"
            raise CatalogError(f"Run {analysis.metadata['raw_uid']} has {asked} to export.")
        if ending not in HDF5:
            if path.exists():
                raise CatalogError(f"{path} exists already: write to another file")
            try:
                rows.to_csv(path, index=False) if ending == ".csv" else rows.to_parquet(path, index=False)
            except OSError as error:
                path.unlink(missing_ok=True)
                raise CatalogError(f"{path} cannot be written: {error}") from error
            return [path]
        metadata = analysis.metadata_copy()[0]
        wavelength = (metadata["derived_from"].get("geometry") or {}).get("wavelength")
        about = {**metadata, **({} if wavelength is None else {"wavelength": wavelength})}
        recalled, maps = analysed_run(root, analysis), child(root, f"{MAPS}/{metadata['raw_uid']}")
        chosen = [each for each in recalled.fingerprints if measurement in (None, each.origin.seq_num)]
        names, written = _names([each.origin.events for each in chosen]), []
        for each in chosen:
            events, number = each.origin.events, each.origin.seq_num
            file = path if len(chosen) == 1 else path.with_name(f"{path.stem}-{names[events]}{path.suffix}")
            whole = replace(
                each,
                c2=read_maps(maps, C2, number, stream=events.stream),
                g2=read_maps(maps, G2, number, stream=events.stream),
                age_lag=read_age_lag(maps, number, events.stream),
            )
            own = rows[(rows["seq_num"] == number) & (rows["stream"] == events.stream)]
            write_results(file, whole, about, {str(name): np.asarray(own[name]) for name in own.columns})
            written.append(file)
    return written


def _names(measurements: Sequence[Events]) -> dict[Events, str]:
    """What tells files of measurements apart: their numbers, and their streams where these have the same numbers."""
    if len({each.first for each in measurements}) == len(measurements):
        return {each: f"{each.first:04d}" for each in measurements}
    streams = list(dict.fromkeys(each.stream for each in measurements))
    plain = {stream: re.sub(r"[^\w-]", "_", stream) for stream in streams}
    if len(set(plain.values())) < len(streams):
        plain = {stream: f"{plain[stream]}-{place}" for place, stream in enumerate(streams, 1)}
    return {each: f"{plain[each.stream]}-{each.first:04d}" for each in measurements}
