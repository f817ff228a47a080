import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.agent import BeamtimeCost, Disc, LimitError, Limits, NoveltyAgent, Rectangle
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
            limits.check(*spot)
            assert min((np.linalg.norm(spot - other) for other in spots), default=1.0) > 0.2
            spots.append(spot)
            agent.ingest(suggestion, analysed(rng.normal(size=(4, 8)), number))


def test_positions_that_are_refused_are_named():
    limits = Limits(AXES, (Disc(1.0, 0.0, 0.5), Rectangle((3.0, 4.0), (0.0, 1.0))))
    limits.check(2.0, 0.0)
    for x, y, reason in (
        (4.5, 0.0, "outside of the limits"),
        (float("nan"), 0.0, "outside of the limits"),
        (1.2, 0.1, "forbidden region: Disc"),
        (3.0, 0.0, "forbidden region: Rectangle"),
    ):
        with pytest.raises(LimitError, match=reason):
            limits.check(x, y)


def test_spots_that_were_exposed_are_refused_where_they_are_told():
    limits = Limits(AXES, exclusion=0.3)
    exposed = np.array([[1.0, 0.0], [2.0, 0.5]])
    limits.check(1.2, 0.0)
    limits.check(1.4, 0.0, exposed)
    with pytest.raises(LimitError, match=r"\(1\.2, 0\) mm is within 0\.3 mm of a spot that was exposed before"):
        limits.check(1.2, 0.0, exposed)


def test_limits_that_make_no_sense_are_refused():
    for axes, exclusion, reason in (
        ({"x": (0, 1)}, 0.0, "limits of y are missing"),
        ({"x": (1, 1), "y": (0, 1)}, 0.0, "leave no room"),
        ({"x": (0, float("inf")), "y": (0, 1)}, 0.0, "leave no room"),
        (AXES, -1.0, "exclusion radius"),
    ):
        with pytest.raises(ValueError, match=reason):
            Limits(axes, exclusion=exclusion)
    with pytest.raises(ValueError, match="leave no room within"):
        NoveltyAgent(Limits(AXES, (Disc(2.0, 0.0, 5.0),)), COST)


@pytest.mark.situation("limits of an axis that the agent does not move", "refused")
def test_limits_of_an_axis_that_nobody_moves_are_refused():
    with pytest.raises(ValueError, match="limits of z cannot be kept: the agent moves x and y only"):
        Limits({"x": (0.0, 1.0), "y": (0.0, 1.0), "z": (0.0, 1.0)})
