"""What the room of scattering offers by its own name."""

import subprocess
import sys

import pytest

from ainerd_agent import scattering


def test_every_name_that_is_public_is_there():
    for name in scattering.__all__:
        assert getattr(scattering, name).__name__ == name
    assert set(scattering.__all__) <= set(dir(scattering))
    with pytest.raises(AttributeError, match="attribute two_times"):
        scattering.two_times  # noqa: B018


def test_what_is_slow_to_import_waits_until_it_is_used():
    told = subprocess.run(
        [sys.executable, "-c", "import sys, ainerd_agent.scattering; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    slow = {"numba", "h5py", "scipy", "torch", "matplotlib", "pyFAI", "tiled"}
    assert not slow & set(told.stdout.split())
