"""How HDF5 files name other files, and where the HDF5 library looks for them: links, virtual sources, raw storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py

from ainerd_agent.errors import FrameError

MOST_LINKS = 16
"""As many as the HDF5 library follows from one name; more go in a circle."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a name in a group is.

    Attributes
    ----------
    path : str
        The name that it stands for; empty for an object itself.
    file : str
        The file that the name is in; empty for the same file.
    """

    path: str = ""
    file: str = ""


def link_of(group: h5py.Group, name: str) -> Link | None:
    """What a name in a group is, None where it is none. The link itself is looked at, never what it leads to.

    Raises
    ------
    FrameError
        It is a link of a kind that a program has made up.
    """
    # Asked of the library at its low level, since h5py itself would follow the link to see whether it is there.
    key = name.encode("utf-8", "surrogateescape")
    if not group.id.links.exists(key):
        return None
    kind = group.id.links.get_info(key).type
    if kind == h5py.h5l.TYPE_HARD:
        return Link()
    if kind == h5py.h5l.TYPE_SOFT:
        return Link(os.fsdecode(group.id.links.get_val(key)))
    if kind == h5py.h5l.TYPE_EXTERNAL:
        file_name, target = group.id.links.get_val(key)
        return Link("/" + os.fsdecode(target).lstrip("/"), os.fsdecode(file_name))
    raise FrameError(f"{name} of {group.file.filename} is a link of a kind of its own: it is not read")


def link_candidates(path: Path, name: str) -> list[Path]:
    """Where the library looks for the file of an external link in the file at `path`, in its order."""
    return list(_candidates(path, name, "HDF5_EXT_PREFIX"))


def source_candidates(path: Path, name: str) -> list[Path]:
    """Where the library looks for the file of a virtual source of a dataset in the file at `path`, in its order."""
    return list(_candidates(path, name, "HDF5_VDS_PREFIX"))


def storage_candidates(path: Path, name: str) -> list[Path]:
    """Where the raw storage of a dataset lies: in the current folder, unless the environment names another."""
    prefixes = _prefixes("HDF5_EXTFILE_PREFIX", path) or [Path()]
    return [prefix / os.fsdecode(name) for prefix in prefixes]


def _candidates(path: Path, name: str, variable: str) -> Iterator[Path]:
    named = Path(os.fsdecode(name))
    if named.is_absolute():
        yield named
        named = Path(named.name)
    for prefix in (*_prefixes(variable, path), path.parent, Path(), path.resolve().parent):
        yield prefix / named


def _prefixes(variable: str, path: Path) -> list[Path]:
    given = os.environ.get(variable, "")
    return [Path(each.replace("${ORIGIN}", str(path.parent))) for each in given.split(":") if each]
