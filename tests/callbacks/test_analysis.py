import threading

import numpy as np
import pytest

from ainerd_agent.callbacks import AnalysisCallback, Assembler, Failure, InBackground
from ainerd_agent.latent import Analyst, Encoder
from ainerd_agent.records import Analysis
from ainerd_agent.scattering import azimuthal_bins
from ainerd_agent.settings import FileSettings, Settings
from tests.callbacks.conftest import measure


class Notes:
    """A writer that keeps what it is given, and fails where a test asks for it."""

    def __init__(self, fail_on=()):
        self.calls, self.fail_on = [], fail_on

    def open_run(self, run):
        self.calls.append(("open", run.uid))

    def append(self, raw_uid, fingerprints, analyses):
        if analyses[0].origin.seq_num in self.fail_on:
            raise RuntimeError("the writer broke")
        self.calls.append(("append", analyses[0], fingerprints[0]))

    def replace(self, raw_uid, fingerprints, analyses):
        self.calls.append(("replace", analyses[0], fingerprints[0]))

    def record_failure(self, raw_uid, seq_num, message, *, stream="primary", last_seq_num=0):
        self.calls.append(("failure", seq_num, message))

    def close_run(self, raw_uid, status):
        self.calls.append(("close", status))

    def named(self, name):
        return [call for call in self.calls if call[0] == name]


class BrokenEncoder(Encoder):
    """Weights that a map is too much for."""

    def encode_scaled(self, scaled, short_lags=None):
        raise MemoryError("no room for the network")


class Unreachable(Notes):
    """A writer that cannot even begin a run."""

    def open_run(self, run):
        raise ZeroDivisionError("nobody thought of this")


@pytest.fixture(scope="module")
def encoder():
    return Encoder.load()


@pytest.fixture
def make_callback(glass, encoder):
    def make(writer, *, encoder=encoder, **options):
        geometry = glass.camera.geometry
        return AnalysisCallback(
            Assembler(Settings(files=FileSettings(timeout=0.3))),
            lambda shape: azimuthal_bins(geometry, shape),
            Analyst(encoder),
            writer,
            **options,
        )

    return make


def feed(callback, documents):
    for name, doc in documents:
        callback(name, doc)


def test_each_event_is_analysed_and_written(recorded, make_callback):
    writer, outcomes = Notes(), []
    feed(make_callback(writer, on_outcome=outcomes.append), recorded)
    assert [call[0] for call in writer.calls] == ["open", "append", "append", "append", "close"]
    assert writer.calls[-1] == ("close", "success")
    for number, (_, analysis, fingerprints) in enumerate(writer.named("append"), start=1):
        assert analysis.origin == fingerprints.origin
        assert analysis.origin.seq_num == number
        assert fingerprints.c2.shape == (18, 256, 256)
        assert analysis.latents.shape == (18, 64)
        assert analysis.stress.n_samples >= 2
        assert np.isfinite(analysis.stress.mean)
    novelty = [analysis.novelty for _, analysis, _ in writer.named("append")]
    assert np.isnan(novelty[0]).all()
    assert np.isfinite(novelty[1:]).all()
    assert [type(outcome) for outcome in outcomes] == [Analysis] * 3


def test_a_missing_detector_file_is_one_clear_failure(recorded, make_callback, tmp_path):
    for path in (tmp_path / "frames").iterdir():
        path.unlink()
    writer = Notes()
    feed(make_callback(writer), recorded)
    assert [call[1] for call in writer.named("failure")] == [1, 2, 3]
    assert "is not there" in writer.named("failure")[0][2]
    assert writer.calls[-1] == ("close", "success")


def test_a_truncated_detector_file_costs_only_what_it_lost(recorded, make_callback, tmp_path):
    import h5py

    (path,) = (tmp_path / "frames").iterdir()
    with h5py.File(path, "r+") as file:
        file["/entry/data/data"].resize(70, axis=0)
    writer = Notes()
    feed(make_callback(writer), recorded)
    assert [call[1].origin.seq_num for call in writer.named("append")] == [1, 2]
    ((_, number, message),) = writer.named("failure")
    assert number == 3
    assert "gave 6 of 32 frames: its writer has closed it" in message


@pytest.mark.parametrize("wrong", ["negative", "nan", "saturated", "dark"])
def test_frames_that_cannot_be_trusted_are_refused_and_the_rest_is_kept(recorded, make_callback, tmp_path, wrong):
    import h5py

    (path,) = (tmp_path / "frames").iterdir()
    with h5py.File(path, "r+") as file:
        frames = file["/entry/data/data"][:].astype(np.float32)
        frames[40] = {"negative": -1, "nan": np.nan, "saturated": 65535, "dark": 1}[wrong]
        if wrong == "dark":
            frames[32:64] = 0
        del file["/entry/data/data"]
        file["/entry/data/data"] = frames
    writer = Notes()
    feed(make_callback(writer), recorded)
    ((_, number, message),) = writer.named("failure")
    assert number == 2
    said = {"negative": "not negative", "nan": "not a number", "saturated": "ceiling", "dark": "no photon"}
    assert said[wrong] in message
    assert [call[1].origin.seq_num for call in writer.named("append")] == [1, 3]


def test_frames_on_which_a_bin_is_empty_are_refused(recorded, make_callback, tmp_path):
    """Another detector than the geometry is for: half of the ring is off it."""
    import h5py

    (path,) = (tmp_path / "frames").iterdir()
    with h5py.File(path, "r+") as file:
        frames = file["/entry/data/data"][:, :30]
        del file["/entry/data/data"]
        file["/entry/data/data"] = frames
    writer = Notes()
    feed(make_callback(writer), recorded)
    assert len(writer.named("failure")) == 3
    assert "holds no pixel of the 30 x 64 detector" in writer.named("failure")[0][2]


def test_a_run_without_rheometer_has_no_stress(recorded, make_callback):
    quiet = {doc["uid"] for name, doc in recorded if name == "descriptor" and "monitor" in doc["name"]}
    documents = [
        (name, doc) for name, doc in recorded
        if not (name == "descriptor" and doc["uid"] in quiet) and not (name == "event" and doc["descriptor"] in quiet)
    ]  # fmt: skip
    writer = Notes()
    feed(make_callback(writer), documents)
    assert len(writer.named("append")) == 3
    assert np.isnan(writer.named("append")[0][1].stress.mean)


def test_a_writer_that_breaks_costs_one_measurement(recorded, make_callback):
    writer = Notes(fail_on={2})
    callback = make_callback(writer)
    feed(callback, recorded)
    uid = recorded[0][1]["uid"]
    assert isinstance(callback.outcome(uid, 1, timeout=0), Analysis)
    failure = callback.outcome(uid, 2, timeout=0)
    assert isinstance(failure, Failure)
    assert "the writer broke" in failure.message
    assert isinstance(callback.outcome(uid, 3, timeout=0), Analysis)


def test_waiting_for_an_outcome_ends_with_it_or_in_time(recorded, make_callback):
    callback = make_callback(Notes())
    uid = recorded[0][1]["uid"]
    assert "no result within" in callback.outcome(uid, 1, timeout=0.01).message
    waited = []
    thread = threading.Thread(target=lambda: waited.append(callback.outcome(uid, 3, timeout=60)))
    thread.start()
    feed(callback, recorded)
    thread.join()
    assert isinstance(waited[0], Analysis)


def test_an_exception_in_the_analysis_never_stops_a_scan(
    run_engine, documents, beamline_in, glass, tmp_path, make_callback, encoder
):
    """It costs the measurement, says why, and the next one is tried."""
    broken = BrokenEncoder(encoder.network, encoder.clusters, name="broken", repeatability=1.0)
    writer = Notes()
    background = InBackground(make_callback(writer, encoder=broken))
    run_engine.subscribe(background)
    run_engine(measure(beamline_in(glass, tmp_path)))
    background.close()
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert len(documents.events()) == 3
    assert not background.errors
    assert [call[1:] for call in writer.named("failure")] == [
        (number, "MemoryError: no room for the network") for number in (1, 2, 3)
    ]
    assert writer.calls[-1] == ("close", "success")


def test_a_run_whose_beginning_cannot_be_noted_is_analysed_all_the_same(
    run_engine, documents, beamline_in, glass, tmp_path, make_callback, caplog
):
    """Not even an exception that nobody thought of stops a scan."""
    writer = Unreachable()
    background = InBackground(make_callback(writer))
    run_engine.subscribe(background)
    run_engine(measure(beamline_in(glass, tmp_path)))
    background.close()
    assert not background.errors
    assert "could not be noted: nobody thought of this" in caplog.text
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert len(documents.events()) == 3
    assert len(writer.named("append")) == 3  # what can be done is done all the same


def test_a_failure_that_cannot_be_noted_still_lets_the_run_end(recorded, make_callback, tmp_path):
    for path in (tmp_path / "frames").iterdir():
        path.unlink()
    writer = Notes()

    def refuse(*_):
        raise RuntimeError("no")

    writer.record_failure = refuse
    callback = make_callback(writer, on_outcome=refuse)
    feed(callback, recorded)
    assert writer.calls[-1] == ("close", "success")
    assert isinstance(callback.outcome(recorded[0][1]["uid"], 3, timeout=0), Failure)


def test_what_is_taken_up_is_neither_analysed_nor_written(recorded, make_callback):
    writer, outcomes, asked = Notes(), [], []

    def take_up(origin):
        asked.append(origin.seq_num)
        return origin.seq_num == 2

    feed(make_callback(writer, take_up=take_up, on_outcome=outcomes.append), recorded)
    assert asked == [1, 2, 3]
    assert [analysis.origin.seq_num for _, analysis, _ in writer.named("append")] == [1, 3]
    assert [outcome.origin.seq_num for outcome in outcomes] == [1, 3]
