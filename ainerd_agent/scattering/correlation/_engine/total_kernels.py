"""The loop over frames that copies used pixels out and adds up bins, before anything is folded; compiled by numba."""

from __future__ import annotations

from typing import Any

from ainerd_agent.scattering.correlation._engine.kernels import Array, U, compiled, without_dead_time


@compiled
def total_frames(
    frames: Array,
    bin_edges: Array,
    pixels: Array,
    lines: Array,
    dead: float,
    flat: Array,
    silent: Array,
    compact: Array,
    raw: Array,
    corrected: Array,
) -> Any:
    """Copy the used pixels of each frame to `compact` (n, N), and add up each bin: `raw`, `corrected` (n, n_bins).

    The pixels `silent` count for nothing. The sums of corrected counts (see `correct`) are taken where `corrected` is
    not empty.
    """
    touched = frames.dtype.type(0)
    for t in range(len(frames)):
        frame, row = frames[t], compact[t]
        for k in range(len(lines)):
            touched += frame[U(lines[k])]
        for j in range(len(pixels)):
            row[j] = frame[U(pixels[j])]
        for s in range(len(silent)):
            row[silent[s]] = 0
        for b in range(len(bin_edges) - 1):
            start, stop = bin_edges[b], bin_edges[b + 1]
            part = row[start:stop]
            total = 0.0
            for j in range(len(part)):
                total += part[j]
            raw[t, b] = total
            if len(corrected) == 0:
                continue
            if len(flat) > 0:
                total = 0.0
                factor = flat[start:stop]
                for j in range(len(part)):
                    total += without_dead_time(part[j], dead) * factor[j]
            elif dead > 0:
                total = 0.0
                for j in range(len(part)):
                    total += without_dead_time(part[j], dead)
            corrected[t, b] = total
    return touched
