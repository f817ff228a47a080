"""Figures over time draw each measurement as long as it lasted."""

from __future__ import annotations

import numpy as np
import pytest

from ainerd_agent.figures.style import new_figure
from ainerd_agent.figures.time_evolution import draw_azimuth, draw_shares

STARTS = np.repeat([0.0, 10.0, 20.0], 2)
LASTED = np.repeat([8.0, 2.0, 5.0], 2)


def widths(duration):
    axes = new_figure(3, 3).subplots()
    draw_shares(axes, STARTS, np.zeros(6, int), 1, duration=duration)
    return [patch.get_width() for patch in axes.patches]


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (LASTED, [8.0, 2.0, 5.0]),
        (4.0, [4.0, 4.0, 4.0]),
        (LASTED * 10, [10.0, 10.0, 50.0]),  # no longer than until the next one
        (np.where(LASTED == 2.0, np.nan, LASTED), [8.0, 10.0, 5.0]),
        (None, [10.0, 10.0, 10.0]),
    ],
)
def test_shares_are_as_wide_as_the_measurements(duration, expected):
    assert widths(duration) == expected


def test_azimuths_are_as_wide_as_the_measurements():
    axes = new_figure(3, 3).subplots()
    azimuth = np.tile([0.0, 180.0], 3)
    assert draw_azimuth(axes, STARTS, azimuth, np.zeros(6, int), 1, duration=LASTED) == (0.0, 25.0)
