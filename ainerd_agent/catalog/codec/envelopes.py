"""Records in files: one .npz a call, without pickle, which numpy reads without this package."""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import CatalogError
from ainerd_agent.records import (
    Analysis,
    Bins,
    Fingerprints,
    Origin,
    Quality,
    Relaxations,
    Run,
    ShearStress,
    Suggestion,
)

_KINDS = (Analysis, Bins, Fingerprints, Origin, Quality, Relaxations, Run, ShearStress, Suggestion)
RECORDS = {kind.__name__: kind for kind in _KINDS}
"""By the names that files hold: a name or field that was written once must stay readable."""


def write_envelope(path: Path, content: Any) -> None:
    """Write records as one .npz file without pickle: its text `envelope` is JSON, its arrays are named there."""
    arrays: dict[str, NDArray[Any]] = {}
    envelope = json.dumps(_pack(content, arrays))
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, envelope=np.array(envelope), **arrays)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def read_envelope(path: Path) -> Any:
    """Read what `write_envelope` wrote."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return _unpack(json.loads(str(file["envelope"])), file)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise CatalogError(f"The spooled record {path} is damaged: {error}.") from error


def _pack(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
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
