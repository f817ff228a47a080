"""The frames that documents name: which kind of file it is, and which of its frames they are.

Documents name assets by address and kind; this room makes sources of frames of them, and knows no documents otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FrameSource
from ainerd_agent.scattering.frames.file_names import FileNames
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.scattering.frames.hdf5_frames import HDF5Frames
from ainerd_agent.scattering.frames.hdf5_rows import Rows
from ainerd_agent.scattering.frames.image_files import ImageFiles
from ainerd_agent.scattering.frames.image_formats import FormatOfFile, HDF5Format, NpyFormat, TiffFormat
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
    missing : int
        Frames of the movie that nothing names, between the part before and this one.
    n_frames : int or None
        Of the part, where its last row has fewer than `frames_per_row`: its acquisition was aborted.
    """

    asset: Asset
    start: int
    stop: int
    frames_per_row: int
    first_frame: int
    missing: int = 0
    n_frames: int | None = None

    @property
    def frames(self) -> int:
        """How many there are."""
        return (self.stop - self.start) * self.frames_per_row if self.n_frames is None else self.n_frames


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
    merged = _merged(parts)
    sources = [_opener(part.asset)(part, reading) for part in merged]
    return sources[0] if len(sources) == 1 else JoinedFrames(tuple(sources), tuple(part.missing for part in merged))


def _merged(parts: Sequence[Part]) -> list[Part]:
    """Parts, those joined that go on where the one before ends."""
    merged: list[Part] = []
    for part in parts:
        _check(part)
        last = merged[-1] if merged else None
        if last is not None and _goes_on(last, part):
            frames = None if part.n_frames is None else last.frames + part.n_frames
            merged[-1] = replace(last, stop=part.stop, n_frames=frames)
        else:
            merged.append(part)
    return merged


def _goes_on(last: Part, part: Part) -> bool:
    return (
        part.asset == last.asset
        and last.n_frames is None
        and not part.missing
        and part.frames_per_row == last.frames_per_row
        and part.start == last.stop
        and part.first_frame == last.first_frame + last.frames
    )


def _check(part: Part) -> None:
    """Raise a FrameError where the documents contradict themselves."""
    uri, parameters = part.asset.uri, part.asset.parameters
    if not 0 <= part.start < part.stop or part.frames_per_row < 1 or part.first_frame < 0 or part.frames < 1:
        raise FrameError(
            f"the documents name no frames of {uri}: rows {part.start} to {part.stop} of {part.frames_per_row} frames, "
            f"from frame {part.first_frame} on"
        )
    multiplier = parameters.get("multiplier", parameters.get("frame_per_point"))
    if multiplier is not None and multiplier != part.frames_per_row:
        raise FrameError(
            f"the documents contradict one another: {part.frames_per_row} frames an event by the data key, "
            f"{multiplier} by the detector's file {uri} (multiplier, or frame_per_point)"
        )
    if parameters.get("join_method") not in (None, "stack", "concat"):
        raise FrameError(f"join_method is stack or concat, and {parameters['join_method']!r} of {uri} is neither")


def _opener(asset: Asset) -> Opener:
    spec = asset.parameters.get("spec")
    if isinstance(spec, str) and spec.upper() in EIGERS:
        return _eiger
    opener = KINDS.get(str(asset.mimetype).lower().replace(" ", ""))
    if opener is None:
        raise FrameError(
            f"frames in files of the kind {asset.mimetype}{'' if spec is None else f' (spec {spec})'} are not read: "
            f"known kinds are {', '.join(KINDS)}, and the specs {', '.join(EIGERS)}"
        )
    return opener


def _hdf5(part: Part, reading: Reading) -> FrameSource:
    """One stretch of a dataset of an HDF5 file, or of files that have one dataset each."""
    parameters = part.asset.parameters
    dataset = parameters.get("dataset") or parameters.get("path") or DATASETS.get(str(parameters.get("spec")))
    if not isinstance(dataset, str) or not dataset:
        spec = parameters.get("spec")
        raise FrameError(
            f"the documents do not name the dataset of {part.asset.uri} that holds the frames"
            + ("" if spec is None else f" (spec {spec})")
        )
    if parameters.get("slice") or parameters.get("squeeze"):
        raise FrameError(f"the documents name a slice of {dataset} in {part.asset.uri}: only whole frames are read")
    if parameters.get("template"):
        return _sequence(part, reading, HDF5Format(dataset))
    rows = Rows(
        frames=part.frames_per_row,
        zero=part.first_frame - part.start * part.frames_per_row,
        join_method=parameters.get("join_method"),
    )
    path = reading.access.path_of(part.asset.uri)
    return _stack(path, dataset, part.first_frame, part.frames, reading, rows)


def _stack(path: Path, dataset: str, start: int, n_frames: int, reading: Reading, rows: Rows | None) -> HDF5Frames:
    return HDF5Frames(
        path=path,
        dataset=dataset,
        start=start,
        stop=start + n_frames,
        timestamps=reading.files.timestamps,
        frame_numbers=reading.files.frame_numbers,
        following=reading.following,
        rows=rows,
        access=reading.access,
    )


def _eiger(part: Part, reading: Reading) -> FrameSource:
    """A master file a row, `PREFIX_NUMBER_master.h5`, with links to the data files beside it."""
    parameters = part.asset.parameters
    if parameters.get("frame_num") is not None:
        raise FrameError(
            f"the documents name single frames of the Eiger's file {part.asset.uri}: only whole ones are read"
        )
    first = _file_number(part, "seq_id")
    prefix = reading.access.path_of(part.asset.uri)
    masters = [prefix.with_name(f"{prefix.name}_{first + row}_master.h5") for row in range(part.stop - part.start)]
    short = (part.stop - part.start) * part.frames_per_row - part.frames
    counts = [part.frames_per_row] * (len(masters) - 1) + [part.frames_per_row - short]
    stacks = [_stack(each, "entry/data", 0, count, reading, None) for each, count in zip(masters, counts, strict=True)]
    sources = [replace(each, whole=True) for each in stacks]
    return sources[0] if len(sources) == 1 else JoinedFrames(tuple(sources))


def _file_number(part: Part, name: str) -> int:
    """The number that a classic detector's datum gives the file of the first row.

    All rows of an asset share its parameters, which hold the number of its first one, unless `numbered_rows` made the
    rows these numbers.
    """
    number = part.asset.parameters.get(name)
    if part.asset.parameters.get("rows") == name:
        return part.start
    if isinstance(number, int) and part.first_frame == 0:
        return number
    raise FrameError(
        f"the documents do not tell the number ({name}) of the file of row {part.start} of {part.asset.uri}"
    )


def numbered_rows(datum_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a classic datum, with the number of its file as its row.

    A datum of an Eiger, or of a sequence of .npy files, has the number of its file (`seq_id`, `index`). What turns it
    into a row of a stream_datum keeps that number for the first one of a resource only. So give it rows that are these
    numbers: `RunNormalizer` takes `indices` from a datum as they stand.
    """
    given = dict(datum_kwargs)
    for name in ("seq_id", "index"):
        number = given.get(name)
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0 and "indices" not in given:
            given |= {"indices": {"start": number, "stop": number + 1}, "rows": name}
    return given


def _tiff(part: Part, reading: Reading) -> FrameSource:
    return _sequence(part, reading, TiffFormat())


def _npy(part: Part, reading: Reading) -> FrameSource:
    return _sequence(part, reading, NpyFormat())


def _sequence(part: Part, reading: Reading, file_format: FormatOfFile) -> FrameSource:
    """Frames of files that follow one another, or of one file that is no HDF5 stack."""
    beside = [name for name in ("timestamps", "frame_numbers") if getattr(reading.files, name) is not None]
    if beside:
        raise FrameError(
            f"{' and '.join(beside)} under [files] stand in one HDF5 file beside the frames, but the frames of "
            f"{part.asset.uri} are in other files: dropped frames would not be noticed. Leave them out of the settings "
            "to do without"
        )
    parameters = part.asset.parameters
    numpy_sequence = parameters.get("spec") == "NPY_SEQ"
    template = parameters.get("template") or ("_%d.npy" if numpy_sequence else "")
    uri = part.asset.uri
    path = str(reading.access.path_of(uri))
    filename = parameters.get("filename") or ""
    if not isinstance(template, str) or not isinstance(filename, str):
        raise FrameError(f"the template for the names of the files in {uri} is no text")
    if template and (uri.endswith("/") or parameters.get("spec") in FOLDERS):
        path += "/"
    start = part.first_frame
    if numpy_sequence and "index" in parameters:
        start = _file_number(part, "index") * part.frames_per_row
    return ImageFiles(
        names=FileNames(path, template, filename),
        format=file_format,
        start=start,
        stop=start + part.frames,
        per_file=(part.frames_per_row,) if numpy_sequence else _per_file(part),
        following=reading.following,
        access=reading.access,
    )


def _per_file(part: Part) -> tuple[int, ...]:
    """Frames that a file of a sequence may hold, by the documents: more than one number where they leave it open."""
    parameters, frames = part.asset.parameters, part.frames_per_row
    files = parameters.get("files_per_datum")
    if isinstance(files, int) and files > 0 and frames % files == 0:
        return (frames // files,)
    chunk = parameters.get("chunk_shape")
    if isinstance(chunk, Sequence) and (len(chunk) == 3 or (chunk and parameters.get("join_method") == "concat")):
        in_file = chunk[0]
        if isinstance(in_file, int) and in_file > 0 and frames % in_file == 0:
            return (in_file,)
    if parameters.get("multiplier") is not None:
        return (1,)  # as areaDetector and classic ophyd write them
    return (frames, 1) if frames > 1 else (1,)


EIGERS = ("AD_EIGER", "AD_EIGER2", "EIGER")
"""Specs of classic Eiger detectors, which have a file a row."""

FOLDERS = ("AD_TIFF", "AD_HDF5_SINGLE")
"""Specs whose address is a folder, with or without a slash at its end."""

DATASETS = {"AD_HDF5_SWMR_STREAM": "/entry/data/data", "AD_HDF5_SWMR_SLICE": "/entry/data/data"}
"""Where areaDetector's frames are, by specs for which the documents do not say it."""

KINDS: dict[str, Opener] = {
    HDF5: _hdf5,
    "image/tiff": _tiff,
    "multipart/related;type=image/tiff": _tiff,
    "application/x-npy": _npy,
    "multipart/related;type=application/x-npy": _npy,
    f"multipart/related;type={HDF5}": _hdf5,
}
"""Readers by mimetype."""
