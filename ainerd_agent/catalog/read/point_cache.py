"""Latents and what is known of each, read from a catalog and kept in a folder of this machine.

Two files that only grow hold latents and rows, one after the other; `state.json` says how much of them counts, and is
replaced as a whole. So what is new costs what is new, and a process that dies in between leaves a tail that does not
count. Others wait for the lock.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.columns import latent_columns
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Events

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2

KEPT = {
    "time": "f8", "x": "f4", "y": "f4", "q": "f4", "azimuth": "f4", "cluster": "i2", "novelty": "f4",
    "shear_stress": "f4", "tau": "f4",
}  # fmt: skip
"""Columns of points that are kept beside the latents, to be shown."""

NUMBERS = {"seq_num": "i4", "last_seq_num": "i4", "bin": "i2"}
ROW_TYPE = np.dtype([("run", "i4"), ("stream", "i2"), *NUMBERS.items(), *KEPT.items()])

Latents = NDArray[np.float32]


class PointFiles:
    """A folder with the points of a model.

    Parameters
    ----------
    folder : Path
        Of these points alone; created where it does not exist.
    about : list of str
        What they are points of.

    Attributes
    ----------
    run : ndarray of int32, shape (n,)
        The run of each point, a place in `uids`.
    since : float
        When the latest of them was analysed, seconds since the epoch.
    retakes : dict of str to dict of Events to float
        As of `UnseenPoints`; kept with the next points that are added.
    """

    def __init__(self, folder: Path, about: list[str]) -> None:
        self.folder = folder
        self._about = about
        self.restart(-1)

    def __len__(self) -> int:
        return len(self.run)

    def restart(self, generation: int | None = None) -> None:
        """Forget everything; the files go with the next rows that are added."""
        self._generation: int = self._generation + 1 if generation is None else generation
        self._n_latents = 0
        self.uids: list[str] = []
        self.streams: list[str] = []
        self.retakes: dict[str, dict[Events, float]] = {}
        self.codes: dict[str, int] = {}
        self.run: NDArray[np.int32] = np.empty(0, np.int32)
        self.since = 0.0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from the folder meanwhile."""
        with self._errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def catch_up(self) -> bool:
        """Take over what counts by now. True where it is not what it was, and more."""
        state = self._state()
        anew = bool(state["generation"] != self._generation)
        if anew:
            self.restart(state["generation"])
        self._n_latents, self.since = state["n_latents"], state["since"]
        self.uids, self.streams = state["runs"], state["streams"]
        self.retakes = {
            uid: {Events(*of): when for *of, when in each} for uid, each in state.get("retakes", {}).items()
        }
        self.codes = {uid: code for code, uid in enumerate(self.uids)}
        if state["length"] > len(self):
            rows = self._mapped("rows", ROW_TYPE, (state["length"],))
            self.run = np.concatenate([self.run, rows["run"][len(self) :]])
        return anew

    def measurements(self, first: int = 0) -> dict[str, set[Events]]:
        """The measurements by run of the rows from `first` on."""
        rows = self.rows(slice(first, None))
        found: dict[str, set[Events]] = {}
        names = ("run", "stream", "seq_num", "last_seq_num")
        changes = [np.diff(rows[name].astype(np.int64), prepend=-1) != 0 for name in names]
        begins = np.flatnonzero(np.logical_or.reduce(changes))
        for code, stream, *events in zip(*(rows[name][begins].tolist() for name in names), strict=True):
            found.setdefault(self.uids[code], set()).add(Events(self.streams[stream], *events))
        return found

    def add(self, tables: Sequence[pd.DataFrame], runs: Sequence[str], since: float) -> None:
        """Add points, and runs of which there are none; points with latents that are not finite are left out."""
        for uid in [*(uid for table in tables for uid in table["raw_uid"].unique()), *runs]:
            self.codes.setdefault(uid, len(self.codes))
        for stream in dict.fromkeys(stream for table in tables for stream in table["stream"].unique()):
            if stream not in self.streams:
                self.streams.append(stream)
        parts = [self._packed(table) for table in tables]
        with self._errors():
            if parts:
                latents, rows = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
                self._write("latents", latents, 4 * self._n_latents)
                self._write("rows", rows, ROW_TYPE.itemsize)
                self.run = np.concatenate([self.run, rows["run"]])
            if parts or len(self.codes) > len(self.uids) or since != self.since:
                self.uids, self.since = list(self.codes), since
                self._commit()

    def latents(self, part: slice) -> Latents:
        """Some of the latents, shape (m, n_latents), in the file."""
        return self._mapped("latents", np.dtype(np.float32), (len(self), self._n_latents))[part]

    def rows(self, chosen: NDArray[Any] | slice) -> NDArray[Any]:
        """Some of the rows, of `ROW_TYPE`."""
        return self._mapped("rows", ROW_TYPE, (len(self),))[chosen]

    def _mapped(self, name: str, kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        if 0 in shape:
            return np.empty(shape, kind)
        with self._errors():
            try:
                return np.memmap(self._path(name), kind, "r", shape=shape).view(np.ndarray)
            except ValueError as error:
                raise CatalogError(
                    f"The index of similar points in {self.folder} is damaged ({error}): delete that folder."
                ) from error

    def _packed(self, table: pd.DataFrame) -> tuple[Latents, NDArray[Any]]:
        names = latent_columns(table)
        latents = table[names].to_numpy(np.float32)
        usable = np.isfinite(latents).all(axis=1)
        rows = np.zeros(len(table), ROW_TYPE)
        rows["run"] = table["raw_uid"].map(self.codes)
        rows["stream"] = table["stream"].map({stream: code for code, stream in enumerate(self.streams)})
        for name in (*NUMBERS, *KEPT):
            rows[name] = table.get(name, np.nan)  # not every run has these axes
        self._n_latents = self._n_latents or len(names)
        return latents[usable], rows[usable]

    def _write(self, name: str, values: NDArray[Any], n_bytes: int) -> None:
        """Put values behind those that count, each of so many bytes."""
        path = self._path(name)
        path.touch()
        with path.open("r+b") as file:
            file.truncate(n_bytes * len(self))  # what was begun and not finished
            file.seek(0, os.SEEK_END)
            values.tofile(file)
            file.flush()
            os.fsync(file.fileno())

    def _commit(self) -> None:
        state = {
            "format": FORMAT,
            "about": self._about,
            "generation": self._generation,
            "length": len(self),
            "n_latents": self._n_latents,
            "runs": self.uids,
            "streams": self.streams,
            "since": self.since,
            "retakes": {uid: [[*of, when] for of, when in each.items()] for uid, each in self.retakes.items()},
        }
        unfinished = self.folder / "state.new"
        unfinished.write_text(json.dumps(state))
        unfinished.replace(self.folder / "state.json")
        for path in self.folder.glob("*.bin"):
            if path not in (self._path("latents"), self._path("rows")):
                path.unlink()

    def _state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.folder / "state.json").read_text())
            if (state["format"], state["about"]) == (FORMAT, self._about):
                return dict(state)
        except (OSError, ValueError, KeyError):
            pass  # none yet, or one that is of no use
        return {
            "generation": self._generation + 1,
            "length": 0,
            "n_latents": 0,
            "runs": [],
            "streams": [],
            "since": 0.0,
        }

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}-{self._generation}.bin"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CatalogError(
                f"The index of similar points in {self.folder} cannot be used ({error.strerror}): make room, or choose "
                "another folder."
            ) from error
