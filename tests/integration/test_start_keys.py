"""What start documents say, as metadata that people search by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ainerd_agent.catalog import Catalog, TiledServer, connect
from ainerd_agent.cli.app import app
from tests.integration.derived_runs import MODEL, write_run

START_KEYS = {
    "proposal": "GUP-81", "cycle": "2026-3", "temperature": 25.5, "operators": ["Ann", "Bo"], "status": "commissioning",
    "model": "theirs", "raw_uid": "no", "cluster_fraction_0": 1.0, "beam": {"energy": 12.5},
}  # fmt: skip


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with TiledServer(tmp_path_factory.mktemp("session")) as server:
        yield server.uri


@pytest.fixture(scope="module")
def catalog(uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    catalog = connect(uri, create=True)
    # As a live session writes.
    writer = catalog.spooled_writer(MODEL, tmp_path_factory.mktemp("unsent"))
    write_run(writer, "with-keys", [{}], metadata=START_KEYS)  # type: ignore[arg-type]
    write_run(writer, "without", [{}])  # type: ignore[arg-type]
    assert writer.flush() == 0
    yield catalog
    catalog.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("proposal", "GUP-81"), ("cycle", "2026-3"), ("temperature", 25.5), ("start_status", "commissioning"),
        ("start_model", "theirs"), ("start_raw_uid", "no"), ("beam.energy", 12.5),
    ],
)  # fmt: skip
def test_runs_are_found_by_keys_of_their_start_documents(uri: str, catalog: Catalog, key: str, value: object) -> None:
    assert catalog.model().find(**{key: value}).runs().raw_uid.tolist() == ["with-keys"]
    assert set(catalog.points(**{key: value}).raw_uid) == {"with-keys"}
    arguments = ["find", "runs", "--where", f"{key}={value}", "--format", "csv", "--columns", "raw_uid"]
    assert CliRunner().invoke(app, [*arguments, "--catalog", uri]).stdout.split() == ["raw_uid", "with-keys"]


def test_reserved_names_are_ours(catalog: Catalog, tmp_path: Path) -> None:
    metadata = catalog.model().run("with-keys").metadata
    assert (metadata["status"], metadata["model"], metadata["raw_uid"]) == ("success", MODEL.name, "with-keys")
    assert metadata["cluster_fraction_0"] == 0.0
    assert metadata["start_cluster_fraction_0"] == 1.0
    assert list(metadata["operators"]) == ["Ann", "Bo"]
    assert catalog.maps("with-keys").metadata["proposal"] == "GUP-81"


def test_they_go_through_an_analysis_again(catalog: Catalog) -> None:
    recalled = catalog.model().records("with-keys").run.metadata
    assert recalled["proposal"] == "GUP-81"
    assert recalled["status"] == "commissioning"
    assert recalled["beam"] == {"energy": 12.5}
