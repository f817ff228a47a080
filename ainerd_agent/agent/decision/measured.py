"""What an agent has seen: one vector of latents for each measurement, with its place and time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.agent.decision.surrogate import Surrogate
from ainerd_agent.agent.limits import Limits
from ainerd_agent.records import Analysis, FloatArray


class Measured:
    """Measurements, in the order in which they were added.

    Parameters
    ----------
    limits : Limits
        Which say how positions are compared.

    Attributes
    ----------
    inputs : list of str
        Which measurements, by `Origin.name`.
    extent : float
        Length of the sample, in the unit of the coordinates.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.extent = limits.extent
        self._places: list[FloatArray] = []
        self._vectors: list[FloatArray] = []
        self._noise: list[float] = []
        self._n_latents = 1
        self.inputs: list[str] = []

    def __len__(self) -> int:
        return len(self._places)

    @property
    def latest(self) -> float:
        """When the last measurement was, in seconds."""
        return float(max(place[-1] for place in self._places))

    def add(self, position: Mapping[str, float], analysis: Analysis) -> float:
        """Add a measurement at a position; gives its distance from the nearest one before, NaN for the first.

        Raises
        ------
        ValueError
            It has other bins than those before it.
        """
        latents = analysis.latents.astype(np.float64)
        origin = analysis.origin
        # Over the root of the bins, so that a distance between measurements is a typical distance between maps.
        vector = latents.ravel() / np.sqrt(len(latents))
        if self._vectors and len(vector) != len(self._vectors[0]):
            raise ValueError(
                f"measurement {origin.raw_uid}/{origin.seq_num} has {len(latents)} bins, those "
                "before it have others: one agent learns from measurements of the same bins"
            )
        nearest = min((float(np.linalg.norm(vector - seen)) for seen in self._vectors), default=float("nan"))
        self._places.append(self._place(position, origin.start))
        self._vectors.append(vector)
        self._n_latents = latents.shape[1]
        half = len(latents) // 2
        if half and len(latents) % 2 == 0:
            # Friedel pairs see the same dynamics: half of their squared distance is noise.
            self._noise.append(float(np.median(np.square(latents[:half] - latents[half:]).sum(axis=1)) / 2))
        self.inputs.append(origin.name)
        return nearest

    def imagine(self, position: Mapping[str, float], when: float) -> None:
        """Add what is predicted at a position and a time (s), as if it had been measured; `forget` takes it away."""
        place = self._place(position, when)
        self._vectors.append(self.surrogate().imagine(place))
        self._places.append(place)

    def forget(self, known: int) -> None:
        """Take away all but the first `known`."""
        del self._places[known:], self._vectors[known:]

    def surrogate(self) -> Surrogate:
        """What was learnt from all of them."""
        noise = float(np.median(self._noise)) if self._noise else np.inf
        surrogate = Surrogate(self.extent, self._n_latents, self._limits.groups)
        return surrogate.fit(np.array(self._places), np.array(self._vectors), noise=noise)

    def maps_of(self, vector: FloatArray) -> NDArray[np.float32]:
        """Latents per bin, as the encoder gives them, of a measurement's vector."""
        latents = vector.reshape(-1, self._n_latents)
        return np.asarray(latents * np.sqrt(len(latents)), dtype=np.float32)

    def _place(self, position: Mapping[str, float], when: float) -> FloatArray:
        """Coordinates and time, shape (n_coordinates + 1,)."""
        return np.append(self._limits.coordinates(self._limits.space.array(position)[None])[0], when)
