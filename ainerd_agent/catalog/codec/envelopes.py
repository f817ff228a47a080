"""Records in files: one .npz a call, without pickle, which numpy reads without this package."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import CatalogError
from ainerd_agent.records import (
    Ageing,
    AgeLagMap,
    Analysis,
    BadPixels,
    Bins,
    Exposure,
    Fingerprints,
    MapNoise,
    Origin,
    Quality,
    Relaxations,
    Run,
    Scattering,
    ShearStress,
    Suggestion,
)
from ainerd_agent.records.analysis import ModelIdentity

_KINDS = (
    Ageing, AgeLagMap, Analysis, BadPixels, Bins, Exposure, Fingerprints, MapNoise, ModelIdentity, Origin, Quality,
    Relaxations, Run, Scattering, ShearStress, Suggestion,
)  # fmt: skip
RECORDS = {kind.__name__: kind for kind in _KINDS}
"""By the names that files hold: a name or field that was written once must stay readable."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What file systems without hard links answer."""


def write_envelope(path: Path, content: Any) -> None:
    """Write records as one .npz file without pickle: its text `envelope` is JSON, its arrays are named there.

    The file is there as a whole or not at all, and it outlasts a power failure.

    Raises
    ------
    FileExistsError
        There is a file of that name, or another process is writing one.
    OSError
        It cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {}
    envelope = json.dumps(_pack(content, arrays))
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("xb") as file:
        try:
            np.savez(file, allow_pickle=False, envelope=np.array(envelope), **arrays)
            file.flush()
            os.fsync(file.fileno())
            rename_exclusively(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)


def read_envelope(path: Path) -> Any:
    """Read what `write_envelope` wrote.

    Raises
    ------
    CatalogError
        The file is damaged, or of a newer version.
    OSError
        It cannot be read, or is not there.
    """
    content = path.read_bytes()
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return _unpack(json.loads(str(file["envelope"])), file)
    except Exception as error:  # damage shows as whatever the readers of zip, npy and JSON trip over
        raise CatalogError(f"The spooled record {path} is damaged, or of a newer version: {error!r}.") from error


def rename_exclusively(source: Path, target: Path) -> None:
    """Rename a file, but never over another one, as `os.rename` does.

    Raises
    ------
    FileExistsError
        There is a file of that name.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        if not source.samefile(target):  # it is the same one where a network lost the answer, or a process died here
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        source.rename(target)
        return
    source.unlink()


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # the file is there; some network file systems know no sync of a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _pack(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if type(value).__name__ not in RECORDS:  # now, not when it is read back
            raise TypeError(f"records of {type(value).__name__} cannot be kept in files")
        fields = {field.name: _pack(getattr(value, field.name), arrays) for field in dataclasses.fields(value)}
        return {"record": type(value).__name__, "fields": fields}
    if isinstance(value, np.ndarray):
        name = f"array{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {"mapping": {str(key): _pack(item, arrays) for key, item in value.items()}}
    if isinstance(value, tuple):
        return {"tuple": [_pack(item, arrays) for item in value]}
    if isinstance(value, list):
        return [_pack(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _unpack(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "record" in value:
        fields = {name: _unpack(item, arrays) for name, item in value["fields"].items()}
        return RECORDS[value["record"]](**fields)
    if "array" in value:
        return arrays[value["array"]]
    if "tuple" in value:
        return tuple(_unpack(item, arrays) for item in value["tuple"])
    return {name: _unpack(item, arrays) for name, item in value["mapping"].items()}
