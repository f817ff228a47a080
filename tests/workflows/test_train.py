import json
import re

import numpy as np
import pytest

from ainerd_agent.errors import ModelError
from ainerd_agent.latent import Encoder
from ainerd_agent.workflows.real_maps import RealMaps
from ainerd_agent.workflows.train import TrainOptions, train


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Noisy maps of five experiments."""
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    clean = np.stack([1 + np.exp(-lag / tau) for tau in np.repeat(np.geomspace(1, 20, 5), 4)])
    path = tmp_path_factory.mktemp("real") / "real.npz"
    np.savez(path, c2=clean + rng.normal(0, 0.1, clean.shape), series=np.repeat(np.arange(5), 4))
    return path


def test_a_shipped_model_is_fine_tuned_with_progress(real, tmp_path):
    out = tmp_path / "new" / "mine.safetensors"
    options = TrainOptions(begin="lag-v1", simulated=5, n_clusters=3, real=RealMaps(real, contrast=1.0), seed=3)
    progress, messages = [], []
    made = train(out, options, name="autumn", on_progress=progress.append, on_message=messages.append)

    assert (made.encoder.name, made.encoder.architecture, len(made.encoder.clusters)) == ("autumn", "lag", 3)
    assert made.encoder.weights_sha256 == Encoder.load(out).weights_sha256
    assert json.loads(made.metrics_file.read_text()) == made.metrics
    assert made.metrics["from"] == "lag-v1"
    assert (made.metrics["n_maps"], made.metrics["n_real"]) == (21, 16)
    assert not list(out.parent.glob("*checkpoint*"))

    last = {each.stage: each for each in progress}
    assert list(last) == ["simulating maps", "learning what is noise"]
    assert all(each.done == each.total for each in last.values())
    assert [each.done for each in progress if each.stage == "simulating maps"] == [4, 5, 45, 55]
    assert messages == [
        "16 real maps to train on, 4 kept apart", "finding the components of the texture", "finding clusters"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "lag", "simulated": 0}, "nothing to learn from"),
        ({"begin": "nobody"}, "no model at nobody"),
        ({"begin": "lag-v1", "architecture": "paper"}, "lag-v1 is of the architecture lag, not paper"),
        ({"epochs": 3}, "epochs are for the paper's architecture"),
        ({"architecture": "paper", "texture": 0.1}, "no texture of its own"),
        ({"architecture": "lap"}, "no architecture 'lap'"),
        ({"simulated": -1}, "simulated must be at least 0, not -1"),
        ({"n_clusters": 1}, "n_clusters must be at least 2"),
        ({"texture": float("nan")}, "texture must be at least 0"),
    ],
)
def test_what_would_be_ignored_or_cannot_be_learnt_is_refused(options, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        train(tmp_path / "model.safetensors", TrainOptions(**options))
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_needed_to_go_on_and_survives_a_refusal(tmp_path):
    out = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match=re.escape(f"no checkpoint {out.with_suffix('.checkpoint.safetensors')}")):
        train(out, resume=True)
    checkpoint = out.with_suffix(".checkpoint.safetensors")
    checkpoint.write_bytes(b"of another training")
    with pytest.raises(ModelError, match="nothing to learn from"):
        train(out, TrainOptions(architecture="lag", simulated=0))
    assert checkpoint.exists()
