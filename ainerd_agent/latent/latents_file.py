"""Latents of others with their times and azimuthal bins, in a file."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.records import FloatArray
from ainerd_agent.records.arrays import IntArray


def load_latents(path: str | Path) -> tuple[NDArray[np.float32], FloatArray, IntArray]:
    """Read latents with their times and azimuthal bins.

    Parameters
    ----------
    path : str or Path
        .npz with `latents` (n, n_latents), `start_time_s` (n,) and `azimuthal_bin` (n,).

    Returns
    -------
    latents, start_time, azimuthal_bin : ndarray
        float32 (n, n_latents), seconds (n,) and integers (n,).
    """
    path = Path(path)
    arrays = {}
    try:
        # Opened here, since np.load leaves a damaged file open.
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise MapError(f"{path} holds one bare array; an .npz with named arrays is needed.")
            for name in ("latents", "start_time_s", "azimuthal_bin"):
                if name not in stored:
                    raise MapError(f"{path} lacks the array {name}; it has: {', '.join(stored.files) or 'none'}.")
                arrays[name] = np.asarray(stored[name])
    except FileNotFoundError:
        raise MapError(f"There is no file of latents at {path}.") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise MapError(f"{path} is not a whole .npz file of plain arrays ({error}).") from None
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise MapError(f"{name} in {path} holds {array.dtype}, not numbers.")
        if not np.isfinite(array).all():
            raise MapError(f"{name} in {path} has {np.count_nonzero(~np.isfinite(array))} values that are not finite.")
    latents, start_time, azimuthal_bin = arrays.values()
    try:
        _check_points(latents, start_time, azimuthal_bin)
    except MapError as error:
        raise MapError(f"{path}: {error}") from None
    return latents.astype(np.float32), start_time.astype(np.float64), azimuthal_bin.astype(np.int64)


def _check_points(latents: NDArray[Any], start_time: NDArray[Any], azimuthal_bin: NDArray[Any]) -> None:
    n = len(latents) if latents.ndim == 2 else 0
    if not latents.size or not n or start_time.shape != (n,) or azimuthal_bin.shape != (n,):
        raise MapError(
            "latents of shape (n, n_latents) need start times and azimuthal bins of shape (n,); the shapes are "
            f"{latents.shape}, {start_time.shape} and {azimuthal_bin.shape}."
        )
