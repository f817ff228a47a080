"""Masks: which pixels of a detector must not be used. True is masked, as with pyFAI."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import BinError

HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".nxs", ".nexus")


def circle(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> NDArray[np.bool_]:
    """Mask a round beam stop: the pixels whose middle is within `radius` (pixels) of `centre` (row, column).

    Raises
    ------
    BinError
        Where it covers no pixel.
    """
    rows, columns = np.arange(shape[0])[:, None] - centre[0], np.arange(shape[1])[None, :] - centre[1]
    return _covering(np.asarray(np.hypot(rows, columns) <= radius), f"a circle of {radius:g} pixels around {centre}")


def rectangle(shape: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask a rectangle, as the arm of a beam stop: first and last row and column, both included.

    What lies beyond the detector is cut off, so that an arm may be given longer than it is.

    Raises
    ------
    BinError
        Where it covers no pixel.
    """
    mask = np.zeros(shape, dtype=np.bool_)
    mask[max(rows[0], 0) : max(rows[1] + 1, 0), max(columns[0], 0) : max(columns[1] + 1, 0)] = True
    return _covering(mask, f"a rectangle of the rows {rows} and columns {columns}")


def load_mask(path: str | Path, *, marks: Literal["bad", "good"] = "bad") -> NDArray[np.bool_]:
    """Read a mask from a file (see `load_image`).

    Parameters
    ----------
    marks : {"bad", "good"}
        What values other than 0 say of a pixel: that it must not be used (pyFAI, Fit2D), or that it may be (the masks
        of APS: pySimpleMask, /xpcs/qmap/mask).

    Returns
    -------
    ndarray of bool, shape (H, W)
        True where a pixel must not be used.

    Raises
    ------
    BinError
        Where there is no such image, or it holds NaN.
    """
    if marks not in ("bad", "good"):
        raise BinError(f'marks must be "bad" or "good", not {marks!r}')
    image = load_image(path)
    if not np.isfinite(image).all():
        raise BinError(f"the mask {path} holds NaN or infinite values")
    return np.asarray(image != 0 if marks == "bad" else image == 0)


def load_image(path: str | Path) -> NDArray[Any]:
    """Read an image of numbers, shape (H, W), as it is: a mask, labels, or q.

    Parameters
    ----------
    path : str or Path
        .npy; HDF5, as "file.h5::/path/of/dataset", or "file.h5" where it holds one image; or what fabio reads (.tif,
        .edf, .cbf, .msk and others).

    Raises
    ------
    BinError
        No such file, not readable, or not an image.
    """
    name, _, dataset = str(path).partition("::")
    if not Path(name).is_file():
        raise BinError(f"there is no file {name}")
    try:
        if Path(name).suffix.lower() == ".npy":
            image = np.load(name, allow_pickle=False)
        elif Path(name).suffix.lower() in HDF5_ENDINGS:
            image = _from_hdf5(name, dataset)
        else:
            import fabio

            with fabio.open(name) as opened:
                image = opened.data
    except BinError:
        raise
    except Exception as error:  # fabio's readers raise whatever a broken file makes them stumble over
        raise BinError(f"{name} is not a readable image: it is truncated, or of another format ({error})") from error
    image = np.asarray(image)
    if image.ndim == 3 and len(image) == 1:
        image = image[0]
    if image.ndim != 2 or image.dtype.kind not in "biuf":
        raise BinError(f"{path} must hold one image (H, W) of numbers, not {image.dtype} of shape {image.shape}")
    return np.asarray(image)


def _from_hdf5(name: str, dataset: str) -> NDArray[Any]:
    import h5py

    with h5py.File(name, "r") as file:
        if dataset:
            if not isinstance(file.get(dataset), h5py.Dataset):
                raise BinError(f"{name} has no dataset {dataset}")
            return np.asarray(file[dataset])
        images: list[str] = []
        file.visititems(lambda key, item: images.append(key) if getattr(item, "ndim", 0) == 2 else None)
        if len(images) != 1:
            found = f"the images {', '.join(images)}" if images else "no image"
            raise BinError(f'{name} holds {found}: name one, as in "{name}::/path"')
        return np.asarray(file[images[0]])


def _covering(mask: NDArray[np.bool_], what: str) -> NDArray[np.bool_]:
    if not mask.any():
        raise BinError(f"{what} covers no pixel of a {mask.shape[0]} x {mask.shape[1]} detector")
    return mask
