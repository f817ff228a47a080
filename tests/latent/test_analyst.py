"""What is said about maps that the model does not know."""

import logging

import numpy as np
import pytest

from ainerd_agent.catalog.codec.point_columns import UNLIKE
from ainerd_agent.catalog.codec.points import points_table
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.records import ShearStress
from ainerd_agent.scattering.files.map_files import StoredMaps


@pytest.fixture
def fingerprints():
    lag = np.abs(np.subtract.outer(np.arange(64), np.arange(64))) / 64
    checked = 1.9 * ((np.indices((64, 64)) // 8).sum(axis=0) % 2) - 0.9  # like no dynamics at all
    maps = np.stack([np.exp(-lag / 0.3), checked])
    return list(StoredMaps(maps, {}).fingerprints("run", 0.0, baseline=0.0, contrast=1.0))


def test_maps_unlike_the_training_are_marked_and_the_advice_is_given_once_a_run(encoder, fingerprints, caplog):
    analyst = Analyst(encoder)
    with caplog.at_level(logging.WARNING):
        analyses = analyst.analyse(fingerprints, [ShearStress()] * 2)
        analyst.analyse(fingerprints[1:], [ShearStress()])
    assert [each.unlike.tolist() for each in analyses] == [[False], [True]]
    problems = points_table(fingerprints, analyses)["problems"].to_pylist()
    assert UNLIKE not in problems[0]
    assert problems[1].endswith(UNLIKE)
    advice = [record.message for record in caplog.records if "ainerd train --from" in record.message]
    assert len(advice) == 1
    assert advice[0].startswith("Run run: 1 of 2 maps")


def test_a_model_without_limits_marks_nothing(encoder, fingerprints):
    plain = Encoder(encoder.network, encoder.clusters, name="plain", repeatability=encoder.repeatability)
    assert all(each.unlike is None for each in Analyst(plain).analyse(fingerprints, [ShearStress()] * 2))
