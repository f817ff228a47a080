"""`ainerd train`: make a latent model from simulated maps, and real ones where there are any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from ainerd_agent.errors import MapError

if TYPE_CHECKING:
    from ainerd_agent.latent.autoencoder import PaperAutoencoder

HELD_OUT = 0.2
COARSE_SIDE = 50
"""A fifth of the simulated maps are made this small, so that the noise of enlarged maps is known too."""


def train(
    out: Annotated[Path, typer.Argument(help="The model's file, for example my-model.safetensors.")],
    name: Annotated[
        str | None, typer.Option(help="Key of the model's results in the catalog; by default the name of the file.")
    ] = None,
    simulated: Annotated[int, typer.Option(min=50, help="Simulated maps to train on.")] = 7000,
    real: Annotated[Path | None, typer.Option(help="npz with real maps: c2, and series to split by.")] = None,
    baseline: Annotated[float, typer.Option(help="Value of uncorrelated times in the real maps.")] = 1.0,
    max_real: Annotated[int, typer.Option(min=1, help="Most real maps to train on.")] = 3000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over all maps.")] = 12,
    clusters: Annotated[int, typer.Option(min=2, max=12, help="Clusters of the latent space.")] = 6,
    seed: Annotated[int, typer.Option(help="Of the maps, the split and the weights.")] = 0,
) -> None:
    """Train the paper's autoencoder and cluster its latent space.

    The file is rewritten after every epoch, so that a run that is stopped leaves a usable model. A metrics file
    (.json) is written beside it.
    """
    from ainerd_agent.latent.training import Epoch
    from ainerd_agent.latent.training import train as fit

    console = Console(stderr=True)
    n_validation = max(50, simulated // 10)
    console.print(f"simulating {simulated} maps to train on, and {n_validation} to validate on")
    maps, truth = _simulated(simulated, seed)
    held_maps, held_truth = _simulated(n_validation, seed + 1)
    training, targets = maps, truth
    validation = (held_maps, held_truth)
    if real is not None:
        chosen, held = _real(real, baseline, max_real, seed)
        console.print(f"{len(chosen)} real maps to train on, {len(held)} of other experiments to validate on")
        training, targets = np.concatenate([maps, chosen]), np.concatenate([truth, chosen])
        validation = (np.concatenate([held_maps, held]), np.concatenate([held_truth, held]))

    history: list[dict[str, float]] = []

    def keep(epoch: Epoch, network: PaperAutoencoder) -> None:
        console.print(
            f"epoch {epoch.number}/{epochs}: error {epoch.training_error:.4f}, on unseen maps "
            f"{epoch.validation_error:.4f}, {epoch.maps_per_second:.0f} maps/s"
        )
        history.append(
            {
                "epoch": epoch.number,
                "training_error": epoch.training_error,
                "validation_error": epoch.validation_error,
                "maps_per_second": epoch.maps_per_second,
            }
        )
        _save(network, validation, name=name or out.stem, n_clusters=clusters, seed=seed, out=out)
        metrics = {"n_maps": len(training), "n_real": len(training) - len(maps), "seed": seed, "epochs": history}
        out.with_suffix(".json").write_text(json.dumps(metrics, indent=1))

    fit(training, targets, validation, epochs=epochs, seed=seed, on_epoch=keep)
    console.print(f"wrote {out}")


def _simulated(count: int, seed: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    from ainerd_agent.instrument.training_maps import simulate_maps
    from ainerd_agent.latent.scaling import SIDE, resize

    fine = simulate_maps(count - count // 5, 2 * seed)
    coarse = simulate_maps(count // 5, 2 * seed + 1, size=COARSE_SIDE)
    enlarged = np.concatenate([resize(part.astype(np.float32), SIDE) for part in np.array_split(coarse.truth, 50)])
    return (
        np.concatenate([_scaled(fine.c2, 0.0), _scaled(coarse.c2, 0.0)]),
        np.concatenate([fine.truth, enlarged.astype(np.float16)]),
    )


def _real(path: Path, baseline: float, most: int, seed: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Real maps to train on and to validate on, from different experiments."""
    from ainerd_agent.scattering.stored_maps import read_maps

    stored = read_maps(path)
    if "series" not in stored.columns:
        raise MapError(f"{path} has no column 'series' that tells which maps belong to one experiment")
    stored = stored.select(stored.finite)
    rng = np.random.default_rng(seed)
    series = stored.columns["series"]
    names = rng.permutation(np.unique(series))
    held_out = np.isin(series, names[: int(HELD_OUT * len(names))])
    chosen = rng.permutation(np.flatnonzero(~held_out))[:most]
    held = rng.permutation(np.flatnonzero(held_out))[: max(1, most // 10)]
    return _scaled(stored.maps[chosen], baseline), _scaled(stored.maps[held], baseline)


def _scaled(maps: NDArray[np.float16], baseline: float) -> NDArray[np.float16]:
    from ainerd_agent.latent.scaling import scale

    parts = np.array_split(maps, max(1, len(maps) // 200))
    return np.concatenate([scale(part, baseline=baseline).maps.astype(np.float16) for part in parts])


def _save(
    network: PaperAutoencoder,
    validation: tuple[NDArray[np.float16], NDArray[np.float16]],
    *,
    name: str,
    n_clusters: int,
    seed: int,
    out: Path,
) -> None:
    """Cluster the latents of unseen maps and write the model."""
    import copy

    from ainerd_agent.latent.clusters import Clusters
    from ainerd_agent.latent.encoder import Encoder

    still = copy.deepcopy(network).to("cpu")
    bare = Encoder(still, Clusters(np.zeros((1, still.to_latent.out_features), np.float32)), name=name, repeatability=1)
    noisy = bare.encode_scaled(validation[0].astype(np.float32))
    clean = bare.encode_scaled(validation[1].astype(np.float32))
    slowness = validation[1].astype(np.float32).mean(axis=(1, 2)).astype(np.float64)
    found = Clusters.fit(noisy, slowness, n_clusters, seed=seed)
    # Two measurements differ by the noise of both.
    repeatability = float(np.sqrt(2) * np.median(np.linalg.norm(noisy - clean, axis=1)))
    Encoder(still, found, name=name, repeatability=repeatability).save(out)
