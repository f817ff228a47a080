"""Trained latent models: maps to latents and back, clusters included."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent.ages_autoencoder import AgesAutoencoder
from ainerd_agent.latent.clusters import Clusters, Latents
from ainerd_agent.latent.encoding import Encoding, block_means
from ainerd_agent.latent.familiarity import Familiarity
from ainerd_agent.latent.faults import find_faults, noise_of_blocks
from ainerd_agent.latent.kinds import KindModel
from ainerd_agent.latent.lag_autoencoder import LagAutoencoder
from ainerd_agent.latent.map_noise import N_NOISES, noise_of
from ainerd_agent.latent.model_file import (
    FORMATS,
    SHIPPED,
    compare_with_card,
    configuration_of,
    model_file,
    part_of,
)
from ainerd_agent.latent.paper_autoencoder import PaperAutoencoder
from ainerd_agent.latent.repeats import Noise, RepeatModel
from ainerd_agent.latent.scaling import CLIP, SIDE, ScaledMaps, resize, scale
from ainerd_agent.latent.short_lags import N_SHORT
from ainerd_agent.records import MapStack

Network = PaperAutoencoder | LagAutoencoder | AgesAutoencoder

ARCHITECTURES: Mapping[str, type[Network]] = {
    "paper": PaperAutoencoder,
    "lag": LagAutoencoder,
    "ages": AgesAutoencoder,
}
MAPS_AT_A_TIME = 32
"""In one call of the network."""


class Encoder:
    """A trained autoencoder with its clusters.

    Parameters
    ----------
    network : PaperAutoencoder, LagAutoencoder or AgesAutoencoder
        To be trained further, copy it.
    clusters : Clusters
    name : str
        Key of the model's results in the catalog.
    repeatability : float
        Typical distance between latents of two maps of the same dynamics.
    familiarity : Familiarity, optional
        Limits beyond which maps are unlike those of the training.
    repeats : RepeatModel, optional
        How far apart repeats fall at any place and noise.
    kinds : KindModel, optional
        Reads the kind of dynamics.
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
        network: Network,
        clusters: Clusters,
        *,
        name: str,
        repeatability: float,
        familiarity: Familiarity | None = None,
        repeats: RepeatModel | None = None,
        kinds: KindModel | None = None,
        weights_sha256: str = "",
    ) -> None:
        self.network = network.eval()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.clusters = clusters
        self.name = name
        self.repeatability = repeatability
        self.familiarity = familiarity
        self.repeats = repeats
        self.kinds = kinds
        self.weights_sha256 = weights_sha256

    @property
    def architecture(self) -> str:
        """Which of `ARCHITECTURES` it is."""
        return next(name for name, kind in ARCHITECTURES.items() if isinstance(self.network, kind))

    @classmethod
    def load(cls, path: Path | str | None = None) -> Encoder:
        """Load a model from a safetensors file, or one that is shipped, by its name.

        Raises
        ------
        ModelError
            A file that is missing, damaged, of another format or architecture, or not the one that its card (the
            .json beside it) tells of.
        """
        source = model_file(path)
        try:
            with safe_open(source, framework="pt") as file:
                about = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
            sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
        except FileNotFoundError as error:
            raise ModelError(
                f"there is no model at {source}: give a .safetensors file, or the name of a shipped model "
                f"({', '.join(SHIPPED)})"
            ) from error
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{source} is not a readable safetensors file: {error}") from error
        if about.get("format") not in FORMATS:
            raise ModelError(
                f"{source} is not a latent model of format {' or '.join(FORMATS)} (it says {about.get('format')!r})"
            )
        if (kind := ARCHITECTURES.get(about.get("architecture", "paper"))) is None:
            raise ModelError(
                f"{source} has the architecture {about['architecture']!r}, which this version does not know (it knows "
                f"{', '.join(ARCHITECTURES)}): update ainerd-agent"
            )
        compare_with_card(source, sha256)
        try:
            centres = tensors.pop("clusters.centres").numpy()
            repeats = part_of(RepeatModel, "repeats", about, tensors)
            kinds = part_of(KindModel, "kinds", about, tensors)
            network = kind(**configuration_of(about, centres.shape[1]))
            network.load_state_dict(tensors)
            return cls(
                network,
                Clusters(centres, float(about.get("softness", "nan"))),
                name=about["name"],
                repeatability=float(about["repeatability"]),
                familiarity=Familiarity.read(json.loads(about.get("familiarity", "null"))),
                repeats=repeats,
                kinds=kinds,
                weights_sha256=sha256,
            )
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{source} does not hold what it should: {error}") from error

    @classmethod
    def named(cls, name: str, file: Path | None = None) -> Encoder:
        """Load the model that some results are of: from a file, where it is that of this name, or the shipped one.

        Parameters
        ----------
        name : str
        file : Path, optional
            Such as the one that the settings name.

        Raises
        ------
        ModelError
            Neither is of this name, or the file cannot be read.
        """
        if file is not None and (given := cls.load(file)).name == name:
            return given
        if name in SHIPPED:
            return cls.load(name)
        instead = "" if file is None else f"; {file} is the model {given.name}"
        raise ModelError(
            f"the results are of the model {name}, which does not come with ainerd-agent{instead}: give its "
            "encoder, or name its file (model in the settings, or AINERD_MODEL)"
        )

    def save(self, path: Path) -> None:
        """Write the model to a safetensors file."""
        tensors = {key: value.contiguous() for key, value in self.network.state_dict().items()}
        tensors["clusters.centres"] = torch.from_numpy(self.clusters.centres)
        about = {
            "format": FORMATS[-1],
            "architecture": self.architecture,
            "configuration": json.dumps(self.network.configuration),
            "name": self.name,
            "repeatability": repr(self.repeatability),
            "familiarity": json.dumps(None if self.familiarity is None else asdict(self.familiarity)),
            "softness": repr(self.clusters.softness),
        }
        for part, model in (("repeats", self.repeats), ("kinds", self.kinds)):
            if model is not None:
                about[part] = json.dumps(model.configuration)
                tensors |= {f"{part}.{key}": value.contiguous() for key, value in model.state_dict().items()}
        unfinished = path.with_name(f"{path.name}.unfinished")
        unfinished.write_bytes(save(tensors, metadata=about))  # save_file would let nobody else read it
        unfinished.rename(path)

    def scale(
        self,
        maps: ArrayLike,
        *,
        baseline: float = 0.0,
        contrast: ArrayLike | None = None,
        size: int | None = SIDE,
    ) -> ScaledMaps:
        """Scale C2 maps as this model wants them; parameters as for `encode`, and a `size` of None to keep their own.

        One of the paper's architecture has learnt on maps that were scaled by what each of them told of its contrast.
        """
        if isinstance(self.network, PaperAutoencoder):
            return scale(maps, baseline=baseline, size=size)
        return scale(maps, baseline=baseline, contrast=contrast, clip=False, size=size)

    def encode(
        self,
        maps: ArrayLike,
        *,
        baseline: float = 0.0,
        contrast: ArrayLike | None = None,
        short_lags: ArrayLike | None = None,
    ) -> Latents:
        """Latent vectors of C2 maps.

        Parameters
        ----------
        maps : array_like, shape (n, size, size) or (size, size)
            Square, of any size from 8.
        baseline : float
            Value of uncorrelated times: 0 for this package's C2, 1 for maps normalised like g2.
        contrast : float or array_like of shape (n,), optional
            Of the speckles, where it is known: 1 for maps that were normalised by it. Give it where you can: it tells
            dynamics that decorrelate within a step from faint speckles. Estimated where it is not given, or NaN.
        short_lags : array_like, shape (n, 8), optional
            Correlation at lags below a pixel of the map, from its age-lag map
            (`ainerd_agent.latent.short_lags.short_lags`). Only the architecture "ages" sees them.

        Returns
        -------
        ndarray of float32, shape (n, 64)

        Raises
        ------
        MapError
            Maps that are not square, too small, or not finite; short lags of another number of maps.
        """
        return self.encode_scaled(self.scale(maps, baseline=baseline, contrast=contrast).maps, short_lags)

    def measure(
        self,
        maps: ArrayLike,
        *,
        baseline: float = 0.0,
        contrast: ArrayLike | None = None,
        short_lags: ArrayLike | None = None,
    ) -> Encoding:
        """Latents, how well they reconstruct the maps, and what is wrong with these; parameters as for `encode`."""
        scaled = self.scale(maps, baseline=baseline, contrast=contrast)
        found = self.measure_scaled(scaled.maps, short_lags)
        return replace(found, faults=tuple(find_faults(scaled.own)), side=scaled.own.shape[-1])

    def measure_scaled(self, scaled: MapStack, short_lags: ArrayLike | None = None) -> Encoding:
        """As `measure`, of maps that are scaled already, without their faults."""
        latents = self.encode_scaled(scaled, short_lags)
        error, misfit, of_blocks = [], [], []
        for part in _parts(len(scaled)):
            measured = scaled[part].clip(*CLIP)
            difference = self._draw(latents[part], scaled[part]) - measured
            error.append(np.mean(difference**2, axis=(1, 2), dtype=np.float64))
            misfit.append(np.mean(block_means(difference) ** 2, axis=(1, 2), dtype=np.float64))
            of_blocks.append(noise_of_blocks(block_means(measured)))
        if self.repeats is None and self.kinds is None:
            noise = np.full((len(scaled), N_NOISES), np.nan, dtype=np.float32)
        else:
            noise = self.told_noise(scaled)
        return Encoding(
            latents,
            reconstruction_error=np.concatenate(error),
            misfit=np.concatenate(misfit),
            noise=noise,
            block_noise=np.concatenate(of_blocks),
        )

    def told_noise(self, scaled: MapStack) -> Noise:
        """Noise of maps that are scaled already, as `Encoding.noise`."""
        return np.concatenate([noise_of(scaled[part]) for part in _parts(len(scaled))])

    def decode(self, latents: ArrayLike) -> MapStack:
        """Scaled maps (baseline 0, contrast 1) of latent vectors, (n, 64) to (n, 256, 256)."""
        vectors = np.asarray(latents, dtype=np.float32)
        if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != self.clusters.centres.shape[1]:
            raise MapError(f"latents must have the shape (n, {self.clusters.centres.shape[1]}), got {vectors.shape}")
        return np.concatenate([self._decode(vectors[part]) for part in _parts(len(vectors))])

    def reconstruct(self, maps: ArrayLike, *, baseline: float = 0.0, contrast: ArrayLike | None = None) -> MapStack:
        """What the model keeps of C2 maps, in their own units and size, shape (n, size, size); as for `encode`.

        The architecture "ages" draws more than its latents tell; `decode(encode(maps))` is what those tell.
        """
        scaled = self.scale(maps, baseline=baseline, contrast=contrast)
        latents = self.encode_scaled(scaled.maps)
        drawn = np.concatenate([self._draw(latents[part], scaled.maps[part]) for part in _parts(len(latents))])
        return np.asarray(
            resize(drawn, np.shape(maps)[-1]) * scaled.contrast[:, None, None] + baseline, dtype=np.float32
        )

    @torch.inference_mode()
    def encode_scaled(self, scaled: MapStack, short_lags: ArrayLike | None = None) -> Latents:
        """Latents of maps that are scaled already (baseline 0, contrast 1), (n, 256, 256) to (n, 64)."""
        latents, short = [], self._short(short_lags, len(scaled))
        for part in _parts(len(scaled)):
            maps = torch.from_numpy(scaled[part])[:, None].contiguous(memory_format=torch.channels_last)
            if isinstance(self.network, AgesAutoencoder):
                latents.append(self.network.encode(maps, None if short is None else short[part]))
            else:
                latents.append(self.network.encode(maps))
        return torch.cat(latents).numpy()

    @staticmethod
    def _short(short_lags: ArrayLike | None, n_maps: int) -> Tensor | None:
        if short_lags is None:
            return None
        values = np.asarray(short_lags, dtype=np.float32)
        if values.shape != (n_maps, N_SHORT):
            raise MapError(f"short lags of {n_maps} maps must have the shape ({n_maps}, {N_SHORT}), got {values.shape}")
        return torch.from_numpy(values)

    @torch.inference_mode()
    def _draw(self, latents: Latents, scaled: MapStack) -> MapStack:
        """What the model keeps of scaled maps: all that it can draw, which may be more than the latents tell."""
        if not isinstance(self.network, AgesAutoencoder):
            return self._decode(latents)
        return np.asarray(self.network.draw(torch.from_numpy(scaled)[:, None])[:, 0].numpy())

    @torch.inference_mode()
    def _decode(self, latents: Latents) -> MapStack:
        return np.asarray(self.network.decode(torch.from_numpy(latents))[:, 0].numpy())


def _parts(length: int) -> list[slice]:
    return [slice(start, start + MAPS_AT_A_TIME) for start in range(0, length, MAPS_AT_A_TIME)]
