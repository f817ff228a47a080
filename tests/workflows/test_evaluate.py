import json
import shutil

import numpy as np
import pytest

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.held_out import BY_HASH, held_out
from ainerd_agent.latent.model_file import card_of
from ainerd_agent.scattering.files.map_files import StoredMaps, read_maps
from ainerd_agent.workflows.evaluate import evaluate, kept_apart, write_card
from ainerd_agent.workflows.real_maps import RealMaps


@pytest.fixture
def model(tmp_path):
    """A copy of the shipped model, with its card."""
    copy = tmp_path / "copy.safetensors"
    shutil.copy(card_of().with_suffix(".safetensors"), copy)
    shutil.copy(card_of(), card_of(copy))
    return copy


@pytest.fixture
def real(tmp_path):
    """Maps of four experiments, each four times with noise and once without; neighbours share frames."""
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(32), np.arange(32))) / 32
    is_mean = np.tile([False] * 4 + [True], 4)
    clean = np.stack([1 + np.exp(-lag / tau) for tau in np.repeat([0.02, 0.1, 0.5, 3.0], 5)])
    noise = rng.normal(0, 0.05, clean.shape) * ~is_mean[:, None, None]
    path = tmp_path / "real.npz"
    np.savez(path, c2=clean + noise, series=np.repeat(np.arange(4), 5), roi=np.zeros(20), is_mean=is_mean,
             window=np.tile([0, 1, 2, 3, -1], 4))  # fmt: skip
    return path


def test_figures_of_real_maps_and_targets_stand_beside_those_of_the_card(model, real, tmp_path):
    lag = np.abs(np.subtract.outer(np.arange(256), np.arange(256))) / 256
    np.save(tmp_path / "target.npy", np.exp(-lag / 0.2)[None])
    found = evaluate(
        model,
        real=RealMaps(real, contrast=1.0),
        every_series=True,
        target=tmp_path / "target.npy",
        simulated=0,
        pairs=0,
    )
    assert {name for name in found.figures if not name.startswith(("missed", "false_alarms"))} == {
        "retrieval", "retrieval_low", "retrieval_high", "retrieval_scaled", "retrieval_groups", "retrieval_archive",
        "ari", "ari_least", "target_mse", "encoding_ms",
    }  # fmt: skip
    assert found.figures["retrieval_groups"] == 4
    assert found.figures["retrieval"] > 0.9  # four relaxation times, far apart
    assert 0 <= found.figures["missed_scale_real"] <= 1
    assert found.figures["target_mse"] < 0.01
    assert found.on_card == json.loads(card_of().read_text())["figures"]
    assert (found.model, found.weights_sha256) == ("ages-v1", Encoder.load(model).weights_sha256)

    write_card(found)
    written = json.loads(card_of(model).read_text())
    assert written["figures"] == {**found.on_card, **found.figures}
    assert written["weights_sha256"] == found.weights_sha256
    assert Encoder.load(model).name == "ages-v1"


def test_progress_counts_the_simulated_maps(model):
    progress = []
    found = evaluate(model, simulated=30, pairs=0, on_progress=lambda *counted: progress.append(counted))
    assert progress == [(30, 30)]
    assert found.figures["n_maps"] == 30


def test_experiments_are_those_that_the_card_says_were_left_out(real):
    stored = read_maps(real)
    apart, others = kept_apart(stored, {"seed": 3})
    by_seed = set(apart.columns["series"].tolist())
    assert len(by_seed) == 1
    assert by_seed.isdisjoint(others.columns["series"].tolist())
    many = StoredMaps(np.ones((30, 16, 16), np.float32), {"series": np.arange(30)})
    apart, others = kept_apart(many, {"seed": 3, "held_out": BY_HASH})
    assert apart.columns["series"].tolist() == np.flatnonzero(held_out(np.arange(30))).tolist()
    assert len(apart) + len(others) == 30
    with pytest.raises(ModelError, match="held_out: 'by lot'"):
        kept_apart(many, {"held_out": "by lot"})
    with pytest.raises(MapError, match="all maps are of experiments that the model was trained on"):
        kept_apart(many.select(np.arange(30) == 0), {"held_out": BY_HASH})
    with pytest.raises(MapError, match="no column series"):
        kept_apart(StoredMaps(many.maps, {}), {"held_out": BY_HASH})


def test_maps_without_groups_and_damaged_cards_are_refused(model, tmp_path):
    np.save(tmp_path / "maps.npy", np.random.default_rng(0).normal(size=(12, 16, 16)))
    with pytest.raises(MapError, match="retrieval needs the columns series, roi, window"):
        evaluate(model, real=RealMaps(tmp_path / "maps.npy"), simulated=0, pairs=0)
    card_of(model).write_text("[")
    with pytest.raises(ModelError, match="cannot be read"):
        evaluate(model, simulated=0, pairs=0)
