"""One measurement's frames to its fingerprints."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ainerd_agent.errors import FrameError, FrameTimeoutError
from ainerd_agent.records import (
    BadPixels,
    Bins,
    EarlyEnd,
    Exposure,
    Fingerprints,
    Measurement,
)
from ainerd_agent.scattering.correlation.age_lag import age_average, relaxation_time
from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.computation import Computation
from ainerd_agent.scattering.correlation.g2 import smoothing_of
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.fits.ages import ageing_of
from ainerd_agent.scattering.fits.map_relaxations import fit_maps
from ainerd_agent.scattering.frames.first_frames import FirstFrames
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.scattering.quality import assess

if TYPE_CHECKING:
    from ainerd_agent.scattering.correlation.two_time_maps import TwoTime
    from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream
    from ainerd_agent.settings import CorrelationSettings

logger = logging.getLogger(__name__)

MIN_FRAMES = 16
"""Frames of a movie that broke off from which its maps are still made."""


DETECTING = Normalisation(bad_frames="detect", bad_pixels="detect")
"""Frames without beam and bad pixels are left out."""

SECTIONS = Ages()
"""Over age and lag, every exposure is correlated in sixteen sections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoTimeOptions:
    """How C2 is computed; see `TwoTimeStream` for the meaning of each. The defaults are those of a live analysis.

    Parameters
    ----------
    normalisation : Normalisation
        `static` is the rings of the partition, and `saturation` the detector's, where they are not given here.
    ages : Ages or None
        With None nothing is correlated over age and lag.
    """

    size: int = 256
    sigma: float | None = None
    normalisation: Normalisation = DETECTING
    ages: Ages | None = SECTIONS
    device: str | None = None

    @classmethod
    def from_settings(cls, settings: CorrelationSettings) -> TwoTimeOptions:
        """The options that the settings name."""
        return cls(
            sigma=settings.sigma,
            normalisation=Normalisation(
                normalise=settings.normalise,
                bad_frames="detect" if settings.detect_bad_frames else None,
                bad_pixels="detect" if settings.detect_bad_pixels else None,
                dead_time=settings.dead_time,
            ),
            ages=Ages(n_ages=settings.ages) if settings.ages else None,
            device=settings.device,
        )

    def warm_up(self) -> None:
        """Compile what these need, or load it from the cache of an earlier process: before a scan, not in it."""
        from ainerd_agent.scattering.correlation.two_time import warm_up

        warm_up(ages=self.ages)

    def stream(self, partition: Partition, n_frames: int | None, saturation: float | None) -> TwoTimeStream:
        """A stream for one movie."""
        from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream  # its kernels are slow to import

        given = self.normalisation
        return TwoTimeStream(
            partition.labels,
            n_frames,
            size=self.size,
            sigma=self.sigma,
            normalisation=replace(
                given,
                static=partition.rings if given.static is None else given.static,
                saturation=saturation if given.saturation is None else given.saturation,
            ),
            computation=Computation(device=self.device),
            ages=self.ages,
        )


LIVE = TwoTimeOptions()
"""What a live analysis does by default."""


def fingerprint(
    measurement: Measurement,
    partition: Partition,
    options: TwoTimeOptions = LIVE,
    *,
    broken_off: Literal["mark", "refuse"] = "mark",
    watch: Callable[[TwoTimeStream], object] | None = None,
    ended: Callable[[], EarlyEnd | None] | None = None,
) -> Fingerprints:
    """Compute the C2 and age-lag maps of a measurement, reading its frames once, as they come.

    Counts are divided by the static image, smoothed azimuthally over fine q rings as in the paper.

    Parameters
    ----------
    measurement : Measurement
    partition : Partition
        Bins and rings for the detector's shape.
    options : TwoTimeOptions
    broken_off : {"mark", "refuse"}
        Make the maps of a movie that breaks off from the frames that came, and mark them; or raise.
    watch : callable, optional
        Called after each block; it may call `TwoTimeStream.look` or `partial`.
    ended : callable, optional
        Called where the frames end before the planned count: says why the exposure was ended, or None where nobody
        ended it. An exposure that was ended is not one that broke off: its maps are those of its own frames, as if no
        more had been planned, and nothing is missing. The frames are read again for it; where that fails, the maps
        are resampled from those of the plan, and marked.

    Raises
    ------
    FrameError
        Frames that cannot be read or trusted (see `TwoTimeStream`).
    """
    result, n_missing, early = _correlated(measurement, partition, options, broken_off, watch, ended)
    duration = result.n_frames * measurement.frame_time
    lags = np.arange(options.size) * duration / options.size
    g2 = 1 + age_average(result.c2)
    aged = None if result.age_lag is None else result.age_lag.in_seconds(measurement.frame_time)
    exposure = replace(
        measurement.origin.exposure,
        frames=result.n_frames,
        frame_time=measurement.frame_time,
        counted=duration,
        planned=_planned(measurement) if early is not None else measurement.origin.exposure.planned,
        ended=_how_it_ended(measurement.origin.exposure, n_missing, early),
        look=measurement.origin.exposure.look if early is None else early.look,
    )
    return Fingerprints(
        origin=replace(measurement.origin, exposure=exposure),
        c2=result.c2,
        bins=_without(partition.bins, result.bad_pixels),
        duration=duration,
        mean_counts=result.mean_counts,
        contrast=result.contrast,
        tau=relaxation_time(g2 - 1, lags),
        quality=assess(result, n_missing=n_missing).with_problems(measurement.problems),
        g2=g2,
        lags=lags,
        relaxations=fit_maps(
            result.c2,
            duration,
            smoothing=smoothing_of(result.n_frames, options.size, measurement.frame_time, options.sigma),
            filled=result.filled,
        ),
        age_lag=None if aged is None else aged.record(),
        ageing=None if aged is None else ageing_of(aged),
        bad_pixels=result.bad_pixels,
    )


def _without(bins: Bins, bad_pixels: BadPixels) -> Bins:
    """The bins with the pixels that were used."""
    lost = np.bincount(bad_pixels.bins, minlength=len(bins) + 1)[1:]
    return replace(bins, n_pixels=bins.n_pixels - lost)


def _correlated(
    measurement: Measurement,
    partition: Partition,
    options: TwoTimeOptions,
    broken_off: Literal["mark", "refuse"],
    watch: Callable[[TwoTimeStream], object] | None,
    ended: Callable[[], EarlyEnd | None] | None,
) -> tuple[TwoTime, int, EarlyEnd | None]:
    """The maps, the frames that are missing, and why the exposure was ended where it was."""
    n_frames = measurement.frames.shape[0]
    stream = options.stream(partition, n_frames, measurement.saturation)
    try:
        stream.read(measurement.frames, watch)
    except FrameTimeoutError as error:
        early = None if ended is None else ended()
        if early is not None:
            return _of_early_end(stream, measurement, partition, options), 0, early
        if broken_off == "refuse" or n_frames is None or error.received < MIN_FRAMES:
            raise
        logger.warning("%s; its maps are made of the %d frames that came", error, error.received)
        return _of_first(error.received, measurement, partition, options), n_frames - error.received, None
    early = None
    if ended is not None and n_frames is not None and stream.n_added < n_frames:
        early = ended()
    return stream.result() if early is None else _of_early_end(stream, measurement, partition, options), 0, early


def _of_early_end(
    stream: TwoTimeStream, measurement: Measurement, partition: Partition, options: TwoTimeOptions
) -> TwoTime:
    """The maps of an exposure that was ended, of the frames that the stream has taken."""
    if 2 <= stream.n_added < (stream.n_frames or 0):
        try:
            return _of_first(stream.n_added, measurement, partition, options)
        except (FrameError, OSError) as error:
            logger.warning("%s: its frames cannot be read again (%s)", measurement.origin.name, error)
    return stream.ended_early()


def _of_first(n_frames: int, measurement: Measurement, partition: Partition, options: TwoTimeOptions) -> TwoTime:
    """The maps of the first frames, read again: their weights depend on how many there are."""
    stream = options.stream(partition, n_frames, measurement.saturation)
    stream.read(FirstFrames(measurement.frames, n_frames))
    return stream.result()


def _planned(measurement: Measurement) -> float | None:
    """Seconds that were to be counted."""
    planned, n_frames = measurement.origin.exposure.planned, measurement.frames.shape[0]
    return planned if planned is not None or n_frames is None else n_frames * measurement.frame_time


def _how_it_ended(exposure: Exposure, n_missing: int, early: EarlyEnd | None = None) -> str:
    if early is not None:
        return early.reason
    if n_missing and exposure.ended in ("", "planned"):
        return "stopped"  # the documents did not expect it to be short
    return exposure.ended or ("" if exposure.planned is None else "planned")
