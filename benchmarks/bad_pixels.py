"""Bad pixels that are planted into movies: how many are found, how many good ones are called bad, and what it costs.

    python benchmarks/bad_pixels.py [--quick] [--json FILE]

Movies are photons around speckle of known contrast, which stands still, moves, or is new in each frame; flat, below a
gaussian beam, or behind a beam stop with an arm. In each, 1 pixel of 50,000 to 1 of 100 is made bad:

- hot, by `strength`: photons (Poisson) of so many times the mean of the good pixels, and 0.5 a frame at least, are
  added;
- flickering, by `strength`: on in 5 % of the frames with so many times the mean, and 20 counts at least, else 0;
- dead: no counts;
- full: 2^8 - 1, 2^16 - 1, 2^24 - 1 or 2^32 - 1 in every frame.

Found is what the verdict lists, whatever it calls it. Bad pixels are planted three pixels or more away from a shadow:
one without counts beside a shadow is taken for a part of it. A dead pixel is counted only where speckle and photons
leave a good one without counts by less than one chance in 10^9. Speckle that stands still, or nearly, with contrast 1
is a table of its own: there a pixel of 20 times the mean is what speckle does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from movies import SMALL, bins
from numpy.typing import NDArray
from tables import Row, Table

from ainerd_agent.scattering import Normalisation, TwoTimeStream, two_time
from ainerd_agent.scattering.simulation.speckle import mode_weights

SHAPE = (120, 120)
LABELS = np.repeat([1, 2, 3, 4], 30)[:, None] * np.ones(SHAPE[1], dtype=np.int64)
Frames = NDArray[np.uint32]
KINDS = ("hot", "flickering", "dead", "full")
SHARES = (1 / 50_000, 1 / 5_000, 1 / 1_000, 1 / 100)
RATES = (0.01, 0.1, 1.0, 20.0)
DYNAMICS = {"still": np.inf, "slow": 0.5, "fast": 0.005}
STRENGTHS = (20.0, 100.0)
SIZE = 64


@dataclass(frozen=True, slots=True)
class Scene:
    """A movie without bad pixels: mean counts, contrast, relaxation time in movies, illumination."""

    rate: float
    contrast: float
    dynamics: str
    beam: str

    def frames(self, n_frames: int, seed: int) -> Frames:
        """Photons, shape (n_frames, H, W)."""
        random = np.random.default_rng([seed, *map(ord, f"{self}")])
        tau = DYNAMICS[self.dynamics] * n_frames
        keep = np.float32(np.exp(-1 / tau))
        weights = mode_weights(self.contrast)
        fields = random.standard_normal((len(weights), 2, *SHAPE), dtype=np.float32)
        frames = np.empty((n_frames, *SHAPE), dtype=np.uint32)
        lit = self.rate * illumination(self.beam)
        for t in range(n_frames):
            if t and keep < 1:
                fresh = random.standard_normal(fields.shape, dtype=np.float32)
                fields = keep * fields + np.sqrt(1 - keep**2) * fresh
            intensity = np.einsum("m,mkij->ij", weights, fields**2) / 2
            frames[t] = random.poisson(lit * intensity)
        return frames


def illumination(beam: str) -> NDArray[np.float64]:
    """How bright each pixel is, 1 at most."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    if beam == "gaussian":
        return np.exp(-((y - 60.0) ** 2 + (x - 60.0) ** 2) / (2 * 45**2))
    if beam == "beam stop":
        behind = (np.hypot(y - 60, x - 60) < 20) | ((np.abs(y - 60) < 4) & (x > 60))
        return np.where(behind, 0.001, 1.0)
    return np.ones(SHAPE)


def plant(frames: Frames, scene: Scene, share: float, strength: float, random: np.random.Generator) -> dict[str, Any]:
    """Make pixels bad in place; give their addresses by kind. One at least, in places that are lit."""
    bright = np.pad(illumination(scene.beam) > 0.2, 3, mode="edge")
    steps = itertools.product(range(7), range(7))
    lit = np.flatnonzero(np.all([bright[i : i + SHAPE[0], j : j + SHAPE[1]] for i, j in steps], axis=0))
    n_bad = max(1, round(share * frames[0].size))
    chosen = random.choice(lit, n_bad, replace=False)
    first = int(random.integers(len(KINDS)))
    places = {kind: chosen[(k - first) % len(KINDS) :: len(KINDS)] for k, kind in enumerate(KINDS)}
    flat = frames.reshape(len(frames), -1)
    n = len(frames)
    hot, flickering = places["hot"], places["flickering"]
    flat[:, hot] += random.poisson(max(strength * scene.rate, 0.5), (n, len(hot))).astype(np.uint32)
    on = random.random((n, len(flickering))) < 0.05
    flat[:, flickering] = np.where(on, max(strength * scene.rate, 20.0), 0)
    flat[:, places["dead"]] = 0
    flat[:, places["full"]] = random.choice([2**8 - 1, 2**16 - 1, 2**24 - 1, 2**32 - 1], len(places["full"]))
    return places


def dark_by_chance(scene: Scene, n_frames: int) -> NDArray[np.float64]:
    """Probability that a good pixel counts nothing in the movie, shape (H * W,): negative binomial."""
    counts = scene.rate * n_frames * illumination(scene.beam).ravel()
    moving = DYNAMICS[scene.dynamics]
    spread = 1.3 * scene.contrast * (1.0 if moving > 0.1 else 2 * moving)
    return np.exp(-np.log1p(spread * counts) / spread)


def judged(frames: Frames) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Which pixels are left out, shape (H * W,), and the maps."""
    stream = TwoTimeStream(LABELS, None, size=SIZE, normalisation=Normalisation(bad_pixels="detect"))
    stream.add(frames)
    result = stream.result()
    out = np.zeros(SHAPE, dtype=bool)
    out[result.bad_pixels.rows, result.bad_pixels.columns] = True
    return out.ravel(), result.c2


def scenes(quick: bool) -> Iterator[Scene]:
    """All of them, or some."""
    beams = ("flat", "gaussian", "beam stop")
    every = itertools.product(RATES, (0.05, 0.3, 1.0), DYNAMICS, beams)
    for k, (rate, contrast, dynamics, beam) in enumerate(every):
        if not quick or k % 4 == 0:
            yield Scene(rate, contrast, dynamics, beam)


def examine(scene: Scene, n_frames: int, seed: int) -> dict[str, Any]:
    """Plant into one movie, with each share in turn and each strength."""
    random = np.random.default_rng([seed, 1])
    clean = scene.frames(n_frames, seed)
    found_clean, _ = judged(clean)
    rows = []
    for number, share in enumerate(SHARES):
        strength = STRENGTHS[(seed + number) % len(STRENGTHS)]
        frames = clean.copy()
        places = plant(frames, scene, share, strength, random)
        found, maps = judged(frames)
        bad = np.zeros(found.size, dtype=bool)
        bad[np.concatenate(list(places.values()))] = True
        expected = two_time(clean, LABELS, size=SIZE, mask=(found | bad).reshape(SHAPE), saturation=np.inf)
        missed = bad & ~found
        # where something was missed, the maps are not comparable
        same = not missed.any()
        decidable = places["dead"][dark_by_chance(scene, n_frames)[places["dead"]] < 1e-9]
        by_kind = {kind: (places[kind] if kind != "dead" else decidable) for kind in KINDS}
        rows.append(
            {
                "share": share,
                "strength": strength,
                "planted": {kind: len(at) for kind, at in by_kind.items()},
                "found": {kind: int(found[at].sum()) for kind, at in by_kind.items()},
                "false": int((found & ~bad).sum()),
                "good": int((~bad).sum()),
                "difference": float(np.abs(maps - expected).max()) if same else None,
                "range": float(np.abs(expected).max()),
            }
        )
    return {
        "scene": {name: getattr(scene, name) for name in ("rate", "contrast", "dynamics", "beam")},
        "false_clean": int(found_clean.sum()),
        "clean": found_clean.size,
        "rows": rows,
    }


def times(n_frames: int, rounds: int) -> dict[str, Any]:
    """Seconds of `two_time` on a movie in memory without and with detection, in alternating rounds."""
    labels = bins(SMALL)
    random = np.random.default_rng(0)
    frames = random.poisson(1.0, (n_frames, *SMALL)).astype(np.uint16)
    planted = frames.copy()
    at = random.choice(np.flatnonzero(labels), 550, replace=False)
    planted.reshape(n_frames, -1)[:, at[:275]] += 30
    planted.reshape(n_frames, -1)[:, at[275:]] = 0

    def seconds(movie: NDArray[np.uint16], **options: Any) -> float:
        start = time.perf_counter()
        two_time(movie, labels, **options)
        return time.perf_counter() - start

    works = {
        "no bad pixel, without": lambda: seconds(frames),
        "no bad pixel, with": lambda: seconds(frames, bad_pixels="detect"),
        "1 of 100 bad, without": lambda: seconds(planted),
        "1 of 100 bad, with": lambda: seconds(planted, bad_pixels="detect"),
    }
    told: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            taken = work()
            if number:  # the first one compiles
                told[name].append(taken)
    return {"n_frames": n_frames, **{name: statistics.median(each) for name, each in told.items()}}


def summary(results: list[dict[str, Any]], *, still_and_coherent: bool) -> Table:
    """Share found by kind and strength."""
    title = "Still or slow speckle of contrast 1" if still_and_coherent else "All other movies"
    table = Table(title, ["kind", "strength", "planted", "found", "share"])
    chosen = [each for each in results if undecidable(each["scene"]) == still_and_coherent]
    for kind in KINDS:
        strengths = STRENGTHS if kind in ("hot", "flickering") else (None,)
        for strength in strengths:
            rows = [row for each in chosen for row in each["rows"] if strength in (None, row["strength"])]
            planted, found = (sum(row[what][kind] for row in rows) for what in ("planted", "found"))
            share = f"{found / planted:.2%}" if planted else "-"
            named = "-" if strength is None else f"{strength:g} x mean"
            table.add(_row([kind, named, str(planted), str(found), share]))
    return table


def undecidable(scene: dict[str, Any]) -> bool:
    """Whether speckle itself is as bright and as dark as bad pixels."""
    return scene["dynamics"] != "fast" and scene["contrast"] == 1.0


def totals(results: list[dict[str, Any]]) -> Table:
    """False alarms, and how far maps are from those of a movie that was masked from the start."""
    table = Table(
        "False alarms, and maps beside those of the clean movie with the same pixels masked", ["what", "value"]
    )
    clean, false_clean = (sum(each[what] for each in results) for what in ("clean", "false_clean"))
    rows = [row for each in results for row in each["rows"]]
    good, false = (sum(row[what] for row in rows) for what in ("good", "false"))
    different = [row["difference"] / max(row["range"], 1e-9) for row in rows if row["difference"] is not None]
    table.add(_row(["clean movies: false alarms of pixels", f"{false_clean} of {clean} ({false_clean / clean:.1e})"]))
    table.add(_row(["planted movies: false alarms of good pixels", f"{false} of {good} ({false / good:.1e})"]))
    table.add(_row(["largest difference of a map, of its range", f"{max(different):.1e} ({len(different)} movies)"]))
    return table


def _row(cells: list[str]) -> Row:
    return Row(cells)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less than a minute")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    given = parser.parse_args()
    n_frames, repeats = (200, 1) if given.quick else (400, 2)
    results = [examine(scene, n_frames, seed) for scene in scenes(given.quick) for seed in range(repeats)]
    measured = [times(n, 5 if given.quick else 9) for n in ((1000,) if given.quick else (1000, 4000, 10_000))]
    for still in (False, True):
        summary(results, still_and_coherent=still).show()
    totals(results).show()
    table = Table(
        "Time of two_time, 18 bins of 3,055 pixels, in memory", ["frames", "movie", "without, s", "with, s", "ratio"]
    )
    for each in measured:
        for movie in ("no bad pixel", "1 of 100 bad"):
            without, found = each[f"{movie}, without"], each[f"{movie}, with"]
            table.add(_row([str(each["n_frames"]), movie, f"{without:.3f}", f"{found:.3f}", f"{found / without:.3f}"]))
    table.show()
    if given.json is not None:
        given.json.write_text(json.dumps({"results": results, "times": measured}, indent=1))


if __name__ == "__main__":
    main()
