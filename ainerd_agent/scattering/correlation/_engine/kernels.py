"""The inner loops of the two-time fold, compiled by numba.

They run without the GIL on threads of our own: numba's parallel loops must not be entered from two Python threads at
once, and a live session has several.

Every loop over pixels is a plain loop over contiguous memory, so that LLVM vectorises it. Sums may be reordered
(`reassoc`), but NaN and infinity keep their meaning: that is how bad readings are found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.scattering._numba import njit

Array = NDArray[Any]

STEP = 16
"""Frames that are gathered before they are folded: few enough that a slab of pixels stays in the cache."""

RUN = 16
"""Pixels that are copied at once where the pixels of a bin lie side by side."""

STEPS_IN_SINGLE = 4
"""Steps whose sums of each pixel are in the precision of the fold, before they go into those in double."""

SUM, SQUARE, PRODUCT = 0, 1, 2
"""What is added up over the pixels of a cell: I(t), I(t)^2, and I(t) times the frame before it."""

U = np.uint64
"""Addresses are used without sign: a signed one would be checked for counting from the end, at every pixel."""

INVALID, SATURATED = 0, 1
"""What raw readings are counted for: not finite, negative, or more than the dead time allows; at the detector's
ceiling."""

compiled = njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz", "arcp"})


@compiled
def gather(frame: Array, pixels: Array, runs: Array, lines: Array, out: Array) -> Any:
    """Copy the pixels of a slab out of a flat frame.

    `lines` holds pixels of every line of the cache: reading them first, with nothing to compute in between, lets the
    processor fetch many lines at once. `runs` (source, destination) copies `RUN` pixels at a time, each run overwriting
    what the one before it copied too much; without runs it goes pixel by pixel.
    """
    touched = frame.dtype.type(0)
    for k in range(len(lines)):
        touched += frame[U(lines[k])]
    for k in range(len(runs)):
        s, d = U(runs[k, 0]), U(runs[k, 1])
        # Written out, with every reading before the first writing: only then do they become two wide instructions.
        a0, a1, a2, a3 = frame[s], frame[s + U(1)], frame[s + U(2)], frame[s + U(3)]
        a4, a5, a6, a7 = frame[s + U(4)], frame[s + U(5)], frame[s + U(6)], frame[s + U(7)]
        b0, b1, b2, b3 = frame[s + U(8)], frame[s + U(9)], frame[s + U(10)], frame[s + U(11)]
        b4, b5, b6, b7 = frame[s + U(12)], frame[s + U(13)], frame[s + U(14)], frame[s + U(15)]
        out[d], out[d + U(1)], out[d + U(2)], out[d + U(3)] = a0, a1, a2, a3
        out[d + U(4)], out[d + U(5)], out[d + U(6)], out[d + U(7)] = a4, a5, a6, a7
        out[d + U(8)], out[d + U(9)], out[d + U(10)], out[d + U(11)] = b0, b1, b2, b3
        out[d + U(12)], out[d + U(13)], out[d + U(14)], out[d + U(15)] = b4, b5, b6, b7
    if len(runs) == 0:
        for j in range(len(pixels)):
            out[j] = frame[U(pixels[j])]
    return touched


@compiled
def gather_frames(
    frames: Array, slabs: Array, pixels: Array, runs: Array, slab_runs: Array, lines: Array, slab_lines: Array, out: Any
) -> Any:
    """Copy the used pixels of frames (t, H * W) to `out` (t, N + `RUN`), slab after slab."""
    touched = frames.dtype.type(0)
    for slab in range(len(slabs) - 1):
        start, stop = slabs[slab], slabs[slab + 1]
        for t in range(len(frames)):
            touched += gather(
                frames[t],
                pixels[start:stop],
                runs[slab_runs[slab] : slab_runs[slab + 1]],
                lines[slab_lines[slab] : slab_lines[slab + 1]],
                out[t, start:],
            )
    return touched


@compiled
def add_moments(counts: Array, total: Array, squares: Array) -> None:
    """Add up four frames, and their squares, of each pixel."""
    w, x, y, z = counts[0], counts[1], counts[2], counts[3]
    for j in range(len(total)):
        a, b, c, d = w[j], x[j], y[j], z[j]
        total[j] += (a + b) + (c + d)
        squares[j] += (a * a + b * b) + (c * c + d * d)


@compiled
def add_rows(folded: Array, first_row: int, start: int, stop: int, weights: Array, counts: Array, few: Array) -> None:
    """Add `weights` (n_rows, k) @ `counts` (k, n) to `folded[first_row:, start:stop]`; k is a multiple of four.

    Four frames go into two rows at a time, which halves what is read. Where `few` (2, n) is not empty, the sums and the
    squares of the frames are added to it in the first of those loops, which has read the counts anyway.

    A two-dimensional view would hide from the compiler that rows are contiguous.
    """
    n_rows = len(weights)
    for k in range(0, weights.shape[1], 4):
        w, x, y, z = counts[k], counts[k + 1], counts[k + 2], counts[k + 3]
        unwatched = few.shape[1] > 0
        row = 0
        while row < n_rows:
            a, b, c, d = weights[row, k], weights[row, k + 1], weights[row, k + 2], weights[row, k + 3]
            f = folded[first_row + row, start:stop]
            row += 1
            if a == 0 and b == 0 and c == 0 and d == 0:
                continue
            if row == n_rows:
                for j in range(len(f)):
                    f[j] += (a * w[j] + b * x[j]) + (c * y[j] + d * z[j])
                continue
            e, g, h, i = weights[row, k], weights[row, k + 1], weights[row, k + 2], weights[row, k + 3]
            below = folded[first_row + row, start:stop]
            row += 1
            if unwatched:
                total, squares = few[0], few[1]
                unwatched = False
                for j in range(len(f)):
                    p, q, r, s = w[j], x[j], y[j], z[j]
                    f[j] += (a * p + b * q) + (c * r + d * s)
                    below[j] += (e * p + g * q) + (h * r + i * s)
                    total[j] += (p + q) + (r + s)
                    squares[j] += (p * p + q * q) + (r * r + s * s)
            else:
                for j in range(len(f)):
                    p, q, r, s = w[j], x[j], y[j], z[j]
                    f[j] += (a * p + b * q) + (c * r + d * s)
                    below[j] += (e * p + g * q) + (h * r + i * s)
        if unwatched:
            add_moments(counts[k : k + 4], few[0], few[1])


@compiled
def without_dead_time(count: Any, dead: float) -> Any:
    """The counts that came, of which so many were counted; as they are where that many cannot be."""
    left = 1 - dead * count
    return count / (left if left > 0 else 1.0)


@compiled
def correct(counts: Array, raw: Array, ceiling: float, check: bool, dead: float, flat: Array, scale: float) -> Any:
    """Turn raw counts into corrected ones; give how many readings are invalid and how many saturated.

    `dead` is the dead time in units of the frame time, `flat` the factor of each pixel (or empty).
    """
    invalid = 0
    saturated = 0
    if check:
        for j in range(len(counts)):
            invalid += not (raw[j] >= 0 and raw[j] < np.inf)
    if highest(raw, len(counts)) >= ceiling:
        for j in range(len(counts)):
            saturated += raw[j] >= ceiling
    if dead > 0:
        for j in range(len(counts)):
            invalid += dead * raw[j] >= 1
    convert(counts, raw, dead, flat, scale)
    return invalid, saturated


@compiled
def convert(counts: Array, raw: Array, dead: float, flat: Array, scale: float) -> None:
    """The same without a look at what the readings are."""
    for j in range(len(counts)):
        counts[j] = raw[j]
    if dead > 0:
        for j in range(len(counts)):
            counts[j] = without_dead_time(counts[j], dead)
    if len(flat) > 0:
        for j in range(len(counts)):
            counts[j] *= flat[j]
    if scale != 1:
        for j in range(len(counts)):
            counts[j] *= scale


@compiled
def highest(raw: Array, n: int) -> Any:
    """The largest of the first readings."""
    found = raw[0]
    for j in range(n):
        if raw[j] > found:
            found = raw[j]
    return found


@compiled
def add_sums(counts: Array, edges: Array, sums: Array) -> None:
    """Add up frames over each cell.

    Parameters
    ----------
    counts : ndarray, shape (1 + k, n)
        The frame before the first one, then k frames, a multiple of four.
    edges : ndarray, shape (n_cells + 1,)
    sums : ndarray, shape (k, 3, n_cells)
        Filled with `SUM`, `SQUARE`, and `PRODUCT`.
    """
    for cell in range(len(edges) - 1):
        start, stop = edges[cell] - edges[0], edges[cell + 1] - edges[0]
        for k in range(0, len(counts) - 1, 4):
            add_four(counts, k, start, stop, sums[k : k + 4, :, cell])


@compiled
def add_four(counts: Array, k: int, start: int, stop: int, sums: Array) -> None:
    """The same for the four frames after frame `k`, each of which is read once, and for one cell: `sums` (4, 3)."""
    v, w, x = counts[k, start:stop], counts[k + 1, start:stop], counts[k + 2, start:stop]
    y, z = counts[k + 3, start:stop], counts[k + 4, start:stop]
    zero = counts.dtype.type(0)
    t0, t1, t2, t3 = zero, zero, zero, zero
    s0, s1, s2, s3 = zero, zero, zero, zero
    p0, p1, p2, p3 = zero, zero, zero, zero
    for j in range(len(v)):
        before, a, b, c, d = v[j], w[j], x[j], y[j], z[j]
        t0 += a
        t1 += b
        t2 += c
        t3 += d
        s0 += a * a
        s1 += b * b
        s2 += c * c
        s3 += d * d
        p0 += a * before
        p1 += b * a
        p2 += c * b
        p3 += d * c
    sums[0, SUM], sums[0, SQUARE], sums[0, PRODUCT] = t0, s0, p0
    sums[1, SUM], sums[1, SQUARE], sums[1, PRODUCT] = t1, s1, p1
    sums[2, SUM], sums[2, SQUARE], sums[2, PRODUCT] = t2, s2, p2
    sums[3, SUM], sums[3, SQUARE], sums[3, PRODUCT] = t3, s3, p3


@compiled
def copy(source: Array, target: Array) -> None:
    """Copy a row of numbers: for a slice that is assigned, numba compiles checks and messages into each kernel."""
    for j in range(len(source)):
        target[j] = source[j]


@compiled
def hand_on(part: Array, whole: Array) -> None:
    """Add sums of few frames to those of all, in double precision, and begin anew."""
    for i in range(len(part)):
        source, target = part[i], whole[i]
        for j in range(len(source)):
            target[j] += source[j]
        source[:] = 0


@compiled
def add_raw_moments(raw: Array, total: Array, squares: Array) -> None:
    """The same for one frame of raw counts of any type."""
    for j in range(len(total)):
        value = float(raw[j])
        total[j] += value
        squares[j] += value * value


@compiled
def sum_raw_frames(frames: Array, total: Array, squares: Array) -> None:
    """The same for several of them, shape (t, n) or wider; four at a time, which saves reading the sums."""
    n_fours = len(frames) // 4 * 4
    for t in range(0, n_fours, 4):
        w, x, y, z = frames[t], frames[t + 1], frames[t + 2], frames[t + 3]
        for j in range(len(total)):
            a, b, c, d = float(w[j]), float(x[j]), float(y[j]), float(z[j])
            total[j] += (a + b) + (c + d)
            squares[j] += (a * a + b * b) + (c * c + d * d)
    for t in range(n_fours, len(frames)):
        add_raw_moments(frames[t], total, squares)


@compiled
def fold_frames(
    frames: Array,
    first_slab: int,
    last_slab: int,
    slabs: Array,
    cells: Array,
    slab_cells: Array,
    pixels: Array,
    runs: Array,
    slab_runs: Array,
    lines: Array,
    slab_lines: Array,
    band: Array,
    first_row: Array,
    ceiling: float,
    check: bool,
    dead: float,
    flat: Array,
    scale: Array,
    slab_bin: Array,
    silent: Array,
    folded: Array,
    last: Array,
    sums: Array,
    counted: Array,
    moments: Array,
) -> Any:
    """Fold consecutive frames into some of the slabs.

    Parameters
    ----------
    frames : ndarray, shape (t, H * W)
    band : ndarray, shape (t, width)
        Weights of each frame in the rows `first_row`, `first_row` + 1, ...
    scale : ndarray, shape (t, n_bins) or (0, 0)
        Factors of each frame in each bin.
    silent : ndarray of int
        Pixels that count for nothing, rising.
    folded : ndarray, shape (size, N)
        Added to.
    last : ndarray, shape (N,)
        The frame before the first one; replaced by the last one.
    sums : ndarray, shape (t, 3, n_cells)
        Filled.
    counted : ndarray of int, shape (t, 2, n_slabs)
        Filled with `INVALID` and `SATURATED`.
    moments : ndarray, shape (2, N) or (2, 0)
        Raw counts, and their squares, are added to.
    """
    n_frames = frames.shape[0]
    width = band.shape[1]
    touched = frames.dtype.type(0)
    no_flat = flat[:0]
    watched = moments.shape[1] > 0
    corrected = dead > 0 or len(flat) > 0 or len(scale) > 0
    padded = min(STEP, (n_frames + 3) // 4 * 4)
    for slab in range(first_slab, last_slab):
        start, stop = slabs[slab], slabs[slab + 1]
        n = stop - start
        edges = cells[slab_cells[slab] : slab_cells[slab + 1] + 1]
        raw = np.empty(n + RUN, frames.dtype)
        counts = np.empty((padded + 1, n), folded.dtype)
        step_sums = np.empty((padded, 3, len(edges) - 1))
        few = np.zeros((2, n if watched and not corrected else 0), folded.dtype)
        copy(last[start:stop], counts[0])
        first_silent, last_silent = np.searchsorted(silent, start), np.searchsorted(silent, stop)
        for begin in range(0, n_frames, STEP):
            n_step = min(STEP, n_frames - begin)
            for k in range(n_step):
                frame = begin + k
                touched += gather(
                    frames[frame],
                    pixels[start:stop],
                    runs[slab_runs[slab] : slab_runs[slab + 1]],
                    lines[slab_lines[slab] : slab_lines[slab + 1]],
                    raw,
                )
                for s in range(first_silent, last_silent):
                    raw[silent[s] - start] = 0
                if watched and corrected:
                    add_raw_moments(raw, moments[0, start:stop], moments[1, start:stop])
                factor = scale[frame, slab_bin[slab]] if len(scale) > 0 else 1.0
                told = correct(
                    counts[k + 1], raw, ceiling, check, dead, flat[start:stop] if len(flat) > 0 else no_flat, factor
                )
                counted[frame, INVALID, slab] = told[0]
                counted[frame, SATURATED, slab] = told[1]
            for k in range(n_step, padded):  # without weight, but it must not be NaN
                counts[k + 1] = 0
            add_sums(counts, edges, step_sums)
            for k in range(n_step):
                for kind in range(3):
                    copy(step_sums[k, kind], sums[begin + k, kind, slab_cells[slab] : slab_cells[slab + 1]])
            row = first_row[begin]
            n_rows = first_row[begin + n_step - 1] + width - row
            weights = np.zeros((n_rows, padded), folded.dtype)
            for k in range(n_step):
                offset = first_row[begin + k] - row
                for r in range(width):
                    weights[offset + r, k] = band[begin + k, r]
            add_rows(folded, row, start, stop, weights, counts[1:], few)
            if begin // STEP % STEPS_IN_SINGLE == STEPS_IN_SINGLE - 1:
                hand_on(few, moments[:, start:stop])
            copy(counts[n_step], counts[0])
        hand_on(few, moments[:, start:stop])
        copy(counts[0], last[start:stop])
    return touched
