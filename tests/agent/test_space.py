import math

import numpy as np
import pytest

from ainerd_agent.agent import Axis, LimitError, Space

XYT = {"x": (0.0, 4.0), "y": (-1.0, 1.0), "temperature": Axis(280.0, 320.0, "K", speed=0.1, settle=60.0)}


def test_axes_of_one_unit_are_compared_as_they_are():
    space = Space({"x": (0.0, 4.0), "y": (-1.0, 1.0)})
    places = np.array([[0.1, 0.7]])
    assert space.scaled(places).tolist() == places.tolist()
    assert (space.unit, space.groups) == ("mm", (0, 0))


def test_axes_of_several_units_are_compared_by_their_ranges():
    space = Space(XYT)
    assert space.scales.tolist() == [4.0, 4.0, 40.0]  # x and y keep their proportions
    assert (space.unit, space.groups, space.lengths) == (None, (0, 0, 1), ["x", "y"])
    given = Space({**XYT, "temperature": Axis(280.0, 320.0, "K", scale=5.0)})
    assert given.scales.tolist() == [4.0, 4.0, 5.0]
    apart = Space({"x": (0.0, 4.0), "y": Axis(0.0, 1.0, scale=0.5)})
    assert apart.groups == (0, 1)
    assert apart.scales.tolist() == [4.0, 0.5]


def test_the_slowest_axis_counts_and_settles_where_it_moves():
    space = Space(XYT)
    here = np.array([0.0, 0.0, 300.0])
    there = np.array([[4.0, 1.0, 300.0], [0.0, 0.0, 301.0], [4.0, 0.0, 280.0]])
    assert space.travel(here, there, 2.0).tolist() == [2.0, 70.0, 260.0]


def test_what_cannot_go_back_is_never_reached():
    space = Space({"time": Axis(0.0, 100.0, "s", one_way=True, speed=1.0)})
    assert space.travel(np.array([50.0]), np.array([[49.0], [50.0], [60.0]]), 1.0).tolist() == [math.inf, 0.0, 10.0]
    with pytest.raises(ValueError, match="the axis time cannot be driven back: give it one_way=True"):
        Space({"time": Axis(0.0, 100.0, "s")})


def test_positions_name_all_axes_and_no_others():
    space = Space(XYT)
    position = {"temperature": 300.0, "x": 1.0, "y": 0.5}
    assert space.position(space.array(position)) == position
    assert space.arrays([position, position]).tolist() == [[1.0, 0.5, 300.0]] * 2
    assert space.arrays([]).shape == (0, 3)
    with pytest.raises(LimitError, match="lacks y, temperature"):
        space.array({"x": 1.0})
    with pytest.raises(LimitError, match="is on z too, and the axes are x, y, temperature"):
        space.array({**position, "z": 1.0})
    assert space.in_words(space.array(position)) == "x 1 mm, y 0.5 mm, temperature 300 K"


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({}, "there is no axis"),
        ({"x": (2.0, 1.0)}, r"axis x: limits \(2\.0, 1\.0\) leave no room"),
        ({"x": (0.0, math.nan)}, "leave no room"),
        ({"x": (0.0, 1.0, 2.0, 3.0)}, "axis x"),
        ({"score": (0.0, 1.0)}, "an axis cannot be called score"),
    ],
)
def test_axes_that_make_no_sense_are_refused(axes, said):
    with pytest.raises(ValueError, match=said):
        Space(axes)


@pytest.mark.parametrize(
    ("options", "said"), [({"scale": 0.0}, "scale"), ({"speed": -1.0}, "speed"), ({"settle": -1.0}, "settles")]
)
def test_scales_and_speeds_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Axis(0.0, 1.0, **options)


def test_a_space_is_made_again_from_its_settings():
    for axes in (XYT, {"x": (0, 4)}, {"age": Axis(0.0, 9.0, "s", 2.0, 1.0, 3.0, one_way=True)}):
        space = Space(axes)
        assert Space.from_settings(space.as_settings()).axes == space.axes
    assert Space({"x": (0.0, 4.0), "y": (0.0, 1.0)}).as_settings() == {"axes": {"x": [0.0, 4.0], "y": [0.0, 1.0]}}
