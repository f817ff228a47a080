"""What a wheel holds, built from the checkout and from a source distribution."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(folder: Path, target: str, into: Path) -> Path:
    """Build with the backend that is installed: nothing is fetched."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(into)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    (built,) = into.iterdir()
    return built


def modules_in(checkout: Path) -> set[str]:
    """The modules that a wheel of this checkout must hold."""
    package = {str(path.relative_to(checkout)) for path in (checkout / "ainerd_agent").rglob("*.py")}
    callbacks = {f"ainerd_agent/{path.relative_to(checkout)}" for path in (checkout / "callbacks").rglob("*.py")}
    return package | callbacks


def python_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if name.endswith(".py")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


def test_a_wheel_holds_every_module_and_the_callbacks_inside_the_package(wheel):
    """A checkout without links would leave the callbacks out, and nobody would notice before the first scan."""
    files = python_files(wheel)
    assert files == modules_in(ROOT)
    assert "ainerd_agent/callbacks/analysis.py" in files
    assert {name.partition("/")[0] for name in files} == {"ainerd_agent"}


def test_a_wheel_holds_the_shipped_models(wheel):
    with zipfile.ZipFile(wheel) as archive:
        weights = {name for name in archive.namelist() if name.endswith(".safetensors")}
    assert weights == {f"ainerd_agent/latent/weights/{name}.safetensors" for name in ("ages-v1", "lag-v1", "paper-v1")}


def test_a_source_distribution_makes_the_same_wheel(wheel, tmp_path):
    source = build(ROOT, "sdist", tmp_path / "sdist")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = (path for path in tmp_path.iterdir() if path.name.startswith("ainerd_agent-"))
    again = build(folder, "wheel", tmp_path / "again")
    assert python_files(again) == python_files(wheel)


def test_a_profile_s_own_callbacks_hide_nothing(wheel, tmp_path):
    """`callbacks.py` beside a startup file is found first: the analysis must not depend on that name."""
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    profile = tmp_path / "profile"
    profile.mkdir()
    (profile / "callbacks.py").write_text("mine = True\n")
    script = (
        f"import sys; sys.path[:0] = [{str(profile)!r}, {str(installed)!r}]\n"
        "import callbacks, ainerd_agent\n"
        "from ainerd_agent.callbacks import AnalysisCallback\n"
        "print(callbacks.mine, ainerd_agent.__file__, AnalysisCallback.__module__)\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], cwd=profile, check=True, capture_output=True, text=True)
    assert answer.stdout.split() == [
        "True",
        str(installed / "ainerd_agent" / "__init__.py"),
        "ainerd_agent.callbacks.analysis",
    ]
