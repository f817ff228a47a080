"""What `import ainerd_agent` offers, and how soon."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ainerd_agent

HEAVY = (
    "numpy",
    "pydantic",
    "torch",
    "umap",
    "pyFAI",
    "sklearn",
    "matplotlib",
    "tiled",
    "bluesky",
    "ophyd_async",
    "numba",
    "pandas",
)


@pytest.mark.parametrize("name", [name for name in ainerd_agent.__all__ if name != "__version__"])
def test_each_name_is_what_it_says(name):
    found = getattr(ainerd_agent, name)
    assert (getattr(found, "__name__", None) or name).rpartition(".")[2] == name
    assert found.__doc__
    assert name in dir(ainerd_agent)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_like_it"):
        ainerd_agent.nothing_like_it  # noqa: B018


@pytest.mark.parametrize("start", ["import ainerd_agent", "import ainerd_agent.cli.app"])
def test_nothing_heavy_is_imported_at_the_door(start):
    script = f"{start}\nimport sys, json\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


def test_a_room_s_function_is_not_hidden_by_the_module_of_its_name():
    """`two_time` and `ingest` are also names of modules: importing these must not replace the functions."""
    script = (
        "import ainerd_agent\n"
        "import ainerd_agent.scattering.correlation.two_time, ainerd_agent.workflows.ingest\n"
        "print(callable(ainerd_agent.two_time), callable(ainerd_agent.ingest))"
    )
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert answer.stdout.split() == ["True", "True"]
