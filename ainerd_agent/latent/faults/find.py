"""All that can be found wrong with maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ainerd_agent.latent.faults.fault import Fault
from ainerd_agent.latent.faults.frames import gaps, stripes
from ainerd_agent.latent.faults.order import order_of, structure
from ainerd_agent.latent.faults.symmetry import asymmetric
from ainerd_agent.latent.faults.values import off_scale
from ainerd_agent.records import MapStack

NO_SIGNAL = (1.5, 0.17)
"""Least signal of a map, in units of the noise: this, and this times the logarithm of the side. Noise alone is below in
95 % of cases; the larger a map, the more decays are looked for in it."""

NO_LEVEL = 0.05
"""Of the contrast: a map without noise whose level is less holds nothing."""

ORDERED = 4.0
"""Decay from the diagonal, in units of the noise, from which on the order of frames is not checked further."""

DISORDERED = 0.8
"""A map with a level but less decay than this shows no order, unless the level is that of a sample at rest."""

CLEAR_LEVEL = 4.0
"""Mean of a map in units of its noise from which there is some correlation."""

AT_REST = 0.9
"""Mean level of a map, in units of the contrast, from which nothing need decay."""

STRUCTURED = 1.2
"""Largest eigenvalue, in that of white noise, from which a map has structure, in whatever order its frames are."""

PER_STRUCTURE = 8.0
"""How much more decay is asked for of a map, the more structure it has."""

INVERTED = 4.5
"""A rise from the diagonal, in units of the noise, that no dynamics has."""

LARGEST = 1e6
"""Contrasts that no map has."""

OUT_OF_BOUNDS = Fault("scale off: values of more than a million contrasts")
NOT_SYMMETRIC = Fault("not symmetric")
NOISE = Fault("white noise: no correlation, or all of it is gone within one pixel")
SHUFFLED = Fault("frames seem shuffled: correlation does not fall with the lag")
UPSIDE_DOWN = Fault("upside down: correlation rises from the diagonal")


def find_faults(maps: MapStack) -> list[tuple[Fault, ...]]:
    """What is wrong with each map; nothing, as a rule.

    Parameters
    ----------
    maps : ndarray of float32, shape (n, size, size)
        Of any size from 8, not resized; baseline 0 and contrast 1, the diagonal replaced by what stands beside it.

    Returns
    -------
    list of tuple of Fault
        Of each map. What spoils a map for the later checks ends them: a map that is not symmetric is not looked at
        further, frames that are missing are not called stripes, and noise has no scale.
    """
    found: list[tuple[Fault, ...]] = [()] * len(maps)
    open_ones = np.arange(len(maps))
    for check in CHECKS:
        faults = check(maps[open_ones] if len(open_ones) < len(maps) else maps)
        for index, fault in zip(open_ones, faults, strict=True):
            found[index] = () if fault is None else (fault,)
        open_ones = open_ones[[fault is None for fault in faults]]
        if not len(open_ones):
            break
    return found


def _possible(maps: MapStack) -> list[Fault | None]:
    """Values so large that nothing can be computed with them."""
    return [OUT_OF_BOUNDS if each > LARGEST else None for each in np.abs(maps).max(axis=(1, 2))]


def _symmetry(maps: MapStack) -> list[Fault | None]:
    return [NOT_SYMMETRIC if each else None for each in asymmetric(maps)]


def _order(maps: MapStack) -> list[Fault | None]:
    """Noise, a wrong order of the frames, and a map upside down."""
    order = order_of(maps)
    doubtful = (order.decay < ORDERED) & (order.noise > 0)
    largest, smallest = np.zeros(len(maps)), np.zeros(len(maps))
    if doubtful.any():
        largest[doubtful], smallest[doubtful] = structure(maps[doubtful])
    turned = doubtful & ((order.rise > INVERTED) & (order.rise > 2 * order.decay) | (-smallest > STRUCTURED))
    moved = order.decay - PER_STRUCTURE * np.maximum(largest - 1, 0) < DISORDERED
    correlated = (order.level > CLEAR_LEVEL * order.noise / _root_of_pairs(maps)) & (order.level < AT_REST)
    shuffled = doubtful & ((largest > STRUCTURED) | moved & correlated)
    bare = (order.noise == 0) & (np.abs(order.level) < NO_LEVEL)
    empty = bare | doubtful & (order.signal < NO_SIGNAL[0] + NO_SIGNAL[1] * np.log(maps.shape[-1]))
    reasons = ((turned, UPSIDE_DOWN), (shuffled, SHUFFLED), (empty, NOISE))
    return [next((fault for where, fault in reasons if where[index]), None) for index in range(len(maps))]


def _root_of_pairs(maps: MapStack) -> float:
    size = maps.shape[-1]
    return float(np.sqrt(size * (size - 1) / 2))


CHECKS: tuple[Callable[[MapStack], list[Fault | None]], ...] = (_possible, _symmetry, gaps, _order, stripes, off_scale)
"""In this order: what a later one would mistake comes first."""
