"""A mask of the bad pixels that the frames of a run show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.callbacks import Assembler
from ainerd_agent.callbacks.replay import documents_of, frames_in, whole_runs
from ainerd_agent.catalog import Catalog
from ainerd_agent.catalog.layout import address_of
from ainerd_agent.catalog.read.run_names import RAW_RUNS, run_named
from ainerd_agent.catalog.schema import RAW
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.errors import BinError, CatalogError, FrameError
from ainerd_agent.figures.bad_pixels import bad_pixel_map
from ainerd_agent.figures.style import save
from ainerd_agent.records import BadPixels, FrameSource, Measurement
from ainerd_agent.scattering.correlation.whole_detector import DetectorWatch, united
from ainerd_agent.scattering.frames.arrays import ArrayFrames
from ainerd_agent.scattering.frames.hdf5_frames import HDF5Frames
from ainerd_agent.scattering.geometry.masks import HDF5_ENDINGS, load_mask
from ainerd_agent.settings import Settings

ENDINGS = (".edf", ".npy", ".tif", ".tiff")
"""Of the masks that are written. All are read by `load_mask`; pyFAI reads .edf and .tif."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movie:
    """Frames of one exposure.

    Attributes
    ----------
    frames : FrameSource
    saturation : float or None
        Counts at which a pixel is full, where the detector says so.
    """

    frames: FrameSource
    saturation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnMask:
    """What was found, and where it was written.

    Attributes
    ----------
    bad_pixels : BadPixels
        Of the whole detector.
    n_masked : int
        Pixels of the mask: bad ones, and those of the mask in the settings.
    n_movies, n_frames : int
        That were looked at.
    mask, picture : Path
    """

    bad_pixels: BadPixels
    n_masked: int
    n_movies: int
    n_frames: int
    mask: Path
    picture: Path


def movies_in(file: str, settings: Settings) -> Iterator[Movie]:
    """The movie in a file: .npy, or HDF5 as "file.h5::/path/of/dataset".

    Raises
    ------
    FrameError
        Not such a file.
    """
    name, _, dataset = file.partition("::")
    if Path(name).suffix.lower() == ".npy":
        try:
            yield Movie(frames=ArrayFrames(np.load(name, mmap_mode="r", allow_pickle=False)))
        except (OSError, ValueError) as error:
            raise FrameError(f"{name} holds no movie: {error}") from error
    elif Path(name).suffix.lower() in HDF5_ENDINGS and dataset:
        yield Movie(frames=HDF5Frames(name, dataset))
    else:
        raise FrameError(f'{file} must be an .npy file, or HDF5 with its dataset, as "file.h5::/entry/data/data"')


def movies_of(catalog: Catalog, uid: str, settings: Settings, *, frames: str = "files") -> Iterator[Movie]:
    """The exposures of a raw run in a catalog, in order of time.

    Parameters
    ----------
    catalog : Catalog
    uid : str or int
        Or what people call a run: see `PastRuns`.
    settings : Settings
        Names of the data, and what stands in the files beside the frames.
    frames : {"files", "tiled"}
        Where frames are read.

    Raises
    ------
    CatalogError
        No such run, or one without documents.
    """
    if frames not in ("files", "tiled"):
        raise CatalogError(f'frames are in "files" or "tiled", not {frames!r}')
    raw: Any = catalog[RAW]
    with server_errors(address_of(raw)):
        run = run_named(raw, uid, RAW_RUNS)
    files = settings.files.model_copy(update={"timeout": 1.0})
    patient = settings.model_copy(update={"files": files})
    assembler = Assembler(patient, None if frames == "files" else frames_in(raw))
    for documents in whole_runs(documents_of(run), settings.keys.frames):
        for name, doc in documents:
            for record in assembler.feed(name, doc):
                if isinstance(record, Measurement):
                    yield Movie(frames=record.frames, saturation=record.saturation)


def draw_mask(
    movies: Iterable[Movie],
    settings: Settings,
    out: Path,
    *,
    most: int = 4,
    on_movie: Callable[[int], None] | None = None,
) -> DrawnMask:
    """Find the bad pixels of the whole detector, and write a mask with a picture beside it.

    A pixel is bad where any movie shows it. Pixels of the mask in the settings are masked in any case.

    Parameters
    ----------
    movies : iterable of Movie
    settings : Settings
    out : Path
        The mask: .edf, .npy or .tif. The picture has the same name and .png.
    most : int
        Movies that are looked at.
    on_movie : callable, optional
        Told the number of movies that are done.

    Raises
    ------
    FrameError
        No movie, too few frames, frames of another shape, or frames that cannot be read.
    BinError
        A mask that does not fit, or that cannot be written.
    """
    if out.suffix.lower() not in ENDINGS:
        raise BinError(f"a mask is written as {', '.join(ENDINGS)}, not as {out.name}")
    given = settings.bins.mask
    known = None if given is None else load_mask(given, marks=settings.bins.mask_marks)
    watches: list[DetectorWatch] = []
    for movie in islice(movies, most):
        watches.append(_watched(movie, known))
        if on_movie is not None:
            on_movie(len(watches))
    if not watches:
        raise FrameError("there is no movie to draw a mask from")
    shape = watches[0].shape
    if any(watch.shape != shape for watch in watches):
        raise FrameError("the movies are of detectors of different shapes: draw a mask for each")
    bad = united((watch.bad_pixels() for watch in watches), shape[1])
    before = np.zeros(shape, dtype=bool) if known is None else known
    mask = before.copy()
    mask[bad.rows, bad.columns] = True
    write_mask(out, mask)
    n_frames = sum(watch.n_frames for watch in watches)
    image = sum(watch.mean_image() * watch.n_frames for watch in watches) / n_frames
    picture, _ = save(bad_pixel_map(np.asarray(image), bad, before), out.parent, out.stem)
    return DrawnMask(
        bad_pixels=bad,
        n_masked=int(mask.sum()),
        n_movies=len(watches),
        n_frames=n_frames,
        mask=out,
        picture=picture,
    )


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Write a mask that `load_mask` and pyFAI read: 1 where a pixel must not be used.

    Raises
    ------
    BinError
        The file cannot be written.
    """
    values = mask.astype(np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".npy":
            np.save(path, values)
        elif path.suffix.lower() == ".edf":
            from fabio.edfimage import EdfImage

            EdfImage(data=values).write(str(path))
        else:
            from fabio.tifimage import TifImage

            TifImage(data=values).write(str(path))
    except OSError as error:
        raise BinError(f"the mask {path} cannot be written: {error.strerror or error}") from error


def _watched(movie: Movie, known: NDArray[np.bool_] | None) -> DetectorWatch:
    height, width = movie.frames.shape[1:]
    watch = DetectorWatch((height, width), mask=known, saturation=movie.saturation)
    for block in movie.frames.blocks():
        watch.add(block)
    return watch
