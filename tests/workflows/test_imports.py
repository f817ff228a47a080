import subprocess
import sys

import pytest

FOREIGN = {"ophyd", "ophyd_async", "bluesky", "tiled", "typer", "ainerd_agent.instrument", "ainerd_agent.cli"}


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_models_are_trained_and_evaluated_without_an_instrument(name):
    code = f"import sys; import ainerd_agent.workflows.{name}; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in modules
    assert FOREIGN.intersection(modules) == set()
