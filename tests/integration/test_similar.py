"""The index of similar points keeps up with the catalog, and with other processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ainerd_agent.catalog import DerivedWriter, ModelIdentity, TiledServer, connect
from ainerd_agent.catalog.read import similar
from ainerd_agent.catalog.read.point_cache import PointFiles
from ainerd_agent.catalog.read.similar import PointIndex
from ainerd_agent.errors import CatalogError, ModelError
from tests.integration.derived_runs import N_BINS, write_run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        root = connect(server.uri, create=True)
        yield root
        root.close()


def filled(root: Any, name: str) -> tuple[Any, DerivedWriter]:
    """A model with two runs, and its writer."""
    writer = root.writer(ModelIdentity(name=name, weights_sha256="ab" * 32, n_clusters=4))
    write_run(writer, f"{name}-a", [{"latent": 1.0}, {"latent": 2.0}], close=False)
    write_run(writer, f"{name}-b", [{"latent": 3.0}])
    return root["ainerd", name], writer


def index(folder: Path) -> PointIndex:
    """As another process has it."""
    return PointIndex(PointFiles(folder, ["test"]))


def distances(index: PointIndex, model: Any, latent: float, k: int = 1) -> list[float]:
    vector = np.full(8, latent, np.float32)
    vector[0] += 0.1
    return [round(float(distance), 4) for distance in index.similar(vector, k, model=model).distance]


def test_only_what_is_new_is_read(root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, writer = filled(root, "grow")
    first = index(tmp_path)
    assert first.sync(model) == 3 * N_BINS
    tables: list[str] = []
    send = model.context.http_client.send

    def counting(request: Any, **options: Any) -> Any:
        tables.extend([request.url.path] if "/table/" in request.url.path else [])
        return send(request, **options)

    monkeypatch.setattr(model.context.http_client, "send", counting)
    assert first.sync(model) == 0
    assert tables == []
    write_run(writer, "grow-a", [{"latent": 4.0}], first=3)
    tables.clear()
    assert first.sync(model) == N_BINS
    assert tables == ["/api/v1/table/partition/ainerd/grow/grow-a/points"]
    tables.clear()
    second = index(tmp_path)
    assert second.sync(model) == 4 * N_BINS
    assert tables == []
    assert distances(first, model, 4.0) == distances(second, model, 4.0) == [0.0]


def test_two_processes_share_an_index(root: Any, tmp_path: Path) -> None:
    model, writer = filled(root, "share")
    one, other = index(tmp_path), index(tmp_path)
    assert one.sync(model) == other.sync(model) == 3 * N_BINS
    write_run(writer, "share-c", [{"latent": 7.0}])
    assert other.sync(model) == N_BINS
    assert one.sync(model) == N_BINS
    write_run(writer, "share-d", [{"latent": 8.0}])
    assert one.sync(model) == N_BINS
    assert distances(other, model, 8.0) == distances(other, model, 7.0) == [0.0]
    assert len(one) == len(other) == 5 * N_BINS


def test_an_interruption_leaves_no_trace(root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = filled(root, "halt")
    monkeypatch.setattr(similar, "COMMIT_ROWS", 1)
    halted = index(tmp_path)
    write = PointFiles._write

    def breaking(files: PointFiles, name: str, *arguments: Any) -> None:
        if name == "rows" and len(files):
            raise OSError(28, "No space left on device")
        write(files, name, *arguments)

    with monkeypatch.context() as full:
        full.setattr(PointFiles, "_write", breaking)
        with pytest.raises(CatalogError, match=r"cannot be used \(No space left"):
            halted.sync(model)
    for again in (index(tmp_path), halted):
        again.sync(model)
        assert len(again) == 3 * N_BINS
        assert distances(again, model, 3.0, 4)[:3] == [0.0, 0.1, 0.2]
    (state,) = tmp_path.glob("state.json")
    state.write_text("nonsense")
    assert index(tmp_path).sync(model) == 3 * N_BINS


def test_what_is_deleted_is_forgotten(root: Any, tmp_path: Path) -> None:
    model, writer = filled(root, "delete")
    kept = index(tmp_path)
    kept.sync(model)
    model.delete_contents("delete-b", recursive=True, external_only=False)
    kept.sync(model)
    assert len(kept) == 2 * N_BINS
    assert distances(kept, model, 3.0) != [0.0]
    write_run(writer, "delete-b", [{"latent": 5.0}])
    assert distances(kept, model, 5.0) == distances(index(tmp_path), model, 5.0) == [0.0]


def test_runs_of_an_earlier_version_are_found_as_well(root: Any, tmp_path: Path) -> None:
    from tiled.utils import patch_mimetypes

    model, writer = filled(root, "old")
    kept = index(tmp_path)
    kept.sync(model)
    write_run(writer, "old-c", [{"latent": 9.0}])
    run = model["old-c"]
    run.patch_metadata({"analysed": None}, content_type=patch_mimetypes.MERGE_PATCH)
    assert "analysed" not in model["old-c"].metadata
    assert kept.sync(model) == N_BINS
    assert distances(kept, model, 9.0) == [0.0]


def test_an_index_belongs_to_a_catalog_and_not_to_its_address(root: Any, tmp_path: Path) -> None:
    model, _ = filled(root, "here")
    elsewhere = connect(
        str(root.tiled.context.api_uri).replace("127.0.0.1", "localhost") + f"?api_key={root.tiled.context.api_key}"
    )
    assert similar.open_index(model, tmp_path) is similar.open_index(elsewhere["ainerd", "here"], tmp_path)
    elsewhere.close()
    other, _ = filled(root, "other")
    assert similar.open_index(other, tmp_path) is not similar.open_index(model, tmp_path)


def test_a_map_is_encoded_by_the_model_of_the_results(
    root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the settings of the current folder say, which may be of another project, or nonsense."""
    from ainerd_agent.latent import Encoder

    monkeypatch.chdir(tmp_path)
    (tmp_path / "ainerd.toml").write_text("nonsense = [")
    monkeypatch.setenv("AINERD_MODEL", "nowhere.safetensors")
    encoder = Encoder.load("paper-v1")
    lag = np.abs(np.subtract.outer(np.arange(64), np.arange(64)))
    maps = np.stack([0.2 * np.exp(-lag / decay) for decay in (3.0, 10.0, 40.0)]).astype(np.float32)
    latents = encoder.encode(maps)
    model = ModelIdentity(name=encoder.name, weights_sha256=encoder.weights_sha256, n_clusters=len(encoder.clusters))
    writer = root.writer(model)
    write_run(writer, "maps", [{"latents": latents}])
    found = root["ainerd", encoder.name].similar(maps[1], 3, folder=tmp_path)
    assert found.bin[0] == 2
    assert found.distance[0] < 1e-3


def test_a_map_needs_the_encoder_of_a_model_that_is_not_shipped(root: Any, tmp_path: Path) -> None:
    model, _ = filled(root, "own-model")
    with pytest.raises(ModelError, match="model own-model, which does not come with ainerd-agent: give its encoder"):
        model.similar(np.eye(16), folder=tmp_path)


def test_distances_in_local_units(root: Any, tmp_path: Path) -> None:
    """Amid many points a small distance is nothing; far out, a larger one still is near."""
    rng = np.random.default_rng(0)
    dense, thin = rng.normal(0, 0.01, (12, 3, 8)), 5 + rng.normal(0, 1, (12, 3, 8))
    writer = root.writer(ModelIdentity(name="local", weights_sha256="ab" * 32, n_clusters=4))
    write_run(writer, "local-a", [{"latents": each.astype(np.float32)} for each in (*dense, *thin)])
    model, asked = root["ainerd", "local"], np.full(8, 2.0, np.float32)
    plain = model.similar(asked, 3, folder=tmp_path)
    local = model.similar(asked, 3, folder=tmp_path, local=10)
    assert plain.seq_num.max() <= 12 < local.seq_num.min()
    assert local.distance.is_monotonic_increasing
    with pytest.raises(CatalogError, match="no neighbour 99 among 72 points"):
        model.similar(asked, 3, folder=tmp_path, local=99)
    with pytest.raises(CatalogError, match="local is for points"):
        model.similar(("local-a", 1), 3, by="measurement", folder=tmp_path, local=10)
