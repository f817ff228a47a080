"""What is kept of a map by 64 numbers: reconstructions of maps that no model was trained on.

    python benchmarks/reconstruction.py MAPS.npy [--quick] [--json FILE] [--markdown FILE]

MAPS: real maps of any size, such as the published target of the AI-NERD paper (256 x 256, in [0, 1]); errors are mean
squared differences in their own units. The same is measured on simulated maps, where the noise-free truth is known:
there, the error against the truth is what a denoised picture is worth. Beside the models: as many principal components
of simulated maps; and what no model of 64 numbers can do, the best map of the form decay(lag) x amplitude(t1) x
amplitude(t2), which takes 512 numbers of the map itself. The architecture "ages" draws maps on components of their
own, too.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from measuring import machine, n_processors
from numpy.typing import NDArray
from rich.console import Console
from sklearn.decomposition import PCA
from tables import Row, Table, write_figures

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.ages_autoencoder import COMPONENTS
from ainerd_agent.latent.model_file import SHIPPED
from ainerd_agent.latent.scaling import resize, scale
from ainerd_agent.scattering.files.map_files import read_maps
from ainerd_agent.scattering.simulation.maps import simulate_maps

LATENT = 64
SEEDS = (40_001, 40_002)
ROUNDS = 30

Array = NDArray[np.float64]


def components(scaled: NDArray[np.float32], known: NDArray[np.float16]) -> NDArray[np.float32]:
    """Scaled maps, as 64 principal components of known ones keep them."""
    flat = known.reshape(len(known), -1).astype(np.float32)
    model = PCA(LATENT, svd_solver="randomized", random_state=0).fit(flat)
    kept = model.inverse_transform(model.transform(scaled.reshape(len(scaled), -1)))
    return np.asarray(kept.reshape(scaled.shape), dtype=np.float32)


def separable(stack: NDArray[np.float32]) -> NDArray[np.float32]:
    """The nearest map baseline + decay(lag) x amplitude(t1) x amplitude(t2) of each, by alternating least squares."""
    size = stack.shape[1]
    lag = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    found = np.empty_like(stack)
    for number, each in enumerate(stack.astype(np.float64)):
        amplitude = np.ones(size)
        for _ in range(ROUNDS):
            outer = np.outer(amplitude, amplitude)
            decay = np.bincount(lag.ravel(), (outer * each).ravel()) / np.bincount(lag.ravel(), (outer**2).ravel())
            toeplitz = decay[lag]
            weighted = toeplitz * amplitude
            step = (weighted * each).sum(axis=1) / (weighted**2).sum(axis=1)
            amplitude = (amplitude + step) / 2
        found[number] = decay[lag] * np.outer(amplitude, amplitude)
    return found


def error(found: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """Mean squared difference."""
    return float(np.mean((found.astype(np.float64) - wanted) ** 2))


def main() -> None:
    """Measure, print the table, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", type=Path)
    parser.add_argument("--model", action="append", help="further models to compare: files")
    parser.add_argument("--quick", action="store_true", help="fewer simulated maps, under a minute")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()

    n_known, n_unseen = (200, 50) if options.quick else (2000, 400)
    known, unseen = simulate_maps(n_known, SEEDS[0]), simulate_maps(n_unseen, SEEDS[1])
    known_scaled = (known.truth).astype(np.float16)
    scaled = (unseen.c2 / unseen.contrast[:, None, None]).astype(np.float32)
    truth = unseen.truth.astype(np.float32)
    stored = read_maps(options.maps)
    stack, baseline = stored.maps.astype(np.float32), stored.baseline()
    target = scale(stack, baseline=baseline, clip=False)
    back = target.contrast[:, None, None]

    rows: dict[str, dict[str, float]] = {}
    for name in [*SHIPPED, *(options.model or [])]:
        encoder = Encoder.load(name)
        told = resize(encoder.decode(encoder.encode(stack, baseline=baseline)), stack.shape[1])
        decoded = encoder.decode(encoder.encode(unseen.c2, contrast=unseen.contrast))
        rows[f"{encoder.name}, 64 numbers"] = {
            "target": error(told * back + baseline, stack),
            "truth": error(decoded, truth),
        }
        if encoder.architecture == "ages":  # which draws more of a map than its latents tell
            drawn = encoder.reconstruct(unseen.c2, contrast=unseen.contrast) / unseen.contrast[:, None, None]
            rows[f"{encoder.name}, {COMPONENTS} components of the map"] = {
                "target": error(encoder.reconstruct(stack, baseline=baseline), stack),
                "truth": error(drawn, truth),
            }
    rows["principal components, 64 numbers"] = {
        "target": error(components(target.maps, known_scaled) * back + baseline, stack)
        if stack.shape[1] == target.maps.shape[1]
        else float("nan"),
        "truth": error(components(scaled, known_scaled), truth),
    }
    rows["decay x amplitudes, 512 numbers"] = {
        "target": error(separable(stack - baseline) + baseline, stack),
        "truth": error(separable(scaled), truth),
    }
    rows["the measured map itself"] = {"target": 0.0, "truth": error(scaled, truth)}

    table = Table(
        "Mean squared error",
        ["what is kept", f"{options.maps.name}, its own units", f"{n_unseen} simulated maps, against the truth"],
    )
    for name, row in rows.items():
        table.add(Row([name, f"{row['target']:.5f}", f"{row['truth']:.5f}"], strong=name.startswith(SHIPPED[-1])))
    table.show()
    where = machine(n_processors())
    line = ", ".join(f"{key} {value}" for key, value in where.items())
    Console().print(f"Measured on: {line}", highlight=False)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": where, "errors": rows}, indent=1))
    if options.markdown is not None:
        write_figures(options.markdown, [f"Measured on: {line}.", table.markdown()])


if __name__ == "__main__":
    main()
