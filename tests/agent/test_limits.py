import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.agent import Axis, BeamtimeCost, Disc, LimitError, Limits, NoveltyAgent, Rectangle
from ainerd_agent.records import Analysis, Origin, ShearStress

AXES = {"x": (0.0, 4.0), "y": (-1.0, 1.0)}
COST = BeamtimeCost(speed=10.0, counting=1.0)
inside = st.floats(0, 4)


def analysed(latents, seq_num):
    n_bins = len(latents)
    return Analysis(
        origin=Origin(raw_uid="run", seq_num=seq_num, start=float(seq_num), stop=seq_num + 1.0),
        latents=np.asarray(latents, dtype=np.float32),
        cluster=np.zeros(n_bins, dtype=np.int64),
        centre_distance=np.zeros(n_bins),
        novelty=np.zeros(n_bins),
        reconstruction_error=np.zeros(n_bins),
        stress=ShearStress(),
    )


def box(x, y, side):
    return Rectangle((x, x + side), (y, y + side))


@settings(deadline=None, max_examples=6)
@given(
    discs=st.lists(st.builds(Disc, inside, st.floats(-1, 1), st.floats(0, 0.6)), max_size=3),
    boxes=st.lists(st.builds(box, inside, st.floats(-1, 1), st.floats(0, 1)), max_size=2),
    seed=st.integers(0, 1000), batch=st.integers(1, 4),
)  # fmt: skip
def test_no_suggestion_is_forbidden_or_exposed_before(discs, boxes, seed, batch):
    limits = Limits(AXES, (*discs, *boxes), exclusion=0.2)
    agent = NoveltyAgent(limits, COST, n_start=3, seed=seed)
    rng = np.random.default_rng(seed)
    spots = []
    for number in range(1, 5):
        for suggestion in agent.suggest_batch(batch):
            spot = np.array([suggestion.position["x"], suggestion.position["y"]])
            limits.check(suggestion.position)
            assert min((np.linalg.norm(spot - other) for other in spots), default=1.0) > 0.2
            spots.append(spot)
            agent.ingest(suggestion, analysed(rng.normal(size=(4, 8)), number))


def test_positions_that_are_refused_are_named():
    limits = Limits(AXES, (Disc(1.0, 0.0, 0.5), Rectangle((3.0, 4.0), (0.0, 1.0))))
    limits.check({"x": 2.0, "y": 0.0})
    for x, y, reason in (
        (4.5, 0.0, "outside of the limits"),
        (float("nan"), 0.0, "outside of the limits"),
        (1.2, 0.1, "forbidden region: Disc"),
        (3.0, 0.0, "forbidden region: Rectangle"),
    ):
        with pytest.raises(LimitError, match=reason):
            limits.check({"x": x, "y": y})


def test_spots_that_were_exposed_are_refused_where_they_are_told():
    limits = Limits(AXES, exclusion=0.3)
    exposed = np.array([[1.0, 0.0], [2.0, 0.5]])
    limits.check({"x": 1.2, "y": 0.0})
    limits.check({"x": 1.4, "y": 0.0}, exposed)
    with pytest.raises(LimitError, match=r"\(1\.2, 0\) mm is within 0\.3 mm of a spot that was exposed before"):
        limits.check({"x": 1.2, "y": 0.0}, exposed)


def test_limits_that_make_no_sense_are_refused():
    for axes, exclusion, reason in (
        ({}, 0.0, "there is no axis"),
        ({"x": (1, 1), "y": (0, 1)}, 0.0, "leave no room"),
        ({"x": (0, float("inf")), "y": (0, 1)}, 0.0, "leave no room"),
        (AXES, -1.0, "exclusion radius"),
    ):
        with pytest.raises(ValueError, match=reason):
            Limits(axes, exclusion=exclusion)
    with pytest.raises(ValueError, match="leave no room within"):
        NoveltyAgent(Limits(AXES, (Disc(2.0, 0.0, 5.0),)), COST)


XYT = {**AXES, "t": Axis(280.0, 320.0, "K", speed=0.1)}


def test_the_same_spot_at_another_temperature_was_exposed_before():
    limits = Limits(XYT)
    exposed = np.array([[1.0, 0.0, 300.0]])
    assert limits.allowed(np.array([[1.05, 0.0, 320.0], [1.2, 0.0, 300.0]]), exposed).tolist() == [False, True]
    assert limits.exclusion_in_words == "0.1 mm"
    with pytest.raises(LimitError, match=r"is within 0\.1 mm of a spot that was exposed before"):
        limits.check({"x": 1.05, "y": 0.0, "t": 320.0}, exposed)


def test_the_exclusion_is_that_of_the_axes_that_count():
    limits = Limits(XYT, exclusion={"x": 0.2, "t": 10.0})
    exposed = np.array([[1.0, 0.0, 300.0]])
    asked = np.array([[1.15, 1.0, 306.0], [1.15, 1.0, 308.0], [1.0, 1.0, 309.0], [1.25, 0.0, 300.0]])
    assert limits.allowed(asked, exposed).tolist() == [False, True, False, True]
    assert limits.exclusion_in_words == "0.2 mm of x, 10 K of t"


def test_without_axes_of_length_nothing_is_measured_twice():
    limits = Limits({"t": Axis(280.0, 320.0, "K"), "rate": Axis(0.1, 10.0, "1/s")})
    exposed = np.array([[300.0, 1.0]])
    assert limits.allowed(np.array([[300.0, 1.0], [300.0, 1.1]]), exposed).tolist() == [False, True]
    with pytest.raises(LimitError, match=r"t 300 K, rate 1 1/s was exposed before"):
        limits.check({"t": 300.0, "rate": 1.0}, exposed)


@pytest.mark.parametrize(
    ("exclusion", "said"),
    [
        ({"z": 0.1}, "the exclusion is on z, and the axes are x, y, t"),
        ({"x": 0.0}, "must be 0 or a length"),
        ({"x": float("nan")}, "must be 0 or a length"),
    ],
)
def test_exclusions_of_axes_that_make_no_sense_are_refused(exclusion, said):
    with pytest.raises(ValueError, match=said):
        Limits(XYT, exclusion=exclusion)
    with pytest.raises(ValueError, match="give it for each axis that counts"):
        Limits({"t": Axis(280.0, 320.0, "K"), "rate": Axis(0.1, 10.0, "1/s")}, exclusion=0.1)


def test_a_measurement_is_elsewhere_beyond_the_exclusion_or_a_share_of_the_range():
    limits = Limits(XYT, exclusion={"x": 0.2})
    asked = {"x": 1.0, "y": 0.0, "t": 300.0}
    for measured, elsewhere in (
        ({}, False),
        ({"x": 1.19, "t": 300.1}, False),
        ({"x": 1.21}, True),
        ({"y": 0.02}, True),
        ({"t": 300.5}, True),
        ({"t": float("nan")}, False),
    ):
        assert limits.is_elsewhere(measured, asked) == elsewhere


@pytest.mark.situation("an axis in another unit without a speed", "refused")
def test_an_axis_whose_speed_is_not_known_is_refused():
    with pytest.raises(ValueError, match="the axis t has no speed, and the 10 of the cost are mm/s: give it one, in K"):
        NoveltyAgent({**AXES, "t": Axis(280.0, 320.0, "K")}, COST)
