"""What is said about maps that the model does not know."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from ainerd_agent.catalog.codec.point_columns import UNLIKE
from ainerd_agent.catalog.codec.points import points_table
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.latent.familiarity import FAR
from ainerd_agent.latent.reasons import advice_for
from ainerd_agent.records import Bins, Exposure, ShearStress
from ainerd_agent.scattering.files.map_files import StoredMaps


@pytest.fixture
def fingerprints():
    lag = np.abs(np.subtract.outer(np.arange(64), np.arange(64))) / 64
    checked = 1.9 * ((np.indices((64, 64)) // 8).sum(axis=0) % 2) - 0.9  # like no dynamics at all
    maps = np.stack([np.exp(-lag / 0.3), checked])
    return list(StoredMaps(maps, {}).fingerprints("run", 0.0, baseline=0.0, contrast=1.0))


def test_maps_unlike_the_training_are_marked_with_reasons_and_the_advice_is_given_once_a_run(
    encoder, fingerprints, caplog
):
    analyst = Analyst(encoder)
    with caplog.at_level(logging.WARNING):
        analyses = analyst.analyse(fingerprints, [ShearStress()] * 2)
        analyst.analyse(fingerprints[1:], [ShearStress()])
    assert [each.unlike.tolist() for each in analyses] == [[False], [True]]
    assert analyses[0].reasons is None
    assert analyses[1].reasons[0].startswith("upside down")
    problems = points_table(fingerprints, analyses)["problems"].to_pylist()
    assert UNLIKE not in problems[0]
    assert problems[1].endswith(f"{UNLIKE}: {analyses[1].reasons[0]}")
    advice = [record.message for record in caplog.records if "are marked" in record.message]
    assert len(advice) == 1
    assert advice[0].startswith("Run run: 1 of 2 maps are marked: upside down")


def test_a_model_without_limits_marks_by_the_maps_alone(encoder, fingerprints):
    plain = Encoder(encoder.network, encoder.clusters, name="plain", repeatability=encoder.repeatability)
    analyses = Analyst(plain).analyse(fingerprints, [ShearStress()] * 2)
    assert [each.unlike.tolist() for each in analyses] == [[False], [True]]


def test_frames_are_those_of_the_movie_where_it_is_known(encoder):
    lag = np.abs(np.subtract.outer(np.arange(64), np.arange(64)))
    gap = np.exp(-lag / 20)
    gap[16:32] = gap[:, 16:32] = 0
    (stored,) = StoredMaps(gap[None], {}).fingerprints("run", 0.0, baseline=0.0, contrast=1.0)
    live = replace(stored, origin=replace(stored.origin, exposure=Exposure(frames=640)))
    told = [Analyst(encoder).analyse([each], [ShearStress()])[0].reasons[0] for each in (stored, live)]
    assert told == [
        "frames 17-32 of the map's 64: gap, nothing but one value",
        "frames 161-320 of 640: gap, nothing but one value",
    ]


def test_only_maps_that_a_model_does_not_know_ask_for_fine_tuning():
    assert advice_for([(), ()]) is None
    assert "fine-tune" not in advice_for([("not symmetric",), ()])
    assert advice_for([(FAR,), ()]).endswith("ainerd train --from MODEL")


@pytest.mark.parametrize("useless", [0.0, -1.0, np.nan])
def test_a_constant_or_useless_map_costs_itself_and_not_those_beside_it(encoder, fingerprints, useless):
    (sound,) = fingerprints[:1]
    beside = replace(
        sound,
        c2=np.concatenate([sound.c2, np.full_like(sound.c2, useless)]),
        contrast=np.append(sound.contrast, useless),
        bins=Bins(q=np.full(2, np.nan), azimuth=np.full(2, np.nan), n_pixels=np.ones(2, np.int64)),
    )
    alone = Analyst(encoder).analyse([sound], [ShearStress()])[0]
    both = Analyst(encoder).analyse([beside], [ShearStress()])[0]
    assert both.unlike.tolist() == [False, True]
    assert np.isfinite(both.latents).all()
    assert both.cluster[0] == alone.cluster[0]
    np.testing.assert_allclose(both.latents[0], alone.latents[0], atol=1e-4)


@pytest.mark.parametrize("ended", ["converged", "recognised", "damaged", "stopped"])
def test_maps_of_exposures_that_ended_early_are_judged_and_do_not_join_the_archive(encoder, fingerprints, ended):
    def exposed(number, why):
        each = fingerprints[number]
        return replace(each, origin=replace(each.origin, exposure=Exposure(ended=why)))

    archive = exposed(0, "planned")
    early, retake = exposed(1, ended), exposed(1, "planned")
    analyst = Analyst(encoder)
    analyst.analyse([archive], [ShearStress()])
    first = analyst.analyse([early, early], [ShearStress()] * 2)
    assert len(analyst.atlas) == 1
    # It was compared with the archive, twice with the same result, since it is not in it.
    assert np.isfinite(first[0].novelty).all()
    np.testing.assert_array_equal(first[0].novelty, first[1].novelty)
    (full,) = analyst.analyse([retake], [ShearStress()])
    np.testing.assert_array_equal(full.novelty, first[0].novelty)
    assert len(analyst.atlas) == 2
    (again,) = analyst.analyse([retake], [ShearStress()])
    assert (again.novelty < full.novelty).all()
