"""The architecture "ages", from the options to its file."""

import numpy as np
import pytest

from ainerd_agent.errors import ModelError
from ainerd_agent.latent import Encoder
from ainerd_agent.workflows import train as training
from ainerd_agent.workflows.real_maps import RealMaps
from ainerd_agent.workflows.train import TrainOptions, train


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(training, "AGES_STEPS", 3)
    monkeypatch.setattr(training, "AGES_STEPS_TO_REFINE", 2)
    monkeypatch.setattr(training, "MIN_HELD_OUT", 5)


def test_it_is_trained_and_fine_tuned(few_steps, tmp_path):
    lag = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    clean = np.stack([1 + np.exp(-lag / tau) for tau in np.repeat(np.geomspace(1, 20, 5), 4)])
    real = tmp_path / "real.npz"
    np.savez(real, c2=clean + np.random.default_rng(0).normal(0, 0.1, clean.shape), series=np.repeat(np.arange(5), 4))
    progress, out = [], tmp_path / "ages.safetensors"
    options = TrainOptions(architecture="ages", simulated=24, n_clusters=3, real=RealMaps(real, contrast=1.0))
    made = train(out, options, on_progress=progress.append)
    assert (made.encoder.architecture, len(made.encoder.clusters)) == ("ages", 3)
    assert (made.metrics["n_maps"], made.metrics["n_real"], len(made.metrics["contrast_loss"])) == (40, 16, 3)
    assert not list(tmp_path.glob("*checkpoint*"))
    last = {each.stage: (each.done, each.total) for each in progress}
    assert last["simulating pairs of one g2"] == (6, 6)
    assert last["learning what is noise"] == (3, 3)

    finer = train(tmp_path / "mine.safetensors", TrainOptions(begin=out, simulated=24, n_clusters=2))
    assert finer.encoder.architecture == "ages"
    before, after = (each.network.state_dict() for each in (made.encoder, Encoder.load(finer.file)))
    np.testing.assert_array_equal(before["components"], after["components"])
    np.testing.assert_array_equal(before["decay_spread"], after["decay_spread"])
    assert (before["decay_line.weight"] != after["decay_line.weight"]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"texture": 0.1}, "learns how much its texture counts"),
        ({"epochs": 2}, "the architecture ages learns in steps"),
        ({"simulated": 5}, "at least 8 simulated maps"),
    ],
)
def test_what_it_has_no_use_for_is_refused(options, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        train(tmp_path / "model.safetensors", TrainOptions(architecture="ages", **options))
