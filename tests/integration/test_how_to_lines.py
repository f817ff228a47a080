"""Commands and Python of the pages, run on a session of the demo, or listed here with the reason why they are not."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiled.client.context import Context
from typer.testing import CliRunner

from ainerd_agent.catalog import TiledServer, connect, open_catalog
from ainerd_agent.cli.app import app
from ainerd_agent.latent import Encoder
from tests.conftest import connected_beamline, new_run_engine
from tests.pages import HOW_TO, Block, blocks_of, pages_with_blocks, run_block

LINE = re.compile(r"^(?: {4})?((?:[A-Z_]+=\S+ )?(?:\.venv/bin/)?(?:ainerd|python|make|pip|export) .*)$", re.MULTILINE)

ELSEWHERE = {
    "questions-to-ask-your-catalog.md": "test_questions.py runs every line of the page",
    "let-an-agent-measure.md": "needs a queue server: test_agent_page.py and test_queue.py run what the page does",
    "develop.md": "commands of a checkout, which run the tests themselves",
}

NOT_RUN = {
    ".venv/bin/ainerd train mine.safetensors --from ages-v1 --real my-maps.npz --contrast 0.3": "minutes: test_train",
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

REPLACED = {
    "http://127.0.0.1:8000/api/v1?api_key=...": "{uri}",  # as printed
    "http://127.0.0.1:8000": "{address}",  # with the key in TILED_API_KEY
    "http://tiled.example:8000": "{address}",
    'open_catalog("ainerd-session", create=True)': 'open_catalog("{uri}")',  # "or the address of a server"
    "silica 60 %": "simulated glass",  # the sample of the session
    'TrainOptions(begin="ages-v1", real=real)': 'TrainOptions(begin="ages-v1", real=real, simulated=20, n_clusters=3)',
    "simulated=500": "simulated=40",  # so that a training takes seconds
    "n_measurements=8": "n_measurements=2",
}
"""What a reader writes otherwise in Python: addresses, names, and how much. In this order."""

BLOCKS_NOT_RUN = {"from databroker import Broker": "databroker 1.2, in an environment of its own"}
"""Blocks of Python that are not run, by a line of theirs, and why."""

BLOCKS_AT_THE_END = ("analysis.close()",)
"""Lines of blocks that end what the blocks after them use: "before the process ends"."""

REPLACED_IN_COMMANDS = {"--simulated 500": "--simulated 50"}
"""How much a reader of a command simulates, and how much is enough here."""

HOLDS = {
    "README.md": ("len(points) == 72", "c2.shape == (256, 256)", "len(best) == 10", "len(alike)"),
    "choose-clusters.md": (
        "len(found.trials) > 5",
        "found.best in found.trials",
        "Path('autumn.safetensors').exists()",
    ),
    "first-session.md": (
        "len(runs) == 1",
        "len(points) == 72",
        "Path('novel.png').exists()",
        "stress.sizes['time'] > 2",
    ),
    "ingest-your-own-maps.md": ("sum(done.maps_per_cluster) == 20", "len(points) == 20"),
    "reanalyse-past-runs.md": ("done.written == 4", "not done.problem"),
    "relate-dynamics-to-stress.md": ("found.relation.minima.size", "len(points) == 72"),
    "serve-and-query.md": ("len(everything) == 72", "one.shape == (256, 256)", "frame.shape == (96, 96)", "len(mine)"),
    "train-a-model.md": ("latents.shape == (60, 64)", "found.figures"),
    "use-at-a-beamline.md": (
        "len(catalog.runs()) == 3",
        "[each.name for each in (unsent / 'raw').iterdir()] == ['away.delivered']",
    ),
}
"""Pages whose Python is run, and what is true after them."""

# Of UMAP on few points, and of the optional parts that it imports.
pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.timeout(400)]


def lines_of(page: str) -> list[str]:
    found = (each.split("#")[0].strip() for each in LINE.findall((HOW_TO / page).read_text()))
    return [line for line in found if not re.match(r"python -m|python -c '", line)]


WITH_LINES = sorted(page.name for page in HOW_TO.glob("*.md") if page.name not in ELSEWHERE and lines_of(page.name))


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


@pytest.fixture(autouse=True)
def few_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters of the pages are looked for with fewer beginnings: `clusters` and figures try thousands otherwise."""
    for room in ("clusters", "stability"):
        monkeypatch.setattr(f"ainerd_agent.latent.{room}.RESTARTS", 5)


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
        for written, meant in REPLACED_IN_COMMANDS.items():
            line = line.replace(written, meant)
        words = shlex.split(re.sub(r"http://(127\.0\.0\.1|tiled\.example):8000", "ainerd-session", line))
        environment = dict(word.split("=", 1) for word in words[:1] if re.match(r"[A-Z_]+=", word))
        program, *arguments = words[len(environment) :]
        assert program.endswith("ainerd"), line
        result = CliRunner().invoke(app, arguments, env={**os.environ, **environment})
        assert result.exception is None or result.exit_code == 0, (line, result.exception, result.output)


def test_what_is_not_run_is_on_a_page() -> None:
    lines = {line for page in HOW_TO.glob("*.md") for line in lines_of(page.name)}
    assert set(NOT_RUN) <= lines
    assert [
        written for written in REPLACED_IN_COMMANDS if not any(written in line for line in lines - set(NOT_RUN))
    ] == []
    assert set(ELSEWHERE) <= {page.name for page in HOW_TO.glob("*.md")}


def a_beamline(names: dict[str, Any], uri: str, stack: ExitStack) -> None:
    """What a startup file finds: the RunEngine and devices; and a raw run that waits since the server was away."""
    from ainerd_agent.instrument.experiment import simulated_experiment

    names["RE"] = stack.enter_context(new_run_engine())
    experiment = simulated_experiment((96, 96), frames=32, seed=1)
    frames = Path("ainerd-session/frames").resolve()
    # Each reading becomes three rows in Tiled: seldom enough for the test to be short.
    beamline = stack.enter_context(connected_beamline(experiment, frames, rheometer_period=0.5))
    names |= {name: getattr(beamline, name) for name in ("stage", "detector", "rheometer")}
    with connect(uri) as catalog:
        documents = list(catalog["raw"].values().first().documents())
    waiting = Path("unsent/raw")
    waiting.mkdir(parents=True)
    lines = [json.dumps({"name": name, "doc": doc}) for name, doc in documents]
    (waiting / "away.jsonl").write_text("\n".join(lines))


def a_model(names: dict[str, Any], uri: str, stack: ExitStack) -> None:
    """A model of the reader's own."""
    encoder = Encoder.load("ages-v1")
    encoder.name = "my-model"
    encoder.save(Path("my-model.safetensors"))


def maps(names: dict[str, Any], uri: str, stack: ExitStack) -> None:
    """Maps of the reader's own: three windows of two regions of ten experiments."""
    names["maps"] = c2 = np.load("my-maps.npz")["c2"]
    number = np.arange(len(c2))
    np.savez("my-maps.npz", c2=c2, series=number // 6, roi=number // 3 % 2, window=number % 3)


TAKEN_FOR_GRANTED: dict[str, Callable[[dict[str, Any], str, ExitStack], None]] = {
    "reanalyse-past-runs.md": a_model,
    "train-a-model.md": maps,
    "use-at-a-beamline.md": a_beamline,
}


@pytest.fixture
def server(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TiledServer]:
    """The session, served as `ainerd serve` does, with its address and key where settings and Tiled look for them."""
    with TiledServer(copy / "ainerd-session") as server:
        key = server.uri.rpartition("=")[2]
        for variable, value in {
            "AINERD_TILED_URI": server.address, "AINERD_TILED_API_KEY": key, "TILED_API_KEY": key
        }.items():  # fmt: skip
            monkeypatch.setenv(variable, value)
        yield server


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes what a page leaves to the end of the process, as people at a prompt do."""
    begin, begun = Context.__init__, list[Context]()

    def noted(context: Context, *arguments: Any, **options: Any) -> None:
        begin(context, *arguments, **options)
        begun.append(context)

    monkeypatch.setattr(Context, "__init__", noted)
    yield
    for context in begun:
        context.http_client.close()


def in_order(page: str) -> list[Block]:
    blocks = [
        block for block in blocks_of(pages_with_blocks()[page]) if not BLOCKS_NOT_RUN.keys() & block.text.splitlines()
    ]
    return sorted(blocks, key=lambda block: bool({*BLOCKS_AT_THE_END} & {*block.text.splitlines()}))


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize("page", HOLDS)
def test_python_runs_block_after_block(page: str, server: TiledServer) -> None:
    names: dict[str, Any] = {}
    with ExitStack() as stack:
        if page in TAKEN_FOR_GRANTED:
            TAKEN_FOR_GRANTED[page](names, server.uri, stack)
        for block in in_order(page):
            text = block.text
            for written, meant in REPLACED.items():
                text = text.replace(written, meant.format(uri=server.uri, address=server.address))
            for line, answer in run_block(block, names, text):
                if isinstance(answer, pd.DataFrame | pd.Series):
                    assert len(answer), f"{page}: {line} finds nothing"
        for condition in HOLDS[page]:
            assert eval(condition, {"Path": Path, **names}), f"{page}: not {condition}"  # noqa: S307


def test_blocks_that_are_treated_apart_are_on_a_page() -> None:
    text = "".join(block.text for page in HOLDS for block in blocks_of(pages_with_blocks()[page]))
    assert {*BLOCKS_NOT_RUN, *BLOCKS_AT_THE_END} <= set(text.splitlines())
    assert [written for written in REPLACED if written not in text] == []
