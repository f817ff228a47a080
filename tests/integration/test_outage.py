"""Tiled goes away in the middle of a session: the scan goes on, and nothing is lost."""

from tiled.queries import Key

from ainerd_agent.callbacks import Failure
from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.instrument.experiment import simulated_experiment
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.live import live_analysis
from ainerd_agent.workflows.session import Listeners, SessionOptions, run_session


def test_a_session_survives_the_server(tmp_path):
    options = SessionOptions(measurements=7, frames=40, folder=tmp_path, seed=2, detector=(64, 64))
    experiment = simulated_experiment(options.detector, frames=options.frames, seed=options.seed)
    server = TiledServer(tmp_path)
    outcomes = []

    def settled(outcome):
        outcomes.append(outcome)
        if len(outcomes) == 3:
            server.close()

    with connect(server.uri, create=True) as catalog:
        result = run_session(catalog, options, experiment, Settings(), Listeners(settled=settled))
    assert result.status == "success"
    assert len(outcomes) == 7
    assert not any(isinstance(outcome, Failure) for outcome in outcomes)
    assert result.undelivered > 0
    assert list((tmp_path / "unsent" / "raw").iterdir())

    with TiledServer(tmp_path) as again:
        root = connect(again.uri)
        geometry = experiment.camera.geometry
        assert live_analysis(root, Settings(), tmp_path / "unsent", geometry=geometry).writer.flush() == 0
        (run,) = root["ainerd"][result.model].search(Key("raw_uid") == result.raw_uid).values()
        assert run.metadata["status"] == "success"
        points = run["points"].read()
        assert points["seq_num"].tolist() == [number for number in range(1, 8) for _ in range(18)]
        assert root["xpcs"][result.raw_uid]["c2"].shape[0] == 7
        suggestions = root["ainerd"][result.model]["suggestions"].read()
        assert sorted(suggestions["event"]) == ["measured"] * 7 + ["proposed"] * 7
        root.close()
