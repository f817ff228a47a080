import json
import math

import numpy as np
import pytest

from ainerd_agent.agent import Ball, Box, Disc, Rectangle
from ainerd_agent.agent.regions import as_settings, check_region, from_settings

AXES = ("x", "y", "t")
REGIONS = [
    Disc(1.0, 1.0, 0.5),
    Rectangle((0.0, 1.0), (2.0, 3.0)),
    Box({"t": (300.0, math.inf)}),
    Ball({"x": 1.0, "t": 300.0}, {"x": 0.5, "t": 10.0}),
    Ball({"x": 1.0, "y": 1.0}, 0.5),
]


def test_regions_reach_over_the_axes_that_they_do_not_name():
    places = np.array([[1.0, 1.4, 280.0], [1.0, 1.6, 280.0], [1.5, 0.0, 300.0], [1.2, 9.0, 305.0]])
    assert REGIONS[0].covers(places, AXES).tolist() == [True, False, False, False]
    assert REGIONS[2].covers(places, AXES).tolist() == [False, False, True, True]
    assert REGIONS[3].covers(places, AXES).tolist() == [False, False, True, True]
    assert REGIONS[4].covers(places, AXES).tolist() == [True, False, False, False]


@pytest.mark.parametrize("region", REGIONS)
def test_regions_are_made_again_from_their_settings(region):
    settings = as_settings(region)
    assert json.loads(json.dumps(settings)) == settings
    assert from_settings(settings) == region
    check_region(region, {"x": "mm", "y": "mm", "t": "K"})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Rectangle((1.0, 0.0), (0.0, 1.0)), "reaches from 1.0 to 0.0 on x: the second must be the larger"),
        (lambda: Box({}), "at least one axis"),
        (lambda: Box({"t": (2.0, math.nan)}), "from 2.0 to nan on t"),
        (lambda: Ball({"x": 1.0}, 0.0), "radii of more than 0"),
        (lambda: Ball({"x": 1.0, "t": 2.0}, {"x": 1.0}), "a radius for each of them"),
        (lambda: from_settings({"region": "Star"}), "one of Disc, Rectangle, Box, Ball"),
        (lambda: from_settings({"region": "Disc", "x": 1.0}), "cannot be made"),
        (lambda: check_region(Box({"z": (0.0, 1.0)}), {"x": "mm"}), "is on z, and the axes are x"),
        (lambda: check_region(Ball({"x": 0.0, "t": 1.0}, 1.0), {"x": "mm", "t": "K"}), "a radius for each axis"),
        (lambda: check_region(REGIONS[0], {"x": "mm", "y": "deg"}), "one radius for axes in mm and deg"),
    ],
)
def test_regions_that_make_no_sense_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
