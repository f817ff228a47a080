"""Every command of every how-to page is run on a session of the demo, or listed here with the reason why it is not."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ainerd_agent.catalog import open_catalog
from ainerd_agent.cli.app import app
from tests.integration.conftest import ROOT

PAGES = ROOT / "docs" / "how-to"

LINE = re.compile(r"^(?: {4})?((?:[A-Z_]+=\S+ )?(?:\.venv/bin/)?(?:ainerd|python|make|pip|export) .*)$", re.MULTILINE)

ELSEWHERE = {
    "questions-to-ask-your-catalog.md": "test_questions.py runs every line of the page",
    "let-an-agent-measure.md": "needs a queue server: test_agent_page.py and test_queue.py run what the page does",
    "develop.md": "commands of a checkout, which run the tests themselves",
}

NOT_RUN = {
    ".venv/bin/ainerd train mine.safetensors --from lag-v1 --real my-maps.npz --contrast 0.3": "minutes: test_train.py",
    ".venv/bin/ainerd evaluate mine.safetensors --real my-maps.npz --contrast 0.3": "of the model that was trained",
    "AINERD_MODEL=mine.safetensors .venv/bin/ainerd ingest my-maps.npz --contrast 0.3": "of the model that was trained",
    ".venv/bin/ainerd reprocess --catalog ainerd-session --model my-model.safetensors": "a person's own model",
    ".venv/bin/python benchmarks/latent_dimension.py --json dimensions.json": "minutes: trains autoencoders",
    ".venv/bin/ainerd figures my-maps.npz --which dimensions --dimensions dimensions.json": "of what that measured",
    ".venv/bin/ainerd ingest cluster_results/run_results.hdf": "a file of boost_corr: test_exchange.py",
    'pip install "ainerd-agent[dask]"': "installs",
    ".venv/bin/ainerd reprocess --catalog http://tiled.example:8000 --dask tcp://scheduler.example:8786": (
        "a Dask cluster: test_reanalysis.py"
    ),
    ".venv/bin/ainerd analyze --from http://tiled.example:8000/api/v1/metadata/raw --catalog ainerd-session": (
        "another server: test_replay.py"
    ),
    ".venv/bin/ainerd analyze --frames tiled --from http://tiled.example:8000/api/v1/metadata/raw": (
        "another server: test_tiled_frames.py"
    ),
    ".venv/bin/ainerd analyze 3f0b6a5c --catalog http://127.0.0.1:8000": "a uid of somebody's: test_run_names.py",
    ".venv/bin/ainerd ingest my-maps.npz --tiled http://127.0.0.1:8000": "another server: test_ingest.py",
    ".venv/bin/ainerd serve ainerd-session": "goes on for ever: test_session.py",
    ".venv/bin/ainerd serve ainerd-session --port 8000": "goes on for ever: test_session.py",
    "TILED_SINGLE_USER_API_KEY=... .venv/bin/ainerd serve beamtime --create": "goes on for ever: test_session.py",
    "export TILED_API_KEY=...": "a person's own key",
    "export TILED_SINGLE_USER_API_KEY=...": "a person's own key",
    "export AINERD_TILED_API_KEY=...": "a person's own key",
    '.venv/bin/python -c "from ainerd_agent.settings import Settings; print(Settings())"': (
        "settings of a beamline: test_settings.py"
    ),
}
"""Lines that are not run here, and why."""

# Of UMAP on few points, and of the optional parts that it imports.
pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.timeout(400)]


def lines_of(page: str) -> list[str]:
    found = (each.split("#")[0].strip() for each in LINE.findall((PAGES / page).read_text()))
    return [line for line in found if not re.match(r"python -m|python -c '", line)]


WITH_LINES = sorted(page.name for page in PAGES.glob("*.md") if page.name not in ELSEWHERE and lines_of(page.name))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages take for granted: a session, maps, latents beside a rheometer's table, settings."""
    from ainerd_agent.instrument.experiment import simulated_experiment
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.session import Listeners, SessionOptions, run_session

    place = tmp_path_factory.mktemp("how-to")
    folder = place / "ainerd-session"
    options = SessionOptions(measurements=4, frames=32, folder=folder, seed=0, detector=(96, 96))
    experiment = simulated_experiment(options.detector, frames=options.frames, seed=options.seed)
    with open_catalog(str(folder), create=True) as catalog:
        run_session(catalog, options, experiment, Settings(), Listeners())
        raw = catalog["raw"].values().first()
        documents = [json.dumps([name, doc]) for name, doc in raw.documents()]
    (place / "run.jsonl").write_text("\n".join(documents))
    geometry = experiment.camera.geometry
    (place / "ainerd.toml").write_text(
        f"[geometry]\ncentre_row = {geometry.centre[0]}\ncentre_column = {geometry.centre[1]}\n"
        f"distance = {geometry.distance}\n"
    )
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(64), np.arange(64))) / 64
    c2 = np.stack([1 + 0.3 * np.exp(-lag / tau) for tau in np.geomspace(0.05, 3, 60)])
    np.savez(place / "my-maps.npz", c2=c2 + 0.01 * rng.normal(size=c2.shape), series=np.arange(60) % 2)
    start, number = np.repeat(np.arange(40) * 60.0, 18), np.tile(np.arange(1, 19), 40)
    latents = rng.normal(size=(len(start), 64)).astype(np.float32) + np.sin(start / 400)[:, None].astype(np.float32)
    np.savez(place / "latents.npz", latents=latents, start_time_s=start, azimuthal_bin=number)
    time = np.arange(-300.0, 2600.0, 5.0)
    stress = np.where(time < 0, 150.0, 40 * np.exp(-time / 900) + 5 * np.sin(time / 120) + 20)
    rate = np.where(time < 0, 1.0, 1e-6)
    pd.DataFrame({"time": time + 300, "shear_rate": rate, "shear_stress": stress, "viscosity": stress / rate}).to_csv(
        place / "rheometer.csv", index=False
    )
    return place


@pytest.fixture
def copy(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same for one page, which may change it."""
    own = tmp_path / "own"
    shutil.copytree(place, own)
    monkeypatch.chdir(own)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.delenv("AINERD_MODEL", raising=False)
    return own


@pytest.mark.parametrize("page", WITH_LINES)
def test_every_command_runs(page: str, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in lines_of(page):
        if line in NOT_RUN:
            continue
        words = shlex.split(re.sub(r"http://(127\.0\.0\.1|tiled\.example):8000", "ainerd-session", line))
        environment = dict(word.split("=", 1) for word in words[:1] if re.match(r"[A-Z_]+=", word))
        program, *arguments = words[len(environment) :]
        assert program.endswith("ainerd"), line
        result = CliRunner().invoke(app, arguments, env={**os.environ, **environment})
        assert result.exception is None or result.exit_code == 0, (line, result.exception, result.output)


def test_what_is_not_run_is_on_a_page() -> None:
    lines = {line for page in PAGES.glob("*.md") for line in lines_of(page.name)}
    assert set(NOT_RUN) <= lines
    assert set(ELSEWHERE) <= {page.name for page in PAGES.glob("*.md")}
