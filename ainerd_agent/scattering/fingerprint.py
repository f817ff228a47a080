"""One measurement's frames to its fingerprints."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import FrameTimeoutError
from ainerd_agent.records import (
    BadPixels,
    Bins,
    Exposure,
    Fingerprints,
    FrameSource,
    Measurement,
    NumberedFrames,
    PhotonEvents,
)
from ainerd_agent.scattering.correlation.age_lag import age_average, relaxation_time
from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.computation import Computation
from ainerd_agent.scattering.correlation.g2 import smoothing_of
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.fits.ages import ageing_of
from ainerd_agent.scattering.fits.map_relaxations import fit_maps
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.scattering.quality import assess

if TYPE_CHECKING:
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
        Told after each block; it may look at `TwoTimeStream.partial`.

    Raises
    ------
    FrameError
        Frames that cannot be read or trusted (see `TwoTimeStream`).
    """
    n_frames, n_missing = measurement.frames.shape[0], 0
    stream = options.stream(partition, n_frames, measurement.saturation)
    try:
        stream.read(measurement.frames, watch)
    except FrameTimeoutError as error:
        if broken_off == "refuse" or n_frames is None or error.received < MIN_FRAMES:
            raise
        # The weights depend on the number of frames, so those that came are read again.
        n_missing = n_frames - error.received
        logger.warning("%s; its maps are made of the %d frames that came", error, error.received)
        stream = options.stream(partition, error.received, measurement.saturation)
        stream.read(_First(measurement.frames, error.received))
    result = stream.result()
    duration = result.n_frames * measurement.frame_time
    lags = np.arange(options.size) * duration / options.size
    g2 = 1 + age_average(result.c2)
    aged = None if result.age_lag is None else result.age_lag.in_seconds(measurement.frame_time)
    exposure = replace(
        measurement.origin.exposure,
        frames=result.n_frames,
        frame_time=measurement.frame_time,
        counted=duration,
        ended=_how_it_ended(measurement.origin.exposure, n_missing),
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


def _how_it_ended(exposure: Exposure, n_missing: int) -> str:
    if n_missing and exposure.ended in ("", "planned"):
        return "stopped"  # the documents did not expect it to be short
    return exposure.ended or ("" if exposure.planned is None else "planned")


@dataclass(frozen=True, slots=True)
class _First:
    """The frames of another source that came before it broke off."""

    source: FrameSource
    n_frames: int

    @property
    def shape(self) -> tuple[int | None, int, int]:
        return self.n_frames, *self.source.shape[1:]

    def blocks(self, needed: NDArray[np.bool_] | None = None) -> Iterator[NDArray[Any] | NumberedFrames | PhotonEvents]:
        try:
            yield from self.source.blocks(needed)
        except FrameTimeoutError:
            return
