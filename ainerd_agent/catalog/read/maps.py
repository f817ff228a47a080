"""Reading C2 maps and g2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.schema import C2, MAPS
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_c2(
    root: Container, raw_uid: str, measurement: int | None = None, bin: int | None = None
) -> NDArray[np.float32]:
    """Read C2 maps of a run.

    Parameters
    ----------
    measurement : int, optional
        Its seq_num, as in the points. By default all, in the order of `derived_from.seq_nums` in the metadata.
    bin : int, optional
        From 1, as in the points. By default all.

    Returns
    -------
    ndarray of float32, shape (n_measurements, n_bins, size, size)
        Without the axes of which one element was asked for.
    """
    with server_errors(address_of(root)):
        maps = child(root, MAPS)
        run = None if maps is None else child(maps, raw_uid)
        if run is None:
            raise CatalogError(f"The catalog holds no C2 maps of a run {raw_uid}.")
        return read_maps(run, C2, measurement, bin)


def read_maps(run: Container, key: str, measurement: int | None = None, bin: int | None = None) -> NDArray[np.float32]:
    """Read from the array `key`, C2 or G2, of a container of maps; otherwise as `read_c2`."""
    uid, metadata = run.item["id"], run.metadata_copy()[0]
    seq_nums, n_bins = metadata["derived_from"]["seq_nums"], metadata["n_bins"]
    if measurement is not None and measurement not in seq_nums:
        raise CatalogError(f"Run {uid} holds no C2 maps of a measurement {measurement}.")
    if bin is not None and not 1 <= bin <= n_bins:
        raise CatalogError(f"Run {uid} has bins 1 to {n_bins}, not {bin}.")
    first = slice(0, len(seq_nums)) if measurement is None else seq_nums.index(measurement)
    second = slice(0, n_bins) if bin is None else bin - 1
    read: NDArray[np.float32] = run[key].read((first, second))
    return read
