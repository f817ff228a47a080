"""Results in the form of APS 8-ID: C2 and g2 of one measurement in an HDF5 file, read and written.

boost_corr writes it, pyXpcsViewer reads it. `/xpcs/twotime/correlation_map` has a triangle of each map, with baseline 1
and the whole diagonal; `/xpcs/twotime/normalized_g2` is (lags, bins), `normalized_g2_segments` (lags, segments, bins)
for sections of age; `/xpcs/multitau` has `delay_list` in frames and `normalized_g2`; `/xpcs/qmap` the bins. `/entry`
carries the classes of NeXus and its definition NXxpcs.

Readers take the lags of segments for the steps of the map, as those of all other curves of C2: pyXpcsViewer counts them
and multiplies with the frame time. An age-lag map has lags of its own, evenly spaced in their logarithm. So segments
are read off it at the steps of the map, and the map as it is stands in `/ainerd/age_lag`, with its errors.

Sources: boost_corr 0.1.7, pyXpcsViewer 1.2 (core/file_io/aps_8idi.py), NXxpcs of the NeXus definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.records import AgeLagMap, Fingerprints, FloatArray
from ainerd_agent.scattering.files.map_files import StoredMaps
from ainerd_agent.scattering.geometry.aps_partition_writer import HC, write_partition_map
from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.scattering.geometry.partition import Partition

RESULT_ENDINGS = (".h5", ".hdf", ".hdf5", ".nxs")
"""The first bytes of a file of results; an array of numpy begins differently."""

MAPS, G2 = "/xpcs/twotime/correlation_map", "/xpcs/multitau/normalized_g2"
SIZE = 256
"""Of maps that are made of g2."""

AGE_LAG = "/ainerd/age_lag"

READ_OFF = (
    "g2 of equal sections of age, on the lags of delay_list: linear in the logarithm of the lag between those of "
    "/ainerd/age_lag, which holds what was correlated. NaN where the exposure has no such pair of frames."
)

SCHEMATIC = (
    "Each bin is one pixel of a schematic detector: the catalog does not hold the detector's own pixels. Beam centre, "
    "distance and pixel size are placeholders."
)


@dataclass(frozen=True, slots=True)
class ApsResults:
    """Maps of an APS file.

    Attributes
    ----------
    stored : StoredMaps
        A map for each bin, baseline 1, with `q`, `azimuth`, `time` and `from_g2` where it was made of g2.
    duration : float
        Seconds that a side of the maps spans.
    age_lag : AgeLagMap or None
        Where the file has one, as those that `write_results` writes: bin by bin as `stored`.
    """

    stored: StoredMaps
    duration: float
    age_lag: AgeLagMap | None = None


def write_results(path: Path, of: Fingerprints, about: Mapping[str, Any], rows: Mapping[str, NDArray[Any]]) -> None:
    """Write one measurement.

    Parameters
    ----------
    path : Path
        A file that does not exist yet.
    of : Fingerprints
        With its maps and g2.
    about : mapping
        Metadata, flat; strings, numbers and lists of them are kept.
    rows : mapping of str to ndarray, each of shape (n_bins,)
        What else is known of each bin; under `/ainerd/points`.

    Raises
    ------
    MapError
        The file exists, or cannot be written.
    """
    import h5py

    if path.exists():
        raise MapError(f"{path} exists already: write to another file")
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with h5py.File(unfinished, "w") as file:
            _write(file, of, about, rows)
        unfinished.rename(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise MapError(f"{path} cannot be written: {error}") from error


def _write(file: Any, of: Fingerprints, about: Mapping[str, Any], rows: Mapping[str, NDArray[Any]]) -> None:
    file.attrs["default"] = "entry"
    unit = Geometry(centre=(0.0, 0.0), distance=1.0)
    entry = _write_entry(file, of, about, unit)
    xpcs = _group(file, "xpcs", "NXprocess")
    twotime = _write_correlations(xpcs, of)
    labels = np.arange(1, len(of.c2) + 1, dtype=np.int32)[None]
    qmap = _group(xpcs, "qmap", "NXcollection")
    write_partition_map(qmap, Partition(labels, np.ones_like(labels), of.bins), geometry=unit)
    qmap.attrs["schematic"] = SCHEMATIC
    mean = _group(xpcs, "temporal_mean", "NXdata", signal="scattering_1d")
    for name in ("scattering_1d", "scattering_1d_segments", "scattering_2d"):
        mean[name] = of.mean_counts[None]
    _group(xpcs, "spatial_mean", "NXdata", signal="intensity_vs_time")
    xpcs["spatial_mean/intensity_vs_time"] = np.array([[0.0], [np.mean(of.mean_counts)]])  # of the whole exposure
    data = _group(entry, "data", "NXdata", signal="g2", axes=["delay_difference", "."])
    data["g2"], data["delay_difference"] = twotime["normalized_g2"], twotime["delay_list"]
    own = _group(file, "ainerd", "NXcollection")
    if of.age_lag is not None:
        _write_age_lag(own, of.age_lag)
    points = _group(own, "points", "NXcollection")
    for name, values in rows.items():
        points[name] = [str(value) for value in values] if values.dtype.kind in "OU" else values


def _write_entry(file: Any, of: Fingerprints, about: Mapping[str, Any], unit: Geometry) -> Any:
    """The entry of NeXus: when, with which instrument, and what else is known."""
    entry = _group(file, "entry", "NXentry", default="data")
    entry["definition"] = "NXxpcs"
    entry["entry_identifier"] = f"{of.origin.raw_uid}/{of.origin.seq_num}"
    entry["start_time"] = datetime.fromtimestamp(of.origin.start, UTC).isoformat()
    entry["end_time"] = datetime.fromtimestamp(of.origin.stop, UTC).isoformat()
    instrument = _group(entry, "instrument", "NXinstrument")
    detector = _group(instrument, "detector_1", "NXdetector")
    for name in ("frame_time", "count_time"):  # of the maps: their frames may have been finer
        detector[name] = of.duration / of.c2.shape[1]
        detector[name].attrs["units"] = "s"
    wavelength = about.get("wavelength")
    beam = _group(instrument, "incident_beam", "NXbeam")
    beam["incident_energy"] = HC / (unit.wavelength if wavelength is None else float(wavelength))
    beam["incident_energy"].attrs.update({"units": "keV", "known": wavelength is not None})
    kept = _group(_group(instrument, "bluesky", "NXnote"), "metadata", "NXcollection")
    for key, value in about.items():
        if isinstance(value, str | int | float | bool) or (isinstance(value, list) and value):
            kept[key] = value
    return entry


def _write_correlations(xpcs: Any, of: Fingerprints) -> Any:
    """The maps with their g2, and g2 where readers of multi-tau look; gives the group of the maps."""
    bins = np.arange(1, len(of.c2) + 1)
    twotime = _group(xpcs, "twotime", "NXdata", signal="normalized_g2", axes=["delay_list", "."])
    maps = _group(twotime, "correlation_map", "NXcollection")
    for number, c2 in zip(bins, of.c2, strict=True):
        maps.create_dataset(
            f"c2_{number:05d}", data=np.triu(c2.astype(np.float64) + 1).astype(np.float32), compression="gzip"
        )
    twotime["processed_bins"] = bins
    twotime["normalized_g2"] = of.g2.T
    if of.age_lag is None:
        twotime["normalized_g2_segments"] = of.g2.T[:, None, :]
    else:
        twotime["normalized_g2_segments"] = 1 + _at_lags(of.age_lag, of.lags).T
        twotime["normalized_g2_segments"].attrs["description"] = READ_OFF
    twotime["delay_list"] = of.lags
    twotime["delay_list"].attrs["units"] = "s"
    multitau = _group(xpcs, "multitau", "NXdata", signal="normalized_g2", axes=["delay_list", "."])
    multitau["normalized_g2"] = of.g2.T[1:]
    multitau["normalized_g2_err"] = np.full(of.g2.T[1:].shape, np.nan)  # not known
    multitau["delay_list"] = np.arange(1, of.g2.shape[1])
    for group in (twotime, multitau):
        config = _group(group, "config", "NXcollection")
        config["stride_frame"] = config["avg_frame"] = 1
    return twotime


def _write_age_lag(own: Any, of: AgeLagMap) -> None:
    """The map as it is, (lags, ages, bins) like other curves of the file."""
    group = _group(own, "age_lag", "NXdata", signal="normalized_g2", axes=["delay_list", "ages", "."])
    group["normalized_g2"], group["normalized_g2_err"] = 1 + of.values.T.astype(np.float64), of.errors.T
    for name, axis in (("delay_list", of.lags), ("ages", of.ages)):
        group[name] = axis
        group[name].attrs["units"] = "s"


def _at_lags(of: AgeLagMap, lags: FloatArray) -> FloatArray:
    """An age-lag map at other lags, shape (n_bins, n_ages, n): linear in log(lag), NaN where its lags do not reach."""
    found = np.full((*of.values.shape[:2], len(lags)), np.nan)
    least = np.finfo(float).tiny
    wanted, known = np.log(np.maximum(lags, least)), np.log(np.maximum(of.lags, least))
    for place in np.ndindex(*found.shape[:2]):
        # Beside a lag at which nothing is known it gives NaN.
        found[place] = np.interp(wanted, known, of.values[place], left=np.nan, right=np.nan)
    return found


def _age_lag(file: Any) -> AgeLagMap | None:
    if AGE_LAG not in file:
        return None
    group = file[AGE_LAG]
    return AgeLagMap(
        values=np.asarray(group["normalized_g2"][()].T - 1, dtype=np.float32),
        errors=np.asarray(group["normalized_g2_err"][()].T, dtype=np.float32),
        ages=np.asarray(group["ages"][()], dtype=np.float64),
        lags=np.asarray(group["delay_list"][()], dtype=np.float64),
    )


def _group(parent: Any, name: str, kind: str, **attributes: Any) -> Any:
    group = parent.create_group(name)
    group.attrs.update({"NX_class": kind, **attributes})
    return group


def read_results(path: Path) -> ApsResults:
    """Read the maps of an APS file; of a file with g2 only, maps that are the same at every age.

    Raises
    ------
    MapError
        No such file, or it holds neither C2 nor g2, or they cannot be read.
    """
    import h5py

    if not path.is_file():
        raise MapError(f"there is no file {path}")
    try:
        with h5py.File(path, "r") as file:
            if MAPS in file:
                maps, duration, numbers = _maps(file)
            elif G2 in file:
                maps, duration, numbers = _maps_of_g2(file)
            else:
                raise MapError(f"{path} holds no results of APS: neither {MAPS} nor {G2}")
            age_lag = _age_lag(file)
            columns = {"from_g2": np.full(len(maps), MAPS not in file), **_places(file, numbers)}
            if (start := file.get("/entry/start_time")) is not None:
                moment = datetime.fromisoformat(np.ravel(start.asstr()[()])[0])
                moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                columns["time"] = np.full(len(maps), moment.timestamp())
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise MapError(f"{path} is not a readable file of APS results: {error}") from error
    return ApsResults(StoredMaps(maps, columns), duration, age_lag)


def _frame_time(file: Any, group: str) -> float:
    config = f"/xpcs/{group}/config"
    factors = [float(np.ravel(file[f"{config}/{name}"][()])[0]) for name in ("stride_frame", "avg_frame")]
    return float(np.ravel(file["/entry/instrument/detector_1/frame_time"][()])[0]) * factors[0] * factors[1]


def _maps(file: Any) -> tuple[NDArray[np.float32], float, NDArray[np.int64]]:
    names = sorted(file[MAPS])
    maps = []
    for name in names:
        half = np.asarray(file[f"{MAPS}/{name}"], dtype=np.float64)
        whole = half if np.tril(half, -1).any() else half + np.triu(half, 1).T
        maps.append(whole.astype(np.float32))
    stacked = np.stack(maps)
    numbers = np.array([int(name.rpartition("_")[2]) for name in names])
    return stacked, _frame_time(file, "twotime") * stacked.shape[1], numbers


def _maps_of_g2(file: Any) -> tuple[NDArray[np.float32], float, NDArray[np.int64]]:
    g2 = np.asarray(file[G2], dtype=np.float64)
    lags = np.ravel(file["/xpcs/multitau/delay_list"][()]).astype(np.float64) * _frame_time(file, "multitau")
    duration = float(lags[-1]) * SIZE / (SIZE - 1)
    steps = np.arange(SIZE) * duration / SIZE
    # Lags are spaced as logarithms; below the first one nothing is known, and its value is taken.
    wanted = np.log(np.maximum(steps, lags[0]))
    between = np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE)))
    maps = [np.interp(wanted, np.log(lags), column)[between].astype(np.float32) for column in g2.T]
    return np.stack(maps), duration, np.arange(1, g2.shape[1] + 1)


def _places(file: Any, numbers: NDArray[np.int64]) -> dict[str, FloatArray]:
    """Give q (1/nm) and azimuth (degrees) of bins, where the file tells."""
    if "/xpcs/qmap/ainerd/q" in file:
        return {name: np.asarray(file[f"/xpcs/qmap/ainerd/{name}"])[numbers - 1] for name in ("q", "azimuth")}
    if "/xpcs/qmap/dynamic_v_list_dim0" not in file:
        return {}
    q, phi = (np.ravel(file[f"/xpcs/qmap/dynamic_v_list_dim{k}"][()]) for k in (0, 1))
    place = np.ravel(file["/xpcs/qmap/dynamic_index_mapping"][()])[numbers - 1]
    row, column = np.divmod(place.astype(int), len(phi))
    return {"q": 10.0 * q[row], "azimuth": (-phi[column]) % 360.0}
