"""Reading C2 maps, g2, and what else is kept of each measurement beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ainerd_agent.catalog.codec.arrays import MAP_ARRAYS
from ainerd_agent.catalog.codec.bad_pixels import bad_pixels_of
from ainerd_agent.catalog.codec.maps_index import MapsIndex, maps_index
from ainerd_agent.catalog.schema import AGE_LAG, BAD_PIXELS
from ainerd_agent.catalog.tiled_types import Array, Container
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import AgeLagMap, BadPixels, Events

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_maps(
    run: Container, key: str, measurement: int | None = None, bin: int | None = None, stream: str | None = None
) -> NDArray[np.float32]:
    """Read from an array over measurements, and bins where it has them, of a container of maps.

    Parameters
    ----------
    key : str
        Of the array, as "c2" or "g2". "age_lag" has the values and then their errors along its axis after the bins, on
        the ages and lags of the whole run: `read_age_lag` gives them in seconds.
    measurement : int, optional
        The seq_num of its first event, as in the points. By default all, in the order of the index of the maps.
    bin : int, optional
        From 1, as in the points. By default all. Of arrays over bins only.
    stream : str, optional
        Of the measurement; needed where several streams have one of that number.

    Returns
    -------
    ndarray of float32, shape (n_measurements, n_bins, ...)
        Without the axes of which one element was asked for.
    """
    uid, index = run.item["id"], maps_index(run.metadata_copy()[0])
    if key not in index.arrays:
        raise CatalogError(f"Run {uid} holds no {key}; it holds {', '.join(index.arrays)}.")
    if bin is not None and not 1 <= bin <= index.n_bins:
        raise CatalogError(f"Run {uid} has bins 1 to {index.n_bins}, not {bin}.")
    place: slice | int = slice(0, len(index.events))
    if measurement is not None:
        place = index.events.index(the_measurement(index.events, measurement, stream, f"Run {uid} holds C2 maps"))
    array: Array = run[key]
    if next(each.dims[1] for each in MAP_ARRAYS if each.key == key) != "bin":
        if bin is not None:
            raise CatalogError(f"{key} has no bins: leave out bin {bin}.")
        return array.read((place,))
    found = array.read((place, slice(0, index.n_bins) if bin is None else bin - 1))
    if key == AGE_LAG and index.age_lag_axes is not None:
        # A writer that was interrupted may have left more behind these.
        found = found[..., : len(index.age_lag_axes.lags)]
    return found


def read_age_lag(run: Container, measurement: int, stream: str | None = None) -> AgeLagMap | None:
    """The correlation of a measurement over age and lag, from a container of maps.

    Parameters
    ----------
    measurement, stream
        As for `read_maps`.

    Returns
    -------
    AgeLagMap or None
        With its own ages and lags, seconds: those of another measurement of the run may differ. None where there is
        none, as of measurements that an older version analysed.
    """
    index, place = _place_of(run, measurement, stream)
    if AGE_LAG not in index.arrays:
        return None
    array: Array = run[AGE_LAG]
    return index.age_lag_of(place, array.read((place,)))


def read_age_lags(run: Container, places: Sequence[int]) -> list[AgeLagMap | None]:
    """As `read_age_lag`, of several measurements by their places in the index of the maps, in one request."""
    index = maps_index(run.metadata_copy()[0])
    if AGE_LAG not in index.arrays or not places:
        return [None] * len(places)
    array: Array = run[AGE_LAG]
    first = min(places)
    stored = array.read((slice(first, max(places) + 1),))
    return [index.age_lag_of(place, stored[place - first]) for place in places]


def read_bad_pixels(run: Container, measurement: int, stream: str | None = None) -> BadPixels | None:
    """Pixels that a measurement was analysed without, from a container of maps.

    Parameters
    ----------
    measurement, stream
        As for `read_maps`.

    Returns
    -------
    BadPixels or None
        At most the first `MOST`: `n_bad_pixels` in the metadata has their number. None where it is not known, as of
        measurements that an older version analysed.
    """
    index, place = _place_of(run, measurement, stream)
    n_bad = index.n_bad_pixels[place]
    if not n_bad:
        return None if n_bad is None else BadPixels.none()
    array: Array = run[BAD_PIXELS]
    return bad_pixels_of(array.read((place,)))


def the_measurement(events: Sequence[Events], seq_num: int, stream: str | None, where: str) -> Events:
    """The measurement of this number among others.

    Raises
    ------
    CatalogError
        There is none, or there are several: in several streams. `where` begins the sentence that says so.
    """
    found = [each for each in events if each.first == seq_num and stream in (None, each.stream)]
    if not found:
        raise CatalogError(f"{where} of no measurement {seq_num if stream is None else f'{stream}/{seq_num}'}.")
    if len(found) > 1:
        streams = ", ".join(each.stream for each in found)
        raise CatalogError(f"{where} of measurements {seq_num} in several streams ({streams}): name the stream.")
    return found[0]


def _place_of(run: Container, measurement: int, stream: str | None) -> tuple[MapsIndex, int]:
    """The index of a container of maps, and where a measurement is in its arrays."""
    index = maps_index(run.metadata_copy()[0])
    events = the_measurement(index.events, measurement, stream, f"Run {run.item['id']} holds maps")
    return index, index.events.index(events)
