"""A normalisation as the kernels need it: numbers for the pixels of a layout, in its order."""

from __future__ import annotations

from dataclasses import dataclass

from ainerd_agent.records import FloatArray
from ainerd_agent.scattering.correlation._engine.layout import PixelLayout
from ainerd_agent.scattering.correlation.normalisation import BinnedPixels, Normalisation


@dataclass(frozen=True, slots=True, eq=False)
class Corrections:
    """What is done to raw counts before they are folded, and what they are divided by.

    Attributes
    ----------
    factor : ndarray, shape (N,) or (0,)
        Of each pixel: flat field, and the inverse of a mean image.
    unit_mean : bool
        <I> is one, because counts are divided by a mean image.
    normalisation : Normalisation
        For dead time, ceilings, and the frames that are left out.
    """

    factor: FloatArray
    unit_mean: bool
    normalisation: Normalisation

    @classmethod
    def of(cls, pixels: BinnedPixels, layout: PixelLayout) -> Corrections:
        """Take the pixels in the order of a layout."""
        return cls(pixels.factor(layout.pixels), pixels.image is not None, pixels.normalisation)
