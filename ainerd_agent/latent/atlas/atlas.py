"""The atlas: latents seen so far with their neighbours, and how new a latent is against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import MapError
from ainerd_agent.latent.atlas._npz import reading
from ainerd_agent.latent.atlas.local_scaling import nearest_locally
from ainerd_agent.latent.atlas.local_unit import LocalUnit, Newness
from ainerd_agent.latent.atlas.neighbours import NeighbourIndex
from ainerd_agent.latent.clusters import Latents, check_latents
from ainerd_agent.latent.map_noise import N_NOISES
from ainerd_agent.latent.repeats import Noise, RepeatModel
from ainerd_agent.records import FloatArray

ENOUGH = 100_000
"""Latents of measurements from which only new ones are stored: a long session must not fill the memory."""

KEPT_DISTANCES = 50_000
"""Latest distances between partners, of which the repeatability is made."""

COLUMN = "column."
"""Before the names of columns in a file, so that they cannot be mistaken for the latents."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest of stored latents.

    Attributes
    ----------
    index : ndarray, shape (m, k)
        Number in the atlas; also that of the row in `Atlas.table`.
    distance : ndarray, shape (m, k)
    """

    index: NDArray[np.int64]
    distance: FloatArray


class Atlas:
    """Latents of earlier measurements.

    Novelty is a distance, and distances have a scale: how far apart repeats of the same dynamics fall. Every
    measurement brings repeats of its own. Without a heterodyne reference the bins at azimuth phi and phi + 180 degrees
    see the same dynamics (Friedel), so the distance between such partners is noise.

    Parameters
    ----------
    repeatability : float
        Distance between repeats that is assumed until partners were seen; the model's own figure.
    enough : int
        So many latents are stored whatever they are. Of further measurements, `judge` stores what has a novelty of 1 at
        least: a repeat of something stored makes the next repeat no less new.
    repeats : RepeatModel, optional
        Of the latent model: novelty is then in units of what repeats have at that place and noise. Without it, the unit
        is one for all.
    """

    def __init__(self, repeatability: float, enough: int = ENOUGH, *, repeats: RepeatModel | None = None) -> None:
        self._assumed = repeatability
        self._enough = enough
        self._unit = None if repeats is None else LocalUnit(repeats)
        self._noise: list[Noise] = []
        self._index: NeighbourIndex | None = None
        self._table: dict[str, list[NDArray[Any]]] = {}
        self._partner_distances: list[FloatArray] = []

    def __len__(self) -> int:
        return 0 if self._index is None else len(self._index)

    @property
    def table(self) -> dict[str, NDArray[Any]]:
        """What is known of each latent: columns of one value for each, in the order they came."""
        for name, parts in self._table.items():
            self._table[name] = [np.concatenate(parts)]
        return {name: parts[0] for name, parts in self._table.items()}

    @property
    def repeatability(self) -> float:
        """Median distance between the latents of partners, or what was assumed where there were none."""
        if not self._partner_distances:
            return self._assumed
        return float(np.median(np.concatenate(self._partner_distances)))

    def add(
        self,
        latents: Latents,
        azimuth: FloatArray,
        q: FloatArray | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> FloatArray:
        """Novelty alone, as from `judge` for maps whose noise is not known, shape (n_bins,)."""
        return self.judge(latents, azimuth, q, columns).novelty

    def judge(
        self,
        latents: Latents,
        azimuth: FloatArray,
        q: FloatArray | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
        *,
        noise: Noise | None = None,
        joins: bool = True,
    ) -> Newness:
        """How new one measurement's latents are against the atlas, which they then join.

        Parameters
        ----------
        latents : ndarray, shape (n_bins, 64)
        azimuth : ndarray, shape (n_bins,)
            Degrees; NaN where it is not known.
        q : ndarray, shape (n_bins,), optional
            Where there are several rings: partners lie on the same one.
        columns : mapping, optional
            As for `append`.
        noise : ndarray, shape (n_bins, noises), optional
            Of the maps (`ainerd_agent.latent.map_noise`), for a model of repeats; without it, it is taken to be as
            usual, and there are no probabilities.
        joins : bool
            False leaves the atlas as it is, and what repeats have by their partners too: for maps of exposures that
            ended early, whose distances are those of fewer counts.
        """
        vectors, known = self._checked(latents, columns)  # before the partners: what is refused leaves no trace
        noises = _known_noise(noise, len(vectors))
        if joins and (pairs := friedel_pairs(azimuth, q)).size:
            self._meet(vectors, noises, pairs)
        found = self._newness(vectors, noises)
        if not joins:
            return found
        if len(self) >= self._enough:
            new = ~(found.novelty < 1)
            vectors, noises = vectors[new], noises[new]
            known = {name: values[new] for name, values in known.items()}
        if len(vectors):
            self._store(vectors, known, noises)
        return found

    def _meet(self, vectors: Latents, noise: Noise, pairs: NDArray[np.int64]) -> None:
        if self._unit is not None:
            self._unit.meet(vectors, noise, pairs)
        apart = vectors[pairs[:, 0]] - vectors[pairs[:, 1]]
        self._partner_distances.append(np.linalg.norm(apart, axis=1).astype(np.float64))
        if len(self._partner_distances) > KEPT_DISTANCES // 10:
            self._partner_distances = [np.concatenate(self._partner_distances)[-KEPT_DISTANCES:]]

    def _newness(self, vectors: Latents, noise: Noise) -> Newness:
        if self._index is None:
            return Newness.unknown(len(vectors), probabilities=self._unit is not None)
        number, distance = (found[:, 0] for found in self._index.nearest(vectors, 1))
        if self._unit is None:
            return Newness(distance / self.repeatability)
        self._noise = [np.concatenate(self._noise)]
        return self._unit.newness(vectors, noise, self._index.latents[number], self._noise[0][number])

    def append(self, latents: ArrayLike, columns: Mapping[str, ArrayLike] | None = None) -> None:
        """Store latents (n, 64) without asking how new they are.

        Parameters
        ----------
        columns : mapping of name to array_like of shape (n,), optional
            What is known of each, to filter by; the same names each time.
        """
        vectors, known = self._checked(latents, columns)
        self._store(vectors, known, _known_noise(None, len(vectors)))

    def nearest(
        self,
        latents: ArrayLike,
        k: int = 20,
        *,
        where: Mapping[str, object] | None = None,
        among: ArrayLike | None = None,
        local: int | None = None,
    ) -> Neighbours:
        """The k nearest stored latents, exactly, by euclidean distance or by a local one.

        Parameters
        ----------
        latents : array_like, shape (m, 64) or (64,)
            Of a map: `encoder.encode(map)`.
        where : mapping, optional
            Only among latents with these values in their columns.
        among : array_like, optional
            Only among these: a boolean of shape (n,) for each stored latent, or numbers of some.
        local : int, optional
            Take distances in units of that from each stored latent to its own neighbour of this number, 10 for
            instance, among all that are stored: a latent amid many, which is near to everything, no longer is the
            neighbour of most. The 200 nearest by euclidean distance, and at least 10 k, are compared.

        Raises
        ------
        MapError
            An empty atlas, fewer latents than k, latents that do not fit, or a column or number that is not there.
        """
        if self._index is None:
            raise MapError("the atlas is empty: analyse or load maps first")
        vectors, chosen = np.atleast_2d(np.asarray(latents)), self._among(where, among)
        if local is None:
            return Neighbours(*self._index.nearest(vectors, k, among=chosen))
        return Neighbours(*nearest_locally(self._index, vectors, k, local, among=chosen))

    def nearest_to(
        self,
        number: int,
        k: int = 20,
        *,
        where: Mapping[str, object] | None = None,
        among: ArrayLike | None = None,
        local: int | None = None,
    ) -> Neighbours:
        """The k nearest of a stored latent, itself left out; otherwise as `nearest`."""
        if not 0 <= number < len(self) or self._index is None:
            raise MapError(f"the atlas holds no latent {number}: it has {len(self)}, counted from 0")
        chosen = self._among(where, among)
        others = np.ones(len(self), dtype=np.bool_) if chosen is None else chosen
        others[number] = False
        own = self._index.latents[number][None]
        if local is None:
            return Neighbours(*self._index.nearest(own, k, among=others))
        return Neighbours(*nearest_locally(self._index, own, k, local, among=others))

    def save(self, path: Path) -> None:
        """Write latents and columns to an npz file, without pickle."""
        if self._index is None:
            raise MapError("the atlas is empty: there is nothing to save")
        columns = {COLUMN + name: values for name, values in self.table.items()}
        apart = np.concatenate([np.empty(0), *self._partner_distances])
        with path.open("wb") as file:  # numpy would append .npz to a name
            np.savez(
                file,
                allow_pickle=False,
                latents=self._index.latents,
                assumed=np.float64(self._assumed),
                partner_distances=apart,
                noise=np.concatenate(self._noise),
                partners=np.empty(0) if self._unit is None else self._unit.partners,
                **columns,
            )

    @classmethod
    def load(cls, path: Path, *, repeats: RepeatModel | None = None) -> Atlas:
        """Read what `save` wrote.

        Parameters
        ----------
        path : Path
        repeats : RepeatModel, optional
            Of the latent model; the file does not hold it. Files of version 0.1 know nothing of the noise of maps.

        Raises
        ------
        ModelError
            A file that is missing, damaged, or no atlas.
        """
        with reading(path, "atlas") as file:
            atlas = cls(float(file["assumed"]), repeats=repeats)
            names = [name for name in file.files if name.startswith(COLUMN)]
            atlas.append(file["latents"], {name.removeprefix(COLUMN): file[name] for name in names})
            if "noise" in file:
                atlas._noise = [_known_noise(file["noise"], len(atlas))]
            if atlas._unit is not None and "partners" in file:
                atlas._unit.partners = file["partners"]
            if len(apart := file["partner_distances"]):
                atlas._partner_distances = [apart]
        return atlas

    def _checked(
        self, latents: ArrayLike, columns: Mapping[str, ArrayLike] | None
    ) -> tuple[Latents, dict[str, NDArray[Any]]]:
        """Latents and columns that can be stored."""
        vectors = check_latents(latents, None if self._index is None else self._index.latents.shape[1])
        new = {name: np.asarray(values) for name, values in (columns or {}).items()}
        if len(self) and new.keys() != self._table.keys():
            raise MapError(f"the atlas has the columns {sorted(self._table)}, the new latents {sorted(new)}")
        for name, values in new.items():
            if values.shape != (len(vectors),) or values.dtype.hasobject:
                raise MapError(f"column {name!r} must hold a number or a text for each of {len(vectors)} latents")
        return vectors, new

    def _store(self, vectors: Latents, columns: dict[str, NDArray[Any]], noise: Noise) -> None:
        self._noise.append(noise)
        if self._index is None:
            self._index = NeighbourIndex(vectors)
        else:
            self._index.append(vectors)
        for name, values in columns.items():
            self._table.setdefault(name, []).append(values)

    def _among(self, where: Mapping[str, object] | None, among: ArrayLike | None) -> NDArray[np.bool_] | None:
        conditions = [] if among is None else [self._mask(among)]
        if where:
            table = self.table
            if unknown := sorted(where.keys() - table.keys()):
                has = ", ".join(sorted(table)) or "none"
                raise MapError(f"the atlas has no column {', '.join(unknown)}; it has {has}")
            conditions += [table[name] == value for name, value in where.items()]
        return np.logical_and.reduce(conditions) if conditions else None

    def _mask(self, among: ArrayLike) -> NDArray[np.bool_]:
        """A boolean for each stored latent, of its own, from one or from numbers."""
        given = np.asarray(among)
        if given.dtype == np.bool_ and given.shape == (len(self),):
            return given
        numbers = given.ndim == 1 and (given.dtype.kind in "iu" or not given.size)
        if not numbers or (given.size and not 0 <= given.min() <= given.max() < len(self)):
            raise MapError(f"latents are chosen by {len(self)} booleans or by numbers from 0 to {len(self) - 1}")
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[given.astype(np.int64)] = True
        return mask


def _known_noise(noise: ArrayLike | None, n_latents: int) -> Noise:
    """Of each latent; NaN where it is not given."""
    if noise is None:
        return np.full((n_latents, N_NOISES), np.nan, dtype=np.float32)
    found = np.asarray(noise, dtype=np.float32)
    if found.ndim != 2 or len(found) != n_latents:
        raise MapError(f"the noise of {n_latents} latents must have the shape ({n_latents}, n), got {found.shape}")
    return found


def friedel_pairs(azimuth: FloatArray, q: FloatArray | None = None) -> NDArray[np.int64]:
    """Indices of bins that lie opposite to each other (within a degree), at the same q (within 2 %); (n_pairs, 2)."""
    azimuth = np.asarray(azimuth, dtype=np.float64)
    apart = np.abs((azimuth[None, :] - azimuth[:, None]) % 360 - 180)  # NaN is never below a degree
    partners = apart < 1
    if q is not None:
        known = np.where(np.isfinite(q), q, 0.0)
        partners &= np.abs(known[None, :] - known[:, None]) <= 0.02 * np.maximum(known[None, :], known[:, None])
    return np.argwhere(np.triu(partners))
