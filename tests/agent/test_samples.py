import json

import numpy as np
import pytest

from ainerd_agent.agent import Axis, Box, Disc, LimitError, Limits, Sample

STAGE = {"x": (0.0, 100.0), "y": (0.0, 30.0)}
HOLDER = (
    Sample(name="gel", axes={"x": (0.0, 10.0)}, measurements=3),
    Sample(name="capillary", axes={"x": (20.0, 20.0), "y": (5.0, 25.0)}, seconds=60.0),
    Sample(name="wells", wells={"A1": {"x": 50.0, "y": 5.0}, "A2": {"x": 59.0, "y": 5.0}}),
)


def test_a_position_lies_on_one_sample_or_on_none():
    limits = Limits(STAGE, samples=HOLDER)
    places = np.array([[5.0, 30.0], [20.0, 10.0], [20.1, 10.0], [59.0, 5.0], [58.9, 5.0]])
    assert limits.sample_numbers(places).tolist() == [0, 1, -1, 2, -1]
    assert limits.allowed(places).tolist() == [True, True, False, True, False]
    assert limits.sample_and_well({"x": 59.0, "y": 5.0}) == ("wells", "A2")
    assert limits.sample_and_well({"x": 5.0, "y": 5.0}) == ("gel", "")
    with pytest.raises(LimitError, match="is on no sample: the samples are gel, capillary, wells"):
        limits.check({"x": 58.9, "y": 5.0})
    assert limits.extent == 30.0  # of the gel, and not of the holder


def test_samples_are_far_apart_from_each_other():
    limits = Limits(STAGE, samples=HOLDER)
    one, other, same = limits.coordinates(np.array([[10.0, 10.0], [20.0, 10.0], [9.0, 10.0]]))
    assert np.linalg.norm(one - other) > 1e6
    assert np.linalg.norm(one - same) == 1.0
    assert limits.distance_in_words(float(np.linalg.norm(one - other))) == ""
    assert limits.distance_in_words(1.0) == "1.0 mm"


def test_a_region_of_one_sample_is_its_own():
    limits = Limits(
        STAGE, (Box({"y": (29.0, 30.0)}),),
        samples=[Sample(name="a", axes={"x": (0.0, 10.0)}, forbidden=(Disc(5.0, 5.0, 1.0),)),
                 Sample(name="b", axes={"x": (20.0, 30.0)})],
    )  # fmt: skip
    assert limits.allowed(np.array([[5.0, 5.0], [25.0, 5.0], [25.0, 29.5]])).tolist() == [False, True, False]
    with pytest.raises(LimitError, match="forbidden region: Disc"):
        limits.check({"x": 5.0, "y": 5.0})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"wells": {}}, "there are no wells"),
        ({"wells": {"A1": {"x": 1.0}}}, "well A1: the position .* lacks y"),
        ({"wells": {"A1": {"x": 1.0, "y": 2.0, "z": 0.0}}}, "well A1: the position .* is on z too"),
        ({"wells": {"A1": {"x": 101.0, "y": 2.0}}}, r"well A1 at \(101, 2\) mm is outside of the limits"),
        ({"wells": {"A1": {"x": float("nan"), "y": 2.0}}}, "outside of the limits"),
        (
            {"wells": {"A1": {"x": 1.0, "y": 2.0}, "A2": {"x": 1.0, "y": 2.0}}},
            r"the wells A1 and A2 are at the same position, \(1, 2\) mm",
        ),
        (
            {"wells": {"A1": {"x": 1.0, "y": 2.0}}, "forbidden": (Disc(1.0, 2.0, 1.0),)},
            "well A1 .* is in a forbidden region",
        ),
        ({"wells": {"A1": {"x": 1.0, "y": 2.0}}, "samples": HOLDER}, "wells beside samples"),
        ({"samples": (HOLDER[0], HOLDER[0])}, "two samples are called gel"),
        ({"samples": (HOLDER[0], Sample(name="b", axes={"x": (9.0, 12.0)}))}, "the samples gel and b overlap"),
        ({"samples": (HOLDER[0], Sample(name="b", axes={"x": (10.0, 10.0)}))}, "gel and b overlap"),
        ({"samples": (HOLDER[0], Sample(name="b", wells={"1": {"x": 5.0, "y": 5.0}}))}, "gel and b overlap"),
        ({"samples": (Sample(name="b", axes={"z": (0.0, 1.0)}),)}, "sample b has limits of z, and the axes are x, y"),
        ({"samples": (Sample(name="b", axes={"x": (90.0, 101.0)}),)}, "sample b reaches from 90.0 to 101.0 on x"),
        ({"samples": (Sample(name="b", axes={"x": (3.0, 2.0)}),)}, "give the lower value first"),
        ({"forbidden": (Box({"z": (0.0, 1.0)}),)}, "is on z, and the axes are x, y"),
    ],
)
@pytest.mark.situation("wells or samples that are missing, outside, overlapping, or there twice", "refused by name")
def test_samples_and_wells_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Limits(STAGE, **options)


@pytest.mark.parametrize("budget", [{"measurements": 0}, {"seconds": 0.0}, {"seconds": -1.0}])
@pytest.mark.situation("a sample whose budget is zero", "refused")
def test_a_budget_of_nothing_is_refused(budget):
    with pytest.raises(ValueError, match=r"gel has a budget of .*: leave the sample out, or give it more than 0"):
        Sample(name="gel", **budget)
    with pytest.raises(ValueError, match="has no name"):
        Sample(name="")


def test_neighbours_may_touch():
    limits = Limits(STAGE, samples=(HOLDER[0], Sample(name="b", axes={"x": (10.0, 12.0)})))
    assert limits.sample_and_well({"x": 10.0, "y": 1.0}) == ("gel", "")


def test_limits_are_made_again_from_their_settings():
    for limits in (
        Limits(STAGE, (Disc(90.0, 1.0, 0.5),), samples=HOLDER),
        Limits({"t": Axis(280.0, 320.0, "K", settle=5.0)}, wells={"cold": {"t": 281.0}, "warm": {"t": 310.0}}),
        Limits({**STAGE, "t": Axis(280.0, 320.0, "K")}, exclusion={"x": 0.2, "t": 1.0}),
        Limits({**STAGE, "t": Axis(280.0, 320.0, "K")}, exclusion=0),
    ):
        settings = json.loads(json.dumps(limits.as_settings()))
        assert Limits.from_settings(settings).as_settings() == limits.as_settings() == settings
