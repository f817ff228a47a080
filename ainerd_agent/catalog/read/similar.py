"""Similar points among all that a model has found, by an index on this machine that keeps up with the catalog."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ainerd_agent.catalog.layout import address_of
from ainerd_agent.catalog.read.point_cache import KEPT, Latents, PointFiles
from ainerd_agent.catalog.read.unseen_points import UnseenPoints
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import FloatArray

if TYPE_CHECKING:
    from ainerd_agent.latent import Encoder
    from ainerd_agent.latent.atlas.atlas import Atlas

COMMIT_ROWS = 200_000
"""After so many new rows at the latest they count, and are not read again after an interruption."""

SMALL = 20_000
"""Rows that may come before the large archive is made anew."""

_indices: dict[Path, PointIndex] = {}
_opening = threading.Lock()


def open_index(model: Container, folder: Path | None = None) -> PointIndex:
    """The index of a model, one for the whole process.

    Parameters
    ----------
    model : ModelClient
    folder : Path, optional
        Where indices are kept; by default in the user's cache.
    """
    if folder is None:
        from platformdirs import user_cache_path

        folder = user_cache_path("ainerd-agent") / "similar"
    # A folder is served at another address each time, and an address may serve another catalog.
    catalog = model.metadata.get("uid") or address_of(model)
    about = [str(catalog), "/".join(model.path_parts), str(model.metadata["weights_sha256"])]
    place = folder.resolve() / hashlib.sha256("\n".join(about).encode()).hexdigest()[:24]
    with _opening:
        if place not in _indices:
            _indices[place] = PointIndex(PointFiles(place, about))
        return _indices[place]


class PointIndex:
    """All points of a model, found by their latents.

    Parameters
    ----------
    files : PointFiles
        Where they are kept.
    """

    def __init__(self, files: PointFiles) -> None:
        self._files = files
        self._unseen = UnseenPoints()
        self._atlases: list[Atlas] = []
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._files)

    def sync(self, model: Container) -> int:
        """Read what is new in the catalog.

        Returns
        -------
        int
            Rows that were added, also by other processes since the last time.

        Raises
        ------
        CatalogError
            The catalog cannot be read, or the folder not be written.
        """
        with self._lock, self._files.alone():
            before = len(self)
            if self._files.catch_up():
                self._forget()
                before = 0
            for uid, measurements in self._files.measurements(before).items():
                self._unseen.seen.setdefault(uid, set()).update(measurements)
            for uid in self._files.uids:
                self._unseen.seen.setdefault(uid, set())
            self._unseen.since, self._unseen.retakes = self._files.since, self._files.retakes
            self._read_unseen(model)
            if self._unseen.shrunk:  # rare enough to begin again
                self._files.restart()
                self._forget()
                self._read_unseen(model)
            return len(self) - before

    def similar(
        self, what: Any, k: int, *, model: Container, among: Iterable[str] | None = None, encoder: Encoder | None = None
    ) -> pd.DataFrame:
        """As `ModelClient.similar`; `among` are the runs that may be found."""
        with self._lock:
            self.sync(model)
            latent, itself = self._asked(what, model, encoder)
            allowed = None if among is None else self._in_runs(among)
            numbers, distances = self.nearest(latent, k, allowed, itself)
            rows = self._files.rows(numbers)
            about = {
                "raw_uid": [self._files.uids[code] for code in rows["run"]],
                "stream": [self._files.streams[code] for code in rows["stream"]],
                "seq_num": rows["seq_num"].astype(np.int64),
                "last_seq_num": rows["last_seq_num"].astype(np.int64),
                "bin": rows["bin"].astype(np.int64),
                "distance": distances,
            }
        return pd.DataFrame({**about, **{name: rows[name] for name in KEPT}}).assign(model=model.metadata["model"])

    def nearest(
        self, latent: Latents, k: int, allowed: NDArray[np.bool_] | None = None, itself: int | None = None
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """Numbers and distances of the k nearest of the points that were read, fewer where there are fewer.

        Parameters
        ----------
        allowed : ndarray of bool, shape (n,), optional
            Which points may be found.
        itself : int, optional
            One that may not.
        """
        numbers, distances, first = [np.empty(0, np.int64)], [np.empty(0)], 0
        for atlas in self._arranged():
            part = None if allowed is None else allowed[first : first + len(atlas)]
            there = len(atlas) if part is None else int(np.count_nonzero(part))
            # One more than is asked for, which may be the point itself.
            if (many := min(k + (itself is not None), there)) > 0:
                found = atlas.nearest(latent, many, among=part)
                numbers.append(found.index[0] + first)
                distances.append(found.distance[0])
            first += len(atlas)
        number, distance = np.concatenate(numbers), np.concatenate(distances)
        order = np.argsort(distance, kind="stable")
        order = order[number[order] != (-1 if itself is None else itself)][:k]
        return number[order], distance[order]

    def _forget(self) -> None:
        self._unseen, self._atlases = UnseenPoints(), []

    def _read_unseen(self, model: Container) -> None:
        waiting: list[pd.DataFrame] = []
        self._files.retakes = self._unseen.retakes
        for rows in self._unseen.read(model):
            waiting.append(rows)
            if sum(map(len, waiting)) >= COMMIT_ROWS:
                self._files.add(waiting, [], self._files.since)
                waiting = []
        self._files.add(waiting, list(self._unseen.seen), self._unseen.since)

    def _asked(self, what: Any, model: Container, encoder: Encoder | None) -> tuple[Latents, int | None]:
        """The latent vector of what is asked about, and its number where it is a point."""
        if isinstance(what, pd.Series | dict) or (isinstance(what, tuple) and isinstance(what[0], str)):
            named = what if isinstance(what, tuple) else (what["raw_uid"], what["seq_num"], what["bin"])
            uid, seq_num, bin = named
            stream = None if isinstance(what, tuple) else what.get("stream")
            number = self._number(str(uid), int(seq_num), int(bin), stream)
            return self._files.latents(slice(number, number + 1))[0], number
        values = np.asarray(what)
        return (_encoded(values, model, encoder) if values.ndim > 1 else values), None

    def _number(self, uid: str, seq_num: int, bin: int, stream: str | None) -> int:
        of_run = np.flatnonzero(self._files.run == self._files.codes.get(uid, -1))
        rows = self._files.rows(of_run)
        chosen = (rows["seq_num"] == seq_num) & (rows["bin"] == bin)
        if stream in self._files.streams:
            chosen &= rows["stream"] == self._files.streams.index(stream)
        found = of_run[chosen]
        if not len(found):
            raise CatalogError(f"There is no point {uid}/{seq_num}/{bin} in these results.")
        return int(found[0])

    def _in_runs(self, uids: Iterable[str]) -> NDArray[np.bool_]:
        codes = [self._files.codes[uid] for uid in uids if uid in self._files.codes]
        return np.isin(self._files.run, np.array(codes, np.int32))

    def _arranged(self) -> list[Atlas]:
        """All latents: a large archive that stays as it is, and a small one of what came later."""
        from ainerd_agent.latent.atlas.atlas import Atlas

        large = len(self._atlases[0]) if self._atlases else 0
        if len(self) - large > max(SMALL, large // 4):
            self._atlases = []
        kept = sum(map(len, self._atlases))
        if len(self) > kept:
            if len(self._atlases) < 2:
                self._atlases.append(Atlas(1.0))
            self._atlases[-1].append(self._files.latents(slice(kept, len(self))))
        return self._atlases


def _encoded(values: NDArray[Any], model: Container, encoder: Encoder | None) -> Latents:
    if encoder is None:
        from ainerd_agent.latent import Encoder

        encoder = Encoder.named(model.metadata["model"])
    if encoder.weights_sha256 != model.metadata["weights_sha256"]:
        raise CatalogError(
            f"These results are by other weights ({model.metadata['weights_sha256'][:12]}...) than the model "
            f"{encoder.name} ({encoder.weights_sha256[:12]}...), whose latents mean something else: give the encoder "
            "of their model, or name its file (model in the settings, or AINERD_MODEL)."
        )
    latent: Latents = encoder.encode(values)[0]
    return latent
