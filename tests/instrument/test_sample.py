import json

import numpy as np
import pytest

from ainerd_agent.instrument.camera import SpeckleCamera
from ainerd_agent.instrument.experiment import Experiment
from ainerd_agent.instrument.sample import Sample
from ainerd_agent.instrument.stress_relaxation import StressRelaxation
from ainerd_agent.scattering import Geometry


@pytest.fixture(params=range(3))
def experiment(request):
    camera = SpeckleCamera(shape=(64, 64), geometry=Geometry(centre=(31.5, 31.5), distance=3.2))
    return Experiment.random(request.param, camera, duration=1.0)


def test_a_sample_has_phases_boundaries_and_a_rare_region(experiment):
    kinds = experiment.sample.kind_map()
    names, counts = np.unique(kinds, return_counts=True)
    assert len(names) == 7
    share = dict(zip(names, counts / kinds.size, strict=True))
    assert 0.02 < share["heterodyne"] < 0.05
    assert share.pop("heterodyne") < min(share.values())


def test_rates_vary_smoothly_within_a_phase(experiment):
    sample: Sample = experiment.sample
    seed = sample.phases[0].seed
    taus = [sample.dynamics_at(seed[0] + step, seed[1]).tau for step in (0.0, 0.01, 0.02)]
    assert taus[0] != taus[1]
    assert taus[1] / taus[0] == pytest.approx(taus[2] / taus[1], rel=1e-3)


def test_stress_drops_when_the_sample_has_its_avalanches(experiment):
    relaxation = experiment.relaxation
    avalanching = next(p.dynamics for p in experiment.sample.phases if p.dynamics.kind == "avalanches")
    assert avalanching.avalanches == relaxation.avalanches
    for time, depth in zip(relaxation.avalanches, relaxation.drops, strict=True):
        assert relaxation.stress(time) - relaxation.stress(time - 1e-6) == pytest.approx(-depth, rel=1e-3)
        clock = avalanching.clock(np.array([time - 1e-6, time]))
        assert clock[1] - clock[0] == pytest.approx(avalanching.slip, rel=1e-3)


def test_stress_relaxes_after_cessation():
    relaxation = StressRelaxation()
    assert relaxation.stress(-1) == relaxation.flow_stress
    assert relaxation.shear_rate(-1) == 30
    stresses = [relaxation.stress(t) for t in (0, 1, 10, 100, 1e6)]
    assert stresses == sorted(stresses, reverse=True)
    assert stresses[-1] == pytest.approx(relaxation.last_stress, rel=1e-3)
    assert relaxation.viscosity(10) == relaxation.stress(10) / relaxation.shear_rate(10)


def test_exposures_repeat_with_their_number_and_differ_otherwise(experiment):
    first, again, other = (experiment.expose(1.0, 2.0, 0.5, 8, 0.1, number) for number in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_truth_is_kept_aside(experiment, tmp_path):
    experiment.write_truth(tmp_path / "truth.json")
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["relaxation"]["avalanches"] == list(experiment.relaxation.avalanches)
    assert len(truth["sample"]["phases"]) == 6
    assert np.array(truth["kind_map"]).shape == (80, 80)
