"""Where the embedded server may read and write: inside the folders of its session, and nowhere else.

A catalog holds addresses of files, and whoever has the key may write addresses. So an address is never followed as it
stands: it is resolved, through `..` and links, and what lies outside is refused. Only the server's modules import this.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus, unquote, urlsplit

from fastapi import HTTPException
from tiled.utils import ensure_uri, path_from_uri

EXTERNAL = "external"
"""How Tiled calls data that it did not write itself: here, the files of detectors."""

_AMBIGUOUS = re.compile(r"[*?\[\]#;\x00]|::")
"""What some readers take for a pattern, or for the end of a path, and others for a part of a name."""


class RefusedError(HTTPException):
    """The server does not do this. The sentence goes to the client, so it names no path."""

    def __init__(self, sentence: str, status_code: int = 403) -> None:
        super().__init__(status_code, sentence)


@dataclass(frozen=True)
class SessionFolders:
    """What belongs to a session.

    Parameters
    ----------
    frames : Path
        Files of detectors, which are registered and read. May be a link itself: it is followed once, here.
    data : Path
        What the server writes.
    tables : str
        Address of the database of tables, the only one that tables are read from.
    """

    frames: Path
    data: Path
    tables: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", self.frames.resolve())
        object.__setattr__(self, "data", self.data.resolve())

    def confined(self, uri: str, management: str) -> str:
        """The address of a file after all links, for `uri`.

        Data of detectors must lie in `frames`, what the server writes in `data`. If one could stand for the other, a
        client could upload bytes as one format and have them read as another, which may name further files.

        Raises
        ------
        RefusedError
            It leads out of its folder, or can be understood in two ways.
        """
        if management != EXTERNAL and uri == self.tables:
            return uri
        return as_uri(resolved(uri, self.frames if management == EXTERNAL else self.data))

    def decoded(self, uri: str) -> str:
        """The address of a file of a detector as Tiled reads it: as it stands.

        Addresses are percent-encoded by the standard, and ophyd-async writes them so. Where such a one, as it stands,
        names nothing in `frames`, it is decoded, once. Nothing is allowed by that: the answer still has to be confined.
        """
        if "%" not in uri or urlsplit(uri).scheme != "file":
            return uri
        named = uri.partition("://")[2].removeprefix("localhost")
        as_it_stands, plain = Path(named), Path(unquote(named))
        if inside(as_it_stands, self.frames) and (as_it_stands.exists() or not inside(plain, self.frames)):
            return uri
        return f"file://localhost{plain}"

    def asset(self, uri: str) -> Path:
        """Where an asset lies whose bytes are asked for, in either folder. Raises RefusedError."""
        try:
            return resolved(uri, self.frames)
        except RefusedError:
            return resolved(uri, self.data)

    def check_place(self, segments: list[str]) -> None:
        """Check that Tiled would write an array or table of this path into `data`. Raises RefusedError."""
        place = self.data.joinpath(*(quote_plus(segment) for segment in segments))
        if any(segment in {".", ".."} for segment in segments) or not inside(place, self.data):
            raise RefusedError(OUTSIDE)


OUTSIDE = "This lies outside the folders of the session, and this server neither registers, reads nor hands it out."


def resolved(uri: str, folder: Path) -> Path:
    """The file behind an address, after all links, if it lies in `folder`. Raises RefusedError."""
    address = urlsplit(uri)
    if address.scheme != "file" or address.netloc not in {"", "localhost"}:
        raise RefusedError(OUTSIDE)
    # Tiled takes the path as it stands, pandas decodes it first: both must lead inside.
    named = uri.partition("://")[2].removeprefix("localhost")
    if not named.startswith("/") or _AMBIGUOUS.search(named) or _AMBIGUOUS.search(unquote(named)):
        raise RefusedError("The address of a file must be file://localhost/ and a path without any of * ? [ ] # ; ::.")
    if not inside(Path(unquote(named)), folder):
        raise RefusedError(OUTSIDE)
    path = Path(os.path.realpath(path_from_uri(uri)))
    if not path.is_relative_to(folder) or path == folder:
        raise RefusedError(OUTSIDE)
    return path


def inside(path: Path, folder: Path) -> bool:
    """Whether a path leads into a folder (itself resolved), through `..` and links."""
    return Path(os.path.realpath(path)).is_relative_to(folder)


def as_uri(path: Path) -> str:
    """The address of a file, as Tiled reads it. Raises RefusedError where Tiled would read another one."""
    uri = ensure_uri(path)
    if path_from_uri(uri) != path:
        raise RefusedError("The name of this file holds signs that Tiled cannot read: rename it.")
    return str(uri)


def check_members(folder: Path) -> None:
    """Check that nothing below a folder leads out of it. Raises RefusedError."""
    for parent, folders, files in os.walk(folder):
        if any(not inside(Path(parent, name), folder) for name in (*folders, *files)):
            raise RefusedError(OUTSIDE)
