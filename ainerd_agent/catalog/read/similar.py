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
from ainerd_agent.catalog.read.measurements import distances, numbered, partners, per_measurement
from ainerd_agent.catalog.read.point_cache import KEPT, NUMBERS, Latents, PointFiles
from ainerd_agent.catalog.read.run_names import ANALYSED_RUNS, uid_named
from ainerd_agent.catalog.read.unseen_points import UnseenPoints
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import FloatArray, MeasurementName, PointName

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
        self,
        what: Any,
        k: int,
        *,
        model: Container,
        among: Iterable[str] | None = None,
        encoder: Encoder | None = None,
        local: int | None = None,
    ) -> pd.DataFrame:
        """As `ModelClient.similar`; `among` are the runs that may be found."""
        with self._lock:
            self.sync(model)
            latent, itself = self._asked(what, model, encoder)
            allowed = None if among is None else self._in_runs(among)
            if local is None:
                numbers, apart = self.nearest(latent, k, allowed, itself)
            else:
                numbers, apart = self.nearest_locally(latent, k, local, allowed, itself)
            found = self._as_table(self._files.rows(numbers))
        found.insert(5, "distance", apart)
        return found.assign(model=model.metadata["model"])

    def similar_measurements(
        self, what: Any, k: int, *, model: Container, among: Iterable[str] | None = None
    ) -> pd.DataFrame:
        """The same of whole measurements: `what` is one, by its name or a row that has it."""
        with self._lock:
            self.sync(model)
            named = _measurement_of(what)
            rows = self._files.rows(slice(None))
            of_run = rows["run"] == self._files.codes.get(uid_named(model, named.run, ANALYSED_RUNS), -1)
            asked = np.flatnonzero(of_run & (rows["seq_num"] == named.seq_num))
            asked = asked[self._of_one_stream(rows["stream"][asked], named)]
            measurement = numbered(rows[name] for name in ("run", "stream", "seq_num", "last_seq_num"))
            latents = self._files.latents(slice(None))
            distance, bins = distances(latents[asked], latents, partners(rows[asked], rows), measurement)
            distance[measurement[asked[0]]] = np.nan
            if among is not None:
                distance[measurement[~self._in_runs(among)]] = np.nan
            order = np.argsort(distance, kind="stable")[: min(k, int(np.isfinite(distance).sum()))]
            kept = rows[np.isin(measurement, order)]
            found = per_measurement(self._as_table(kept)).drop(columns=["bins"])
            place = measurement[np.isin(measurement, order)]
            first = np.sort(np.unique(place, return_index=True)[1])
            found = found.assign(distance=distance[place[first]], bins=bins[place[first]])
        found = found.sort_values("distance", kind="stable", ignore_index=True)
        return found.drop(columns=["q", "azimuth", "tau"], errors="ignore").assign(model=model.metadata["model"])

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

    def nearest_locally(
        self, latent: Latents, k: int, local: int, allowed: NDArray[np.bool_] | None = None, itself: int | None = None
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """The same, with distances in units of that from each point to its own neighbour of the number `local`.

        Raises
        ------
        CatalogError
            There are no such neighbours.
        """
        from ainerd_agent.latent.atlas.local_scaling import LOCAL_POOL

        if not 1 <= local < len(self):
            raise CatalogError(f"There is no neighbour {local} among {len(self)} points: take local from 1 to less.")
        number, distance = self.nearest(latent, max(LOCAL_POOL, 10 * k), allowed, itself)
        if not len(number):
            return number, distance
        own = np.stack([self._files.latents(slice(each, each + 1))[0] for each in number.tolist()])
        near = np.concatenate(
            # Each is its own nearest, at 0.
            [atlas.nearest(own, min(local + 1, len(atlas))).distance for atlas in self._arranged()],
            axis=1,
        )
        unit = np.sort(near, axis=1)[:, local]
        scaled = distance / np.maximum(unit, np.finfo(np.float32).tiny)
        order = np.argsort(scaled, kind="stable")[:k]
        return number[order], scaled[order]

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
        point = point_of(what)
        if point is not None:
            number = self._number(uid_named(model, point.run, ANALYSED_RUNS), point)
            return self._files.latents(slice(number, number + 1))[0], number
        values = np.asarray(what)
        return (_encoded(values, model, encoder) if values.ndim > 1 else values), None

    def _number(self, uid: str, point: PointName) -> int:
        of_run = np.flatnonzero(self._files.run == self._files.codes.get(uid, -1))
        rows = self._files.rows(of_run)
        chosen = (rows["seq_num"] == point.seq_num) & (rows["bin"] == point.bin)
        one = self._of_one_stream(rows["stream"][chosen], point._replace(run=uid))
        return int(of_run[chosen][one][0])

    def _of_one_stream(self, streams: NDArray[np.int16], named: PointName | MeasurementName) -> NDArray[np.bool_]:
        """Which rows are of the stream that is named, or of the only one there is."""
        there = {self._files.streams[code] for code in streams}
        if named.stream is not None:
            there &= {named.stream}
        if not there:
            what = "point" if isinstance(named, PointName) else "measurement"
            raise CatalogError(f"There is no {what} {named} in these results.")
        if len(there) > 1:
            raise CatalogError(
                f"Several streams of run {named.run} have a measurement {named.seq_num} ({', '.join(sorted(there))}): "
                "name the stream."
            )
        return np.asarray(streams == self._files.streams.index(there.pop()))

    def _as_table(self, rows: NDArray[Any]) -> pd.DataFrame:
        about = {
            "raw_uid": [self._files.uids[code] for code in rows["run"]],
            "stream": [self._files.streams[code] for code in rows["stream"]],
            **{name: rows[name].astype(np.int64) for name in NUMBERS},
        }
        return pd.DataFrame({**about, **{name: rows[name] for name in KEPT}})

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


def point_of(what: Any) -> PointName | None:
    """The point that is asked about: a row of points, or what names one; None for a vector or a map."""
    if isinstance(what, pd.Series | dict):
        stream = what.get("stream")
        named = (str(what["raw_uid"]), int(what["seq_num"]), int(what["bin"]))
        return PointName(*named, None if stream is None else str(stream))
    if isinstance(what, str):
        try:
            return PointName.parse(what)
        except ValueError as error:
            raise CatalogError(f"{error}.") from error
    if isinstance(what, PointName) or (isinstance(what, tuple) and isinstance(what[0], str)):
        return PointName(*what)
    return None


def _measurement_of(what: Any) -> MeasurementName:
    """The measurement that is asked about: a row that has it, or what names one."""
    if isinstance(what, pd.Series | dict):
        stream = what.get("stream")
        return MeasurementName(str(what["raw_uid"]), int(what["seq_num"]), None if stream is None else str(stream))
    if isinstance(what, str):
        try:
            return MeasurementName.parse(what)
        except ValueError as error:
            raise CatalogError(f"{error}.") from error
    if isinstance(what, PointName):
        return MeasurementName(what.run, what.seq_num, what.stream)
    if isinstance(what, tuple) and 2 <= len(what) <= 3:
        return MeasurementName(*what)
    raise CatalogError("By measurement, give a measurement: its name as RUN/SEQ_NUM, or a row of a table with it.")


def encoder_of(model: Container, encoder: Encoder | None = None) -> Encoder:
    """The encoder that results are of: the one that is given, or the shipped one of their model's name.

    Raises
    ------
    CatalogError
        Its weights are others.
    """
    if encoder is None:
        from ainerd_agent.latent import Encoder

        encoder = Encoder.named(model.metadata["model"])
    if encoder.weights_sha256 != model.metadata["weights_sha256"]:
        raise CatalogError(
            f"These results are by other weights ({model.metadata['weights_sha256'][:12]}...) than the model "
            f"{encoder.name} ({encoder.weights_sha256[:12]}...), whose latents mean something else: give the encoder "
            "of their model, or name its file (model in the settings, or AINERD_MODEL)."
        )
    return encoder


def _encoded(values: NDArray[Any], model: Container, encoder: Encoder | None) -> Latents:
    latent: Latents = encoder_of(model, encoder).encode(values)[0]
    return latent
