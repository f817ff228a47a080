"""Runs with results that are chosen, for questions whose answers are known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ainerd_agent.catalog import Catalog, DerivedWriter, ModelIdentity
from ainerd_agent.catalog.check import check
from ainerd_agent.records import Analysis, Bins, Exposure, Fingerprints, Origin, Quality, Run, ShearStress

N_BINS, SIZE, N_LATENTS = 3, 16, 8
MODEL = ModelIdentity(
    name="toy-1", weights_sha256="ab" * 32, n_clusters=4, parameters={"size": SIZE}, geometry={"distance": 8.0}
)
START = 1_700_000_000.0


def measurement(
    uid: str,
    seq_num: int,
    *,
    clusters: Sequence[int] = (1, 1, 3),
    stress: float = math.nan,
    novelty: float = math.nan,
    start: float = START,
    x: float = 0.0,
    y: float = 0.0,
    tau: float = 0.5,
    latent: float = 0.0,
    latents: Any = None,
) -> tuple[Fingerprints, Analysis]:
    """One measurement. Its maps hold 100 * seq_num + bin.

    Its latents are `latents`, or else `latent`, and bin / 10 more on the first axis.
    """
    origin = Origin(
        raw_uid=uid, seq_num=seq_num, start=start + seq_num, stop=start + seq_num + 1, elapsed=float(seq_num),
        position={"x": x, "y": y},
    )  # fmt: skip
    bins = np.arange(1, N_BINS + 1)
    fingerprints = Fingerprints(
        origin=origin,
        c2=np.broadcast_to((100 * seq_num + bins)[:, None, None], (N_BINS, SIZE, SIZE)).astype(np.float32),
        bins=Bins(q=np.full(N_BINS, 0.05), azimuth=np.array([0.0, 120.0, 240.0]), n_pixels=np.array([90, 91, 92])),
        duration=1.0,
        mean_counts=np.ones(N_BINS),
        contrast=np.full(N_BINS, 0.2),
        tau=np.full(N_BINS, tau),
        quality=Quality(snr=np.full(N_BINS, 5.0), bad_share=0.0, drift=0.0, problems=("",) * N_BINS),
        g2=np.broadcast_to(bins[:, None], (N_BINS, 5)).astype(np.float32),
        lags=np.arange(5) * 0.01,
    )
    own = np.full((N_BINS, N_LATENTS), latent, np.float32)
    own[:, 0] += bins / 10
    analysis = Analysis(
        origin=origin,
        latents=own if latents is None else latents,
        cluster=np.array(clusters),
        centre_distance=np.ones(N_BINS),
        novelty=np.array([novelty, novelty / 2, math.nan]),
        reconstruction_error=np.full(N_BINS, 0.01),
        stress=ShearStress(stress, 0.1, 0.0, math.nan, 10),
    )
    return fingerprints, analysis


def write_run(
    writer: DerivedWriter,
    uid: str,
    measurements: Sequence[dict[str, Any]],
    *,
    first: int = 1,
    close: bool = True,
    start: float = START,
    **about: Any,
) -> None:
    """Write a run with these measurements, numbered from `first`."""
    writer.open_run(Run(**{"uid": uid, "time": start, "scan_id": 7, "plan_name": "grid", "sample": "silica"} | about))
    pairs = [measurement(uid, first + k, start=start, **options) for k, options in enumerate(measurements)]
    writer.append(uid, [f for f, _ in pairs], [a for _, a in pairs])
    if close:
        writer.close_run(uid, "success")


def measured(
    uid: str, number: int, *, seconds: float = 1.0, frames: int = 100, **about: Any
) -> tuple[Fingerprints, Analysis]:
    """A measurement whose origin has other fields, of another length."""
    f, a = measurement(uid, number)
    exposure = Exposure(frames=frames, frame_time=seconds / frames, counted=seconds)
    origin = dataclasses.replace(f.origin, exposure=exposure, **about)
    f = dataclasses.replace(f, origin=origin, duration=seconds, lags=f.lags * seconds)
    return f, dataclasses.replace(a, origin=origin)


def write(writer: DerivedWriter, uid: str, *pairs: tuple[Fingerprints, Analysis], **about: Any) -> None:
    """One after the other, as they come."""
    writer.open_run(Run(uid=uid, time=START, sample="silica", **about))
    for f, a in pairs:
        writer.append(uid, [f], [a])
    writer.close_run(uid, "success")


def is_sound(catalog: Catalog, uid: str) -> None:
    """Nothing is wrong with what is stored of a run, or of runs whose uids begin so; there is no raw run."""
    assert [problem for problem in check(catalog) if uid in problem.where and "raw run" not in problem.what] == []
