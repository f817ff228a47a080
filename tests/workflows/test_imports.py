import json
import subprocess
import sys

FOREIGN = {"ophyd", "ophyd_async", "bluesky", "tiled", "typer", "ainerd_agent.instrument", "ainerd_agent.cli"}


def test_models_are_trained_and_evaluated_without_an_instrument():
    code = (
        "import json, sys\n"
        "import ainerd_agent.workflows.train\n"
        "with_train = list(sys.modules)\n"
        "import ainerd_agent.workflows.evaluate\n"
        "print(json.dumps([with_train, list(sys.modules)]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with_train, with_both = json.loads(answer.stdout)
    assert "torch" in with_train
    assert FOREIGN.intersection(with_train) == set()
    assert FOREIGN.intersection(with_both) == set()
