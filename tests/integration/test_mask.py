"""`ainerd mask` of a run that a detector with bad pixels made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bluesky_tiled_plugins import TiledWriter
from numpy.typing import NDArray

from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.cli.mask import mask
from ainerd_agent.errors import CatalogError
from ainerd_agent.scattering import load_mask
from tests.callbacks.conftest import measure
from tests.conftest import PlainExperiment, connected_beamline, new_run_engine


class Flawed(PlainExperiment):
    """A gap value in one pixel, bursts in another one."""

    def frames(self, n_frames: int, exposure: int) -> NDArray[np.uint16]:
        frames = super().frames(n_frames, exposure)
        frames[:, 5, 7] = 65535
        frames[::9, 8, 15] = 900
        return frames


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a catalog, and uid of the run in it."""
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        root, uids = connect(server.uri, create=True), []
        with new_run_engine() as engine, connected_beamline(Flawed(), server.frames) as beamline:
            engine.subscribe(TiledWriter(root["raw"], batch_size=1, max_array_size=0))
            engine.subscribe(lambda name, doc: uids.append(doc["uid"]), "start")
            engine(measure(beamline, sample="glass"))
        root.close()
        yield server.uri, uids[0]


@pytest.mark.parametrize("frames", ["files", "tiled"])
def test_a_run_in_a_catalog_gives_a_mask_and_a_picture(
    recorded: tuple[str, str],
    frames: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    uri, uid = recorded
    mask(run=uid, catalog=uri, out=Path("mask.edf"), frames=frames, most=2, json=True)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(each["row"], each["column"], each["kind"]) for each in told["bad_pixels"]] == [
        (5, 7, "full"),
        (8, 15, "flickering"),
    ]
    assert np.argwhere(load_mask(told["mask"])).tolist() == [[5, 7], [8, 15]]
    assert Path(told["picture"]).stat().st_size > 1000


def test_a_run_that_is_not_there_is_named(
    recorded: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogError, match="No run here is called 'nobody'"):
        mask(run="nobody", catalog=recorded[0], out=Path("mask.npy"), frames="files", most=1, json=False)
