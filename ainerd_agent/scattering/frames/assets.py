"""The frames that documents name: which kind of file it is, and which of its frames they are.

Documents name assets by address and kind; this room makes sources of frames of them, and knows no documents otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FrameSource
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.scattering.frames.hdf5_frames import HDF5Frames
from ainerd_agent.scattering.frames.hdf5_rows import Rows
from ainerd_agent.scattering.frames.joined import JoinedFrames
from ainerd_agent.scattering.frames.roots import Access
from ainerd_agent.settings import FileSettings

HDF5 = "application/x-hdf5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file, or a row of files, as documents name it.

    Attributes
    ----------
    uri : str
        Its address, `file://localhost/...`.
    mimetype : str
    parameters : Mapping
        How it is read: `dataset`, `template`, `chunk_shape`, `multiplier`, `join_method`, `spec`...
    """

    uri: str
    mimetype: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows of an asset, as documents count them.

    Attributes
    ----------
    asset : Asset
    start, stop : int
        First row, and the row after the last one.
    frames_per_row : int
        1 where a row is a single frame.
    first_frame : int
        The frame that row `start` begins with, when all frames of the asset are counted one after the other.
    """

    asset: Asset
    start: int
    stop: int
    frames_per_row: int
    first_frame: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read, whatever their kind."""

    files: FileSettings
    access: Access
    following: Following | None


Opener = Callable[[Part, Reading], FrameSource]


def open_frames(parts: Sequence[Part], files: FileSettings, *, following: Following | None = None) -> FrameSource:
    """The frames of one movie.

    Parameters
    ----------
    parts : sequence of Part
        In the order of the frames. Rows that follow one another in one asset are read together.
    files : FileSettings
        What stands beside the frames, and what may be opened.
    following : Following, optional
        Wait for files that are being written. By default all frames have to be there.

    Returns
    -------
    FrameSource
        `HDF5Frames` where it is one stretch of one HDF5 file.

    Raises
    ------
    FrameError
        At once, for what the documents alone show: an unknown kind of file, an address that is refused, parameters
        that contradict one another. What the files show is raised when they are read.
    """
    reading = Reading(files, Access.of(files), following)
    sources = [_opener(part.asset)(part, reading) for part in _merged(parts)]
    return sources[0] if len(sources) == 1 else JoinedFrames(tuple(sources))


def _merged(parts: Sequence[Part]) -> list[Part]:
    """Parts, those joined that go on where the one before ends."""
    merged: list[Part] = []
    for part in parts:
        _check(part)
        last = merged[-1] if merged else None
        if last is not None and _goes_on(last, part):
            merged[-1] = Part(
                asset=last.asset,
                start=last.start,
                stop=part.stop,
                frames_per_row=last.frames_per_row,
                first_frame=last.first_frame,
            )
        else:
            merged.append(part)
    return merged


def _goes_on(last: Part, part: Part) -> bool:
    frames = (last.stop - last.start) * last.frames_per_row
    return (
        part.asset == last.asset
        and part.frames_per_row == last.frames_per_row
        and part.start == last.stop
        and part.first_frame == last.first_frame + frames
    )


def _check(part: Part) -> None:
    """Raise a FrameError where the documents contradict themselves."""
    uri, parameters = part.asset.uri, part.asset.parameters
    if not 0 <= part.start < part.stop or part.frames_per_row < 1 or part.first_frame < 0:
        raise FrameError(
            f"the documents name no frames of {uri}: rows {part.start} to {part.stop} of {part.frames_per_row} frames, "
            f"from frame {part.first_frame} on"
        )
    multiplier = parameters.get("multiplier")
    if multiplier is not None and multiplier != part.frames_per_row:
        raise FrameError(
            f"the documents contradict one another: {part.frames_per_row} frames an event by the data key, {multiplier} "
            f"by the detector's file {uri} (multiplier, or frame_per_point)"
        )
    if parameters.get("join_method") not in (None, "stack", "concat"):
        raise FrameError(f"join_method is stack or concat, and {parameters['join_method']!r} of {uri} is neither")


def _opener(asset: Asset) -> Opener:
    opener = KINDS.get(asset.mimetype)
    if opener is None:
        spec = asset.parameters.get("spec")
        known = ", ".join(sorted(KINDS))
        raise FrameError(
            f"frames in files of the kind {asset.mimetype}{'' if spec is None else f' (spec {spec})'} are not read: "
            f"known are {known}"
        )
    return opener


def _hdf5(part: Part, reading: Reading) -> FrameSource:
    """One stretch of a dataset of an HDF5 file."""
    parameters = part.asset.parameters
    dataset = parameters.get("dataset")
    if not isinstance(dataset, str) or not dataset:
        raise FrameError(f"the documents do not name the dataset of {part.asset.uri} that holds the frames")
    if parameters.get("slice") or parameters.get("squeeze"):
        raise FrameError(f"the documents name a slice of {dataset} in {part.asset.uri}: only whole frames are read")
    rows = Rows(
        frames=part.frames_per_row,
        zero=part.first_frame - part.start * part.frames_per_row,
        join_method=parameters.get("join_method"),
    )
    return HDF5Frames(
        path=reading.access.path_of(part.asset.uri),
        dataset=dataset,
        start=part.first_frame,
        stop=part.first_frame + (part.stop - part.start) * part.frames_per_row,
        timestamps=reading.files.timestamps,
        frame_numbers=reading.files.frame_numbers,
        following=reading.following,
        rows=rows,
        access=reading.access,
    )


KINDS: dict[str, Opener] = {HDF5: _hdf5}
"""Readers by mimetype."""
