"""Readings for a model that was trained without them."""

import json

import numpy as np
import pytest

from ainerd_agent.errors import ModelError
from ainerd_agent.latent import Encoder
from ainerd_agent.workflows.readings import add_readings


def test_a_model_of_an_earlier_version_gets_kinds_and_probabilities(tmp_path):
    out = tmp_path / "with-readings.safetensors"
    before = Encoder.load("lag-v1")
    assert before.repeats is None
    made = add_readings("lag-v1", out, n_dynamics=20)
    assert made.repeats is not None
    assert made.kinds is not None
    assert json.loads(out.with_suffix(".json").read_text())["weights_sha256"] == made.weights_sha256
    maps = np.random.default_rng(0).random((2, 50, 50))
    np.testing.assert_array_equal(made.encode(maps), before.encode(maps))
    np.testing.assert_array_equal(made.clusters.centres, before.clusters.centres)


def test_the_papers_architecture_is_refused(tmp_path):
    with pytest.raises(ModelError, match="the paper's architecture, which has no readings"):
        add_readings("paper-v1", tmp_path / "out.safetensors")
    assert not list(tmp_path.iterdir())
