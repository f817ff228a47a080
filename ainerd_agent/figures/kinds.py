"""Kinds of dynamics along time: beside the clusters, which order them by rate."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from ainerd_agent.figures.style import INK, SMALL, new_figure
from ainerd_agent.figures.time_evolution import draw_azimuth, draw_shares, finish
from ainerd_agent.records.analysis import KINDS, UNKNOWN

NAMES = (*KINDS, UNKNOWN)
COLOURS = ("#0072b2", "#56b4e9", "#d55e00", "#cc79a7", "#009e73", "#d9d9d6")
"""Of Okabe and Ito, distinct with any colour vision; kinds have no order. Grey is what is not known."""


def kinds_over_time(
    time: ArrayLike,
    azimuth: ArrayLike,
    kind: ArrayLike,
    *,
    duration: ArrayLike | None = None,
    time_label: str = "Time (s)",
) -> Figure:
    """Draw the share of each kind of dynamics over time, above the kind at each azimuth.

    Parameters
    ----------
    time, azimuth : array_like, shape (n,)
        Start of the measurement (s) and azimuth (degrees) of each C2 map. Of several rings of q, the last one at an
        azimuth is drawn.
    kind : array_like of str, shape (n,)
        Names of `ainerd_agent.records.analysis.KINDS`; any other is "unknown".
    duration : float, array_like of shape (n,), or None
        Seconds that a measurement lasted, the same for all or each its own; None takes it to last until the next one.
    time_label : str
    """
    number = np.array([KINDS.index(each) if each in KINDS else len(KINDS) for each in np.asarray(kind).tolist()])
    figure = new_figure(7.2, 4.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.25))
    span = draw_shares(above, time, number, len(NAMES), duration=duration, colours=COLOURS)
    draw_azimuth(below, time, azimuth, number, len(NAMES), duration=duration, colours=COLOURS)
    finish([above, below], span, np.empty(0), time_label)
    patches = [Patch(facecolor=colour, label=name) for name, colour in zip(NAMES, COLOURS, strict=True)][::-1]
    figure.legend(
        handles=patches, title="Kind", loc="outside right upper", frameon=False, fontsize=SMALL, title_fontsize=SMALL,
        labelcolor=INK,
    )  # fmt: skip
    return figure
