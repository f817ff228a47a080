"""Full-resolution C2 in HDF5 files, in the form of the Advanced Photon Source or whole.

APS form: `/xpcs/twotime/correlation_map/c2_00001` holds the upper triangle of the bin with label 1, diagonal included,
and zeros below it; `c + c.T`, with the diagonal halved, is the map. It is normalised like g2: 1 where nothing
correlates. `processed_bins` lists the labels, `normalized_g2` the means over age at each lag, `normalized_g2_segments`
the same for five parts of the movie. (boost_corr 0.1.7, `TwotimeCorrelator`, writes it so, and pyXpcsViewer 1.2,
`twotime_utils`, reads it.)

The whole matrix goes to `/xpcs/twotime/two_time_corr_func/c2_00001`, the name of the NeXus definition NXxpcs, where no
reader of triangles looks. Both groups carry the attributes of NXxpcs that say what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.records import Bins, FloatArray
from ainerd_agent.scattering.correlation.full_resolution import WholeMap

Form = Literal["upper", "full"]

ROOT = "/xpcs/twotime"
GROUPS: dict[Form, str] = {"upper": "correlation_map", "full": "two_time_corr_func"}
FRAME_TIME = "/entry/instrument/detector_1/frame_time"

CHUNK_SIDE = 256
"""Rows and columns of a compressed chunk."""

SEGMENTS = 5
"""Parts of the movie that `normalized_g2_segments` is for."""


def save_whole_maps(
    path: str | Path,
    maps: Iterable[WholeMap],
    *,
    form: Form = "upper",
    frame_time: float | None = None,
    bins: Bins | None = None,
) -> None:
    """Write maps to a new HDF5 file, one after the other.

    Parameters
    ----------
    maps : iterable of WholeMap
        All of one window. Only one is held at a time where it comes from `whole_two_time`.
    form : {"upper", "full"}
        Upper triangle as APS has it, or the whole matrix.
    frame_time : float, optional
        Seconds.
    bins : Bins, optional
        All bins that the labels count, for q and azimuth.

    Raises
    ------
    MapError
        Where there is such a file already or it cannot be written; no map, or maps of different windows.
    """
    import h5py

    if form not in GROUPS:
        raise ValueError(f'form must be "upper" or "full", not {form!r}')
    try:
        file = h5py.File(path, "x")
    except FileExistsError as error:
        raise MapError(f"there is a file {path} already: write to another one") from error
    except OSError as error:
        raise MapError(f"{path} cannot be written as an HDF5 file: {error}") from error
    try:
        with file:
            _fill(file, maps, form, frame_time, bins)
    except BaseException as error:
        Path(path).unlink(missing_ok=True)  # half a file would be taken for a whole one
        if isinstance(error, OSError):
            raise MapError(f"{path} cannot be written: {error}") from error
        raise


def _fill(file: Any, maps: Iterable[WholeMap], form: Form, frame_time: float | None, bins: Bins | None) -> None:
    from ainerd_agent._version import __version__

    root = file.create_group(ROOT)
    root.attrs.update({"software": "ainerd-agent", "version": __version__})
    group = root.create_group(GROUPS[form])
    group.attrs.update(
        {
            "baseline_reference": 1,
            "populated_elements": "upper_half" if form == "upper" else "all",
            "time_origin_location": "upper_left",
            "storage_mode": "data_exchange_keys",
        }
    )
    labels: list[int] = []
    means, parts, windows = [], [], set()
    for each in maps:
        told = _described(each, frame_time, bins)
        windows.add(told.window)
        if len(windows) > 1:
            raise MapError(f"maps of different windows do not go into one file: {sorted(windows)}")
        _write(group, told, form)
        labels.append(told.bin)
        means.append(_age_means(told.c2))
        length = len(told.c2) // SEGMENTS
        starts = [number * length for number in range(SEGMENTS)]
        parts.append([_age_means(told.c2[at : at + length, at : at + length]) for at in starts])
    if not labels:
        raise MapError("there is no map to be written")
    root["processed_bins"] = np.array(labels)
    root["normalized_g2"] = np.stack(means, axis=1)
    root["normalized_g2_segments"] = np.transpose(parts, (2, 1, 0))
    root["config/avg_frame"] = root["config/stride_frame"] = 1
    if frame_time is not None:
        file[FRAME_TIME] = frame_time
        file[FRAME_TIME].attrs["units"] = "s"


def read_whole_maps(path: str | Path, *, bins: Sequence[int] | None = None) -> Iterator[WholeMap]:
    """Read the maps of a file in either form, also of files that boost_corr wrote.

    Parameters
    ----------
    bins : sequence of int, optional
        Labels; all by default.

    Yields
    ------
    WholeMap
        Symmetric, with baseline 0. What the file does not say is NaN or 0.

    Raises
    ------
    MapError
        A file that is missing, no HDF5, or without such maps; bins that are not in it.
    """
    import h5py

    if not Path(path).is_file():
        raise MapError(f"there is no file {path}")
    try:
        with h5py.File(path, "r") as file:
            form = next((form for form, name in GROUPS.items() if f"{ROOT}/{name}" in file), None)
            if form is None:
                places = " nor ".join(f"{ROOT}/{name}" for name in GROUPS.values())
                raise MapError(f"{path} holds no two-time maps: it has neither {places}")
            group = file[f"{ROOT}/{GROUPS[form]}"]
            stored = {int(name.removeprefix("c2_")): name for name in group if name.removeprefix("c2_").isdigit()}
            chosen = sorted(stored) if bins is None else [int(each) for each in bins]
            if missing := [each for each in chosen if each not in stored]:
                held = ", ".join(map(str, sorted(stored)))
                raise MapError(f"{path} holds no map of bin {', '.join(map(str, missing))}; it has {held}")
            frame_time = float(file[FRAME_TIME][()]) if FRAME_TIME in file else float("nan")
            for label in chosen:
                yield _read(group[stored[label]], label, form, frame_time)
    except OSError as error:
        raise MapError(f"{path} is not a readable HDF5 file: {error}") from error


def _described(each: WholeMap, frame_time: float | None, bins: Bins | None) -> WholeMap:
    """A map with what else is known of it."""
    if frame_time is not None:
        each = replace(each, frame_time=frame_time)
    if bins is None:
        return each
    if each.bin > len(bins):
        raise MapError(f"the map of bin {each.bin} came with q and azimuth of {len(bins)} bins")
    return replace(each, q=float(bins.q[each.bin - 1]), azimuth=float(bins.azimuth[each.bin - 1]))


def _write(group: Any, each: WholeMap, form: Form) -> None:
    size = len(each.c2)
    chunk = min(CHUNK_SIDE, size)
    dataset = group.create_dataset(
        f"c2_{each.bin:05d}",
        shape=(size, size),
        dtype=each.c2.dtype,
        chunks=(chunk, chunk),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )
    for start in range(0, size, chunk):
        rows = slice(start, min(start + chunk, size))
        if form == "full":
            dataset[rows] = each.c2[rows] + 1
        else:  # chunks below the diagonal are never made, and read as zeros
            dataset[rows, start:] = np.triu(each.c2[rows, start:] + 1)
    dataset.attrs.update(
        {
            "bin": each.bin,
            "first_frame": each.window[0],
            "n_frames": size,
            "n_pixels": each.n_pixels,
            "mean_counts": each.mean_counts,
            "q": each.q,
            "q_units": "1/nm",
            "azimuth": each.azimuth,
            "azimuth_units": "degree",
        }
    )


def _read(dataset: Any, label: int, form: Form, frame_time: float) -> WholeMap:
    if dataset.ndim != 2 or dataset.shape[0] != dataset.shape[1]:
        raise MapError(f"{dataset.name} of {dataset.file.filename} has the shape {dataset.shape}, which is no map's")
    c2 = np.asarray(dataset[()])
    if not np.issubdtype(c2.dtype, np.floating):
        c2 = c2.astype(np.float64)
    if form == "upper":
        diagonal = np.diagonal(c2).copy()
        c2 = np.triu(c2)
        c2 += c2.T
        np.fill_diagonal(c2, diagonal)
    c2 -= 1
    told = dataset.attrs
    first = int(told.get("first_frame", 0))
    return WholeMap(
        c2=c2,
        bin=label,
        window=(first, first + len(c2)),
        n_pixels=int(told.get("n_pixels", 0)),
        mean_counts=float(told.get("mean_counts", np.nan)),
        frame_time=frame_time,
        q=float(told.get("q", np.nan)),
        azimuth=float(told.get("azimuth", np.nan)),
    )


def _age_means(c2: NDArray[Any]) -> FloatArray:
    """1 + the mean of C2 over age at each lag, without bad frames."""
    means = np.full(len(c2), np.nan)
    for lag in range(len(c2)):
        known = np.diagonal(c2, lag)
        known = known[np.isfinite(known)]
        if known.size:
            means[lag] = 1 + known.mean(dtype=np.float64)
    return means
