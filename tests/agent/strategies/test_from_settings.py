import tomllib

import pytest
from pydantic import ValidationError

from ainerd_agent.agent import Axis, Ball, Box, Disc, Limits, Rectangle, Sample
from ainerd_agent.agent.strategies.from_settings import agent_from_settings, limits_from_settings
from ainerd_agent.errors import SessionError
from ainerd_agent.settings import AgentSettings, Settings
from ainerd_agent.workflows.queue_agent import QueueAgent
from tests.pages import HOW_TO, blocks_of

HOLDER = """
x = [0.0, 100.0]
y = [0, 30]
forbidden = [{ x = 2.0, y = 1.5, radius = 0.3 }, { x = [90, 91], y = [0, 30] }, { axes = { temperature = [310, 320] } }]
exclusion = { x = 0.2, y = 0.2 }

[axes]
temperature = { low = 280, high = 320, unit = "K", speed = 0.1, settle = 120 }

[samples.gel]
axes = { x = [0.0, 10.0] }
measurements = 20
forbidden = [{ centre = { x = 5, temperature = 300 }, radius = { x = 1, temperature = 5 } }]

[samples.plate]
seconds = 600
wells.A1 = { x = 50, y = 5, temperature = 300 }
wells.A2 = { x = 59, y = 5, temperature = 300 }
"""


def test_a_holder_is_read_from_the_file():
    found = limits_from_settings(AgentSettings(**tomllib.loads(HOLDER)))
    wells = {name: {"x": x, "y": 5.0, "temperature": 300.0} for name, x in (("A1", 50.0), ("A2", 59.0))}
    ball = Ball({"x": 5.0, "temperature": 300.0}, {"x": 1.0, "temperature": 5.0})
    expected = Limits(
        {"x": (0.0, 100.0), "y": (0.0, 30.0), "temperature": Axis(280.0, 320.0, "K", speed=0.1, settle=120.0)},
        (Disc(2.0, 1.5, 0.3), Rectangle((90.0, 91.0), (0.0, 30.0)), Box({"temperature": (310.0, 320.0)})),
        {"x": 0.2, "y": 0.2},
        samples=[
            Sample(name="gel", axes={"x": (0.0, 10.0)}, measurements=20, forbidden=(ball,)),
            Sample(name="plate", wells=wells, seconds=600.0),
        ],
    )
    assert found.as_settings() == expected.as_settings()


def test_the_files_of_the_page_make_agents():
    files = [block.text for block in blocks_of(HOW_TO / "let-an-agent-measure.md", "toml")]
    assert len(files) == 3
    for file in files:
        given = AgentSettings(**tomllib.loads(file)["agent"])
        suggestion = agent_from_settings(given, model="toy-1", repeatability=1.0).suggest()
        assert bool(suggestion.sample) == bool(given.samples)


def test_axes_alone_make_an_agent():
    given = AgentSettings(axes={"rate": {"low": 0.1, "high": 10.0, "unit": "1/s"}}, wells={"slow": {"rate": 0.5}})
    agent = agent_from_settings(given, model="toy-1", repeatability=1.0)
    assert agent.suggest().position == {"rate": 0.5}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "limits of x and y are missing: give x and y"),
        ({"x": (0.0, 1.0)}, "limits of y are missing"),
        ({"x": (0.0, 1.0), "axes": {"t": {"low": 0.0, "high": 1.0}}}, "limits of y are missing"),
        (
            {"x": (0.0, 1.0), "y": (0.0, 1.0), "axes": {"x": {"low": 0.0, "high": 1.0}}},
            r"x is given twice: leave it out of \[agent\.axes\]",
        ),
        ({"x": (0.0, 1.0), "y": (0.0, 1.0), "samples": {"gel": {"measurements": 0}}}, "greater than 0"),
    ],
)
def test_settings_without_axes_or_with_two_of_a_name_are_refused(given, said):
    with pytest.raises(ValidationError, match=said):
        AgentSettings(**given)


def test_what_does_not_go_together_is_said_before_anything_starts():
    room = {"x": (0.0, 1.0), "y": (0.0, 1.0)}
    for more, said in (
        ({"forbidden": [{"x": (0.0, 1.0), "y": (0.0, 1.0)}]}, "leave no room within the limits"),
        ({"wells": {"A1": {"x": 2.0, "y": 0.0}}}, r"well A1 at \(2, 0\) mm is outside of the limits"),
        ({"axes": {"t": {"low": 1.0, "high": 2.0, "unit": "K"}}}, "the axis t has no speed"),
    ):
        with pytest.raises(SessionError, match=f"cannot be made: .*{said}"):
            QueueAgent.from_settings(Settings(agent=AgentSettings(**room, **more)), mode="suggest")
