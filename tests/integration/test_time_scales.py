"""Crops of stored maps: made by a command, found by their duration in seconds, and gone with the maps they are of."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.cli.app import app
from ainerd_agent.errors import CatalogError
from ainerd_agent.latent import Encoder
from ainerd_agent.workflows.time_scales import make_time_scales


def stationary(exposure: float, tau: float, size: int = 256) -> np.ndarray:
    """C2 of a sample in equilibrium, of contrast 0.3."""
    time = (np.arange(size) + 0.5) * exposure / size
    return 0.3 * np.exp(-2 * np.abs(np.subtract.outer(time, time)) / tau)


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of 10 s and of 100 s of the same two samples, and one whose exposure is not known."""
    where = tmp_path_factory.mktemp("scales")
    for name, exposure in (("short", 10.0), ("long", 100.0), ("unknown", math.nan)):
        seconds = 10.0 if math.isnan(exposure) else exposure
        np.save(where / f"{name}.npy", np.stack([stationary(seconds, tau) for tau in (0.8, 8.0)]))
        known = [] if math.isnan(exposure) else ["--duration", str(exposure)]
        invoke("ingest", str(where / f"{name}.npy"), "--out", str(where / "session"), "--sample", name,
               "--baseline", "0", "--contrast", "0.3", *known)  # fmt: skip
    return where


def test_before_they_are_made_it_is_said_how(folder: Path) -> None:
    with open_catalog(str(folder / "session")) as catalog:
        results = catalog.model()
        assert results.time_scales().empty
        assert len(results.time_scales().attrs["without"]) == 3
        with pytest.raises(CatalogError, match="run `ainerd timescales`"):
            results.similar((catalog.uid(-1), 1, 1), seconds=4)


def test_the_same_dynamics_are_neighbours_in_seconds_and_not_in_shapes(folder: Path) -> None:
    session = str(folder / "session")
    told = json.loads(invoke("timescales", "--catalog", session, "--json").splitlines()[-1])
    assert told["measurements_written"] == 6
    assert told["problems"] == []
    again = json.loads(invoke("timescales", "--catalog", session, "--json").splitlines()[-1])
    assert again["measurements_written"] == 0
    with open_catalog(session) as catalog:
        results = catalog.model()
        crops = results.time_scales()
        assert set(crops.loc[crops["seconds"].isna(), "scale"]) == {1.0, 0.5, 0.25, 0.125}
        runs = {row.sample: row.raw_uid for row in results.runs().itertuples()}
        fast = catalog.points(raw_uid=runs["short"]).iloc[0]  # in shapes, the slow one of 100 s looks the same
        others = results.find(sample="long")
        in_seconds = others.similar(fast, 2, seconds=8)
        assert in_seconds["seq_num"].iloc[0] == fast["seq_num"]
        assert in_seconds["seconds"].tolist() == [8.0, 8.0]
        assert others.similar(fast, 2, scale=1)["seq_num"].iloc[0] != fast["seq_num"]
        encoder = Encoder.named(results.name)
        of_map = others.similar(stationary(10.0, 0.8), 1, seconds=8, exposure=10.0, encoder=encoder)
        assert of_map["seq_num"].tolist() == [fast["seq_num"]]
    found = json.loads(
        invoke(
            "find",
            "similar",
            f"{runs['short']}/{fast['seq_num']}/1",
            "--catalog",
            session,
            "--seconds",
            "8",
            "--where",
            "sample=long",
            "--format",
            "json",
        )
    )
    assert [row["seq_num"] for row in found] == in_seconds["seq_num"].tolist()
    assert "from age" in invoke("find", "similar", f"{runs['short']}/1/1", "--catalog", session, "--scale", "0.5")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 3}, "powers of two seconds"),
        ({"scale": 0.3}, "1, 0.5, 0.25, 0.125 of the exposure"),
        ({"scale": 1, "seconds": 4}, "one of the two"),
        ({"seconds": 4, "by": "measurement"}, "points are compared"),
        ({"seconds": 1024}, "No run has crops of 1024 s"),
        ({"seconds": 2}, "has no crops of 2 s; it has those of 1, 0.5, 0.25, 0.125 of the exposure or 64, 32, 16, 8 s"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(folder: Path, options: dict[str, object], message: str) -> None:
    invoke("timescales", "--catalog", str(folder / "session"))
    with open_catalog(str(folder / "session")) as catalog:
        results = catalog.model()
        point = catalog.points(raw_uid=results.find(sample="long").runs()["raw_uid"].iloc[0]).iloc[0]
        with pytest.raises(CatalogError, match=message):
            results.similar(point, **options)


def test_a_map_needs_its_exposure_for_seconds(folder: Path) -> None:
    invoke("timescales", "--catalog", str(folder / "session"))
    with open_catalog(str(folder / "session")) as catalog:
        results = catalog.model()
        with pytest.raises(CatalogError, match="how many seconds a side of it spans"):
            results.similar(stationary(10.0, 1.0), seconds=4)
        with pytest.raises(CatalogError, match=r"no crops of 0\.125 of the exposure"):
            results.similar(stationary(10.0, 1.0, 64), scale=0.125)


def test_other_weights_are_refused(folder: Path) -> None:
    with open_catalog(str(folder / "session")) as catalog:
        results = catalog.model()
        other = Encoder.load("paper-v1")
        with pytest.raises(CatalogError, match="other weights"):
            next(make_time_scales(catalog, results, other))
