import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import pytest

POSITIONS = [(0.5, 1.0), (1.0, 3.75), (2.25, 0.5)]


def measure(beamline, positions=POSITIONS, **md):
    rheometer = beamline.rheometer

    @bpp.stage_decorator([beamline.detector])
    @bpp.monitor_during_decorator([rheometer.shear_stress, rheometer.shear_rate, rheometer.viscosity])
    @bpp.run_decorator(md=md)
    def plan():
        for x, y in positions:
            yield from bps.mv(beamline.stage.x, x, beamline.stage.y, y)
            yield from bps.trigger_and_read([beamline.detector, beamline.stage.x, beamline.stage.y])

    return plan()


@pytest.fixture
def recorded(run_engine, beamline_in, glass, tmp_path):
    """All documents of a run with three measurements."""
    documents = []

    def keep(name, doc):
        documents.append((name, doc))

    run_engine.subscribe(keep)
    run_engine(measure(beamline_in(glass, tmp_path / "frames"), sample={"name": "glass"}, data_session="pass-1"))
    return documents
