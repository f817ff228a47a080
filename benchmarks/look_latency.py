"""How long after the last frame of a look its verdict is there, and a plan has it: part of `latency.py`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from movies import LARGE, N_BINS, N_PIXELS, bins
from tables import Row, Table, duration
from threadpoolctl import threadpool_limits

from ainerd_agent.agent.runners.live_verdicts import LiveVerdicts
from ainerd_agent.agent.runners.ways_to_end import PERIOD
from ainerd_agent.agent.verdicts.judge import Judge
from ainerd_agent.agent.verdicts.until import Until
from ainerd_agent.callbacks.exposure_follower import ExposureFollower, Seen
from ainerd_agent.errors import MapError
from ainerd_agent.latent import Encoder
from ainerd_agent.records import Bins, Exposure, Measurement, Origin
from ainerd_agent.scattering import HDF5Frames
from ainerd_agent.scattering.fingerprint import LIVE
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.workflows.live_channel import LiveChannel

VERDICT_MUST, PLAN_MUST = 0.15, 0.2
"""Seconds, at the 95th percentile."""

UNTIL = Until(tau=1e-6, contrast=1e-6, damaged="warn")
"""What is never reached: all looks are made."""


@dataclass(slots=True)
class Timed:
    """When things were there, by the number of the look."""

    frames: dict[int, int] = field(default_factory=dict)
    encoded: dict[int, float] = field(default_factory=dict)
    decided: dict[int, float] = field(default_factory=dict)
    at_plan: dict[int, float] = field(default_factory=dict)
    shown: list[float] = field(default_factory=list)


def look_exposure(
    begin: Callable[[], None], told: Callable[[], dict[str, Any]], path: Path, n_frames: int, rate: float,
    encoder: Encoder, number: int,
) -> dict[str, Any]:  # fmt: skip
    """Seconds from the last frame of each look of one exposure to its verdict, and to the plan."""
    labels = bins(LARGE)
    about = Bins(q=np.full(N_BINS, 0.02), azimuth=np.arange(N_BINS) * 20.0, n_pixels=np.bincount(labels.ravel())[1:])
    partition = Partition(labels=labels.astype(np.int32), rings=labels.astype(np.int32), bins=about)
    timed, judge = Timed(), Judge(UNTIL)
    over = threading.Event()
    waiting: SimpleQueue[Seen | None] = SimpleQueue()
    with LiveChannel() as channel:
        verdicts = LiveVerdicts(channel.address)

        def measurement(is_over: Callable[[], bool]) -> Measurement:
            following = Following(timeout=60.0, ended=is_over)
            origin = Origin(
                raw_uid="run", seq_num=number, start=0.0, stop=1.0, exposure=Exposure(planned=n_frames / rate)
            )
            frames = HDF5Frames(path, "entry/data", stop=n_frames, following=following)
            return Measurement(origin=origin, frames=frames, frame_time=1 / rate)

        def seen(each: Seen) -> None:
            waiting.put(each)

        def work() -> None:
            with threadpool_limits(1, user_api="openmp"):  # as LiveLooks does
                judge_all()

        def judge_all() -> None:
            while (each := waiting.get()) is not None:
                look = each.look
                if each.due:
                    with suppress(MapError):  # the first look may be too small
                        encoder.encode(look.c2, contrast=np.where(look.contrast > 0, look.contrast, np.nan))
                    now = time.monotonic()
                    channel.decide(judge.verdict(number, look, each.correlation))
                    timed.frames[look.number], timed.encoded[look.number] = look.frames, now
                    timed.decided[look.number] = time.monotonic()
                channel.show(number, look)
                timed.shown.append(time.monotonic())

        def plan() -> None:
            after = 0
            while not over.wait(PERIOD):
                found = verdicts.latest("run", number, after)
                if found is not None:
                    after = found.look
                    timed.at_plan[found.look] = time.monotonic()

        follower = ExposureFollower(
            exposure=number, measurement=measurement, planned=n_frames, partition=lambda shape: partition, options=LIVE,
            on_seen=seen,
        )  # fmt: skip
        begin()
        asking = threading.Thread(target=plan)
        asking.start()
        judging = threading.Thread(target=work)
        judging.start()
        follower.start()
        follower.join(120.0)
        waiting.put(None)
        judging.join()
        time.sleep(2 * PERIOD)
        over.set()
        asking.join()
        verdicts.close()
    written = told()
    counts, moments = np.array(written["flushed"]).T
    flushed = {look: float(moments[np.searchsorted(counts, n)]) for look, n in timed.frames.items()}
    gaps = np.diff(timed.shown)
    return {
        "encoded": [timed.encoded[look] - flushed[look] for look in flushed],
        "verdict": [timed.decided[look] - flushed[look] for look in flushed],
        "plan": [timed.at_plan[look] - flushed[look] for look in flushed if look in timed.at_plan],
        "frames": [timed.frames[look] for look in flushed],
        "frames/s": n_frames / written["exposure"],
        "widest_gap": float(gaps.max()) if gaps.size else float("nan"),
    }


def table_of(each: list[dict[str, Any]], n_frames: int) -> Table:
    """Percentiles over all looks of all exposures."""
    table = Table(
        f"From the last frame of a look to its verdict, while the detector writes: {len(each)} exposures of "
        f"{n_frames:,} frames at {np.median([one['frames/s'] for one in each]):,.0f} frames/s, {N_BINS} bins, "
        f"{N_PIXELS:,} pixels",
        ["there", "looks", "p50", "p95", "must, p95"],
    )
    for key, what, must in (
        ("encoded", "partial maps, encoded", None),
        ("verdict", "verdict", VERDICT_MUST),
        ("plan", "verdict at the plan, which asks every 50 ms", VERDICT_MUST + PLAN_MUST),
    ):
        seconds = [second for one in each for second in one[key]]
        p50, p95 = np.percentile(seconds, [50, 95])
        limit = "" if must is None else duration(must)
        table.add(Row([what, str(len(seconds)), duration(p50), duration(p95), limit], strong=key == "verdict"))
    gap = max(one["widest_gap"] for one in each)
    table.add(Row(["longest time between two running maps", "", "", duration(gap), duration(0.5)]))
    return table
