"""Two-time correlation maps, resized on the fly.

With D = I / <I> - 1, the two-time correlation over the N pixels of a bin is C = D D^T / N, a T x T matrix. Resizing it
(scikit-image, order 1, gaussian anti-aliasing) is R C R^T with R of shape (size, T), banded, rows adding up to one. So

    R C R^T = (R D)(R D)^T / N,        R D = (R I) / <I> - 1

and frames can be folded into R I one by one; size x N numbers are kept. The shot noise on the diagonal of C is replaced
exactly: the correction is diagonal, needs sums of I(t), I(t)^2 and I(t) I(t + 1) alone, and passes through the same R.

A frame that is left out has no weight, and the weights of the others in a row are divided by their sum: R stays a
weighted mean, over good frames only.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ainerd_agent.errors import FrameError
from ainerd_agent.records import MapStack
from ainerd_agent.scattering.correlation._engine.diagonal import Diagonal
from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.beam_loss import SETTLING
from ainerd_agent.scattering.correlation.computation import AUTOMATIC, FRAMES_PER_READ, Computation, Precision
from ainerd_agent.scattering.correlation.normalisation import PLAIN, Normalisation
from ainerd_agent.scattering.correlation.sliced import Sliced
from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream


def two_time(
    frames: Any,
    labels: ArrayLike,
    *,
    size: int = 256,
    sigma: float | None = None,
    diagonal: Diagonal = "neighbours",
    normalisation: Normalisation = PLAIN,
    computation: Computation = AUTOMATIC,
    **options: Any,
) -> MapStack:
    """C2 maps of a movie, one per bin, resized to `size` x `size`.

    Parameters
    ----------
    frames : array_like, shape (T, H, W); or FrameSource
        Counts of any real type. An object with `shape` that is sliced along its first axis (an HDF5 dataset) is read
        block by block, and so is a source of frames or photon events.
    labels, size, sigma, diagonal, normalisation, computation
        As for `TwoTimeStream`.
    **options
        Single fields of `Normalisation` (static, mask, bad_frames, ...) and `Computation` (threads, ...), in place of
        those of the records.

    Returns
    -------
    ndarray of float32, shape (n_bins, size, size)
        <D(t1) D(t2)> with D = I/<I> - 1: zero where nothing correlates, the contrast where everything does.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.random.default_rng(0).poisson(2.0, size=(300, 8, 8))
    >>> two_time(frames, np.ones((8, 8), dtype=int), size=64).shape
    (1, 64, 64)
    """
    source: Any = frames if hasattr(frames, "shape") else np.asarray(frames)
    if len(source.shape) != 3:
        raise FrameError(f"frames must have the shape (T, H, W), got {tuple(source.shape)}")
    computing = {each.name: options.pop(each.name) for each in fields(Computation) if each.name in options}
    stream = TwoTimeStream(
        labels,
        source.shape[0],
        size=size,
        sigma=sigma,
        diagonal=diagonal,
        normalisation=replace(normalisation, **options),
        computation=replace(computation, **computing),
    )
    if isinstance(source, np.ndarray):
        return stream.whole(source)
    if hasattr(source, "blocks"):
        stream.read(source)
    else:
        stream.read(Sliced(source, FRAMES_PER_READ))
    return stream.result().c2


def warm_up(dtype: Any = np.uint16, ages: Ages | None = None) -> None:
    """Compile what frames of a type need, or load it from the cache of an earlier process: before a scan, not in it.

    Parameters
    ----------
    dtype : type
        Of the frames.
    ages : Ages, optional
        As for `TwoTimeStream`.
    """
    frames, labels = np.ones((SETTLING, 1, 1), dtype=dtype), np.ones((1, 1), dtype=int)
    detecting = Normalisation(bad_frames="detect", bad_pixels="detect")
    precisions: tuple[Precision, ...] = ("single", "double")
    for precision in precisions:
        stream = TwoTimeStream(
            labels,
            SETTLING,
            size=2,
            normalisation=detecting,
            computation=Computation(precision=precision),
            ages=ages,
        )
        stream.add(frames)
        stream.look()
        stream.result()
