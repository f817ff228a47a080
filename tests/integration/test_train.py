import json

import numpy as np

from ainerd_agent.latent import Encoder
from tests.integration.conftest import ainerd


def test_a_small_model_is_trained_and_used(tmp_path):
    lag = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    real = np.stack([1 + np.exp(-lag / tau) for tau in np.linspace(1, 20, 30)])
    np.savez(tmp_path / "real.npz", c2=real, series=np.repeat(np.arange(10), 3))
    out = tmp_path / "small.safetensors"
    done = ainerd("train", str(out), "--name", "small", "--simulated", "60", "--epochs", "2", "--clusters", "3",
                  "--real", str(tmp_path / "real.npz"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "epoch 2/2" in done.stderr
    metrics = json.loads(out.with_suffix(".json").read_text())
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == [1, 2]
    assert metrics["n_real"] == 24  # a fifth of the ten experiments is kept apart
    encoder = Encoder.load(out)
    assert (encoder.name, len(encoder.clusters)) == ("small", 3)
    assert encoder.encode(real, baseline=1.0).shape == (30, 64)
