from pathlib import Path

import pytest

from ainerd_agent.errors import CatalogError
from ainerd_agent.workflows.replay import PastRuns


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"frames": "elsewhere"}, "not 'elsewhere'"),
        ({"documents": Path("run.jsonl"), "source": "http://tiled.example"}, "without a server"),
        ({"documents": Path("run.jsonl"), "frames": "tiled"}, "without a server"),
        ({"documents": [], "uids": ["a"]}, "give all of their runs"),
        ({"documents": [], "plan": "scan"}, "give all of their runs"),
        ({"uids": ["a"], "sample": "gel"}, "uids already say"),
    ],
)
def test_choices_that_contradict_each_other_are_refused(choices, said):
    with pytest.raises(CatalogError, match=said):
        PastRuns(**choices)
