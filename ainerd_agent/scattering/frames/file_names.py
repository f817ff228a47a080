"""Names of the files of a sequence, from templates in detectors' documents: `%s%s_%6.6d.tiff`, `x_{:06d}.tif`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ainerd_agent.errors import FrameError

_WIDEST = 20
_TOKEN = re.compile(
    r"(?P<percent>%%)|(?P<name>%s|\{:s\}|\{filename\})|(?P<old>%[-+ 0]*\d*(?:\.\d+)?d)"
    r"|(?P<brace>\{(?:0|index)?(?::(?P<new>0?\d*d?))?\})|(?P<odd>[%{}])|(?P<text>[^%{}]+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class FileNames:
    """The files of a sequence by their number.

    Parameters
    ----------
    beginning : str
        What all paths begin with: a folder, with a slash at its end, or a folder and the beginning of the names.
    template : str
        What follows, with one place for the number at most: `%d` or `{:d}`, with flags and widths. None is a single
        file, and the empty template names `beginning` itself. The first `%s` is `filename`; a second one is nothing.
    filename : str, optional

    Raises
    ------
    FrameError
        The template is none.
    """

    beginning: str
    template: str = ""
    filename: str = ""

    def __post_init__(self) -> None:
        tokens = list(_TOKEN.finditer(self.template))
        numbers = [each for each in tokens if each["old"] or each["brace"]]
        widths = [int(width) for each in numbers for width in re.findall(r"\d+", each[0])]
        if any(each["odd"] for each in tokens) or len(numbers) > 1 or any(width > _WIDEST for width in widths):
            raise FrameError(
                f"{self.template!r} is no template for the names of files: it may have one number, as %06d or {{:06d}}"
            )

    @property
    def several(self) -> bool:
        """Whether there are several files."""
        return self.tail(0) != self.tail(1)

    def path(self, number: int) -> Path:
        """One of the files.

        Where `beginning` is a folder, though without a slash at its end, the file is in it if it is not beside it.
        """
        tail = self.tail(number)
        if self.beginning.endswith("/") or not tail:
            return Path(self.beginning + tail.lstrip("/"))
        beside = Path(self.beginning + tail)
        if tail.startswith("/") or not os.path.isdir(self.beginning) or beside.exists():
            return beside
        return Path(self.beginning, tail)

    def tail(self, number: int) -> str:
        """What follows the beginning."""
        written, name = [], self.filename
        for token in _TOKEN.finditer(self.template):
            if token["name"]:
                written.append(name)
                name = ""
            elif token["old"]:
                written.append(token["old"] % number)
            elif token["brace"]:
                written.append(format(number, token["new"] or ""))
            else:
                written.append("%" if token["percent"] else token["text"])
        return "".join(written)
