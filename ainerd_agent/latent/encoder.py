"""The shipped latent model: maps to latents and back, clusters included."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent.autoencoder import PaperAutoencoder
from ainerd_agent.latent.clusters import Clusters, Latents
from ainerd_agent.latent.scaling import ScaledMaps, resize, scale
from ainerd_agent.records import FloatArray, MapStack

SHIPPED = "paper-v1"
FORMAT = "1"
BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Maps in the latent space.

    Attributes
    ----------
    latents : ndarray of float32, shape (n, 64)
    reconstruction_error : ndarray, shape (n,)
        Mean squared difference between the scaled map and its reconstruction.
    """

    latents: Latents
    reconstruction_error: FloatArray


class Encoder:
    """A trained autoencoder with its clusters.

    Parameters
    ----------
    network : PaperAutoencoder
    clusters : Clusters
    name : str
        Key of the model's results in the catalog.
    repeatability : float
        Typical distance between latents of two maps of the same dynamics.
    weights_sha256 : str
        Of the file the weights came from; empty for a model that was not saved.

    Examples
    --------
    >>> encoder = Encoder.load()
    >>> latents = encoder.encode(maps)            # (n, 64)          # doctest: +SKIP
    >>> smooth = encoder.reconstruct(maps)        # as maps          # doctest: +SKIP
    """

    def __init__(
        self,
        network: PaperAutoencoder,
        clusters: Clusters,
        *,
        name: str,
        repeatability: float,
        weights_sha256: str = "",
    ) -> None:
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.clusters = clusters
        self.name = name
        self.repeatability = repeatability
        self.weights_sha256 = weights_sha256

    @classmethod
    def load(cls, path: Path | str | None = None) -> Encoder:
        """Load a model from a safetensors file, or the shipped one.

        Raises
        ------
        ModelError
            A file that is missing, damaged, or of another format.
        """
        source = (
            Path(str(files("ainerd_agent.latent") / "weights" / f"{SHIPPED}.safetensors"))
            if path is None
            else Path(path)
        )
        try:
            with safe_open(source, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        except FileNotFoundError as error:
            raise ModelError(f"there is no model at {source}") from error
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{source} is not a readable safetensors file: {error}") from error
        if about.get("format") != FORMAT:
            raise ModelError(f"{source} is not a latent model of format {FORMAT} (it says {about.get('format')!r})")
        try:
            centres = tensors.pop("clusters.centres").numpy()
            network = PaperAutoencoder(channels=tuple(json.loads(about["channels"])), latent=centres.shape[1])
            network.load_state_dict(tensors)
            return cls(
                network,
                Clusters(centres),
                name=about["name"],
                repeatability=float(about["repeatability"]),
                weights_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
            )
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{source} does not hold what it should: {error}") from error

    def save(self, path: Path) -> None:
        """Write the model to a safetensors file."""
        tensors = {key: value.contiguous() for key, value in self._network.state_dict().items()}
        tensors["clusters.centres"] = torch.from_numpy(self.clusters.centres)
        channels = [stage.out_channels for stage in self._network.encoder if isinstance(stage, torch.nn.Conv2d)][::2]
        about = {
            "format": FORMAT,
            "name": self.name,
            "channels": json.dumps(channels),
            "repeatability": repr(self.repeatability),
        }
        save_file(tensors, path, metadata=about)

    def encode(self, maps: ArrayLike, *, baseline: float = 0.0) -> Latents:
        """Latent vectors of C2 maps.

        Parameters
        ----------
        maps : array_like, shape (n, size, size) or (size, size)
            Square, of any size from 8.
        baseline : float
            Value of uncorrelated times: 0 for this package's C2, 1 for maps normalised like g2.

        Returns
        -------
        ndarray of float32, shape (n, 64)

        Raises
        ------
        MapError
            Maps that are not square, too small, or not finite.
        """
        return self.encode_scaled(scale(maps, baseline=baseline).maps)

    def measure(self, maps: ArrayLike, *, baseline: float = 0.0) -> Encoding:
        """Latents together with how well they reconstruct the maps; parameters as for `encode`."""
        scaled = scale(maps, baseline=baseline).maps
        latents = self.encode_scaled(scaled)
        error = np.concatenate(
            [
                np.mean((self._decode(latents[part]) - scaled[part]) ** 2, axis=(1, 2), dtype=np.float64)
                for part in _parts(len(scaled))
            ]
        )
        return Encoding(latents, error)

    def decode(self, latents: ArrayLike) -> MapStack:
        """Scaled maps (baseline 0, contrast 1) of latent vectors, (n, 64) to (n, 256, 256)."""
        vectors = np.asarray(latents, dtype=np.float32)
        if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != self.clusters.centres.shape[1]:
            raise MapError(f"latents must have the shape (n, {self.clusters.centres.shape[1]}), got {vectors.shape}")
        return np.concatenate([self._decode(vectors[part]) for part in _parts(len(vectors))])

    def reconstruct(self, maps: ArrayLike, *, baseline: float = 0.0) -> MapStack:
        """What the model keeps of C2 maps, in their own units and size, shape (n, size, size); as for `encode`."""
        scaled: ScaledMaps = scale(maps, baseline=baseline)
        decoded = resize(self.decode(self.encode_scaled(scaled.maps)), np.shape(maps)[-1])
        return np.asarray(decoded * scaled.contrast[:, None, None] + baseline, dtype=np.float32)

    @torch.inference_mode()
    def encode_scaled(self, scaled: MapStack) -> Latents:
        """Latents of maps that are scaled already (baseline 0, contrast 1), (n, 256, 256) to (n, 64)."""
        latents = [
            self._network.encode(torch.from_numpy(scaled[part])[:, None].contiguous(memory_format=torch.channels_last))
            for part in _parts(len(scaled))
        ]
        return torch.cat(latents).numpy()

    @torch.inference_mode()
    def _decode(self, latents: Latents) -> MapStack:
        return np.asarray(self._network.decode(torch.from_numpy(latents))[:, 0].numpy())


def _parts(length: int) -> list[slice]:
    return [slice(start, start + BATCH) for start in range(0, length, BATCH)]
