import pytest
from typer.testing import CliRunner

from ainerd_agent.cli.agent import _position, agent


def test_axes_of_any_names_are_read():
    assert _position(["temperature=300", "shear rate=-1e-2"]) == {"temperature": 300.0, "shear rate": -0.01}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "at least one AXIS=VALUE"),
        (["--at", "temperature"], "is no AXIS=VALUE"),
        (["--at", "=3"], "is no AXIS=VALUE"),
        (["--at", "temperature=warm"], "is no AXIS=VALUE"),
        (["--at", "temperature=nan"], "is no AXIS=VALUE"),
        (["--x", "1", "--at", "x=2"], "the axis x is given twice"),
    ],
)
def test_positions_that_are_none_are_refused_before_the_catalog_is_opened(options, said, tmp_path):
    done = CliRunner().invoke(agent, ["edit", "night-1", "--catalog", str(tmp_path / "nowhere"), *options])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
