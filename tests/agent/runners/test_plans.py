"""The plan on a RunEngine with the simulated beamline; what the analysis would say is given by the test."""

import dataclasses
import threading

import numpy as np
import pytest
from bluesky.utils import FailedStatus, RequestStop, RunEngineInterrupted

from ainerd_agent.agent import (
    BeamtimeCost,
    LimitError,
    Limits,
    NoSuggestionError,
    NoveltyAgent,
    ShortFirst,
    SpotAgent,
)
from ainerd_agent.agent.runners.plans import novelty_scan
from ainerd_agent.agent.runners.threads import in_thread
from ainerd_agent.records import Analysis, Origin, ShearStress, Suggestion


def analysed(raw_uid, seq_num):
    return Analysis(
        origin=Origin(raw_uid=raw_uid, seq_num=seq_num, start=0.0, stop=1.0),
        latents=np.random.default_rng(seq_num).normal(size=(4, 8)).astype(np.float32),
        cluster=np.zeros(4, dtype=np.int64),
        centre_distance=np.zeros(4),
        novelty=np.zeros(4),
        reconstruction_error=np.zeros(4),
        stress=ShearStress(),
    )


@pytest.fixture
def beamline(beamline_in, glass, tmp_path):
    return beamline_in(glass, tmp_path)


@pytest.fixture
def agent():
    # A small part of the sample: travelling takes real time.
    return NoveltyAgent({"x": (1.0, 1.4), "y": (1.0, 1.4)}, BeamtimeCost(10.0, 0.3), n_start=3, seed=1)


def scan(beamline, agent, result_of, n, **options):
    axes = {"x": beamline.stage.x, "y": beamline.stage.y}
    return novelty_scan([beamline.detector], axes, agent, result_of, n_measurements=n, **options)


def test_it_measures_where_the_agent_says(run_engine, documents, beamline, agent):
    recorded = []

    def record(suggestion, event, *, raw_uid, seq_num, novelty):
        recorded.append((suggestion, event, raw_uid, seq_num, novelty))

    run_engine(
        scan(
            beamline, agent, analysed, 5, record=record, monitors=[beamline.rheometer.shear_stress], md={"sample": "a"}
        )
    )
    start = documents.named("start")[0]
    assert start["plan_name"] == "novelty_scan"
    assert start["sample"] == "a"
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert documents.events("rheometer-shear_stress_monitor")
    visited = [(e["data"]["stage-x"], e["data"]["stage-y"]) for e in documents.events()]
    proposed = [tuple(s.position.values()) for s, event, *_ in recorded if event == "proposed"]
    np.testing.assert_allclose(visited, proposed, atol=1e-6)
    measured = [(uid, number) for _, event, uid, number, _ in recorded if event == "measured"]
    assert measured == [(start["uid"], number) for number in range(1, 6)]
    assert np.isfinite([novelty for *_, event, _, _, novelty in recorded if event == "measured"][1:]).all()


def test_it_waits_for_results_only_where_the_agent_needs_them(run_engine, documents, beamline, agent):
    """During the space-filling start nobody waits: the first result may come after the third measurement."""
    third_is_done = threading.Event()

    def watch(name, doc):
        if name == "event" and "stage-x" in doc["data"] and doc["seq_num"] == 3:
            third_is_done.set()

    run_engine.subscribe(watch)

    def result_of(raw_uid, seq_num):
        assert third_is_done.wait(20)
        return analysed(raw_uid, seq_num)

    run_engine(scan(beamline, agent, result_of, 4))
    assert len(documents.events()) == 4


def test_one_spot_is_watched(run_engine, documents, beamline):
    spot = SpotAgent(Limits({"x": (1.0, 1.4), "y": (1.0, 1.4)}), (1.2, 1.3), counting=0.2, shortest=0.1, longest=0.5)
    run_engine(scan(beamline, spot, analysed, 3))
    places = {(round(e["data"]["stage-x"], 6), round(e["data"]["stage-y"], 6)) for e in documents.events()}
    assert places == {(1.2, 1.3)}
    assert len(documents.events()) == 3


def test_other_exposures_need_a_run_of_their_own(run_engine, documents, beamline, agent):
    brief = ShortFirst(agent, short=0.1, long=0.3)
    with pytest.raises(ValueError, match="measure it in a run of its own"):
        run_engine(scan(beamline, brief, analysed, 3))
    assert documents.events() == []


def test_a_failed_measurement_does_not_stop_the_scan(run_engine, documents, beamline, agent):
    events = []
    run_engine(
        scan(
            beamline,
            agent,
            lambda uid, number: None if number == 2 else analysed(uid, number),
            5,
            record=lambda _, event, *, raw_uid, seq_num, novelty: events.append((seq_num, event)),
        )
    )
    assert len(documents.events()) == 5
    assert (2, "failed") in events
    assert (3, "measured") in events


def broken(*_, **__):
    raise OSError("the disk is full")


def outcomes(followed):
    return [(seq_num, event) for _, event, seq_num, _ in followed if event != "proposed"]


@pytest.fixture
def followed():
    return []


@pytest.fixture
def follow(followed):
    return lambda suggestion, event, *, raw_uid, seq_num, novelty: followed.append(
        (suggestion.id, event, seq_num, novelty)
    )


def test_who_cannot_record_the_scan_does_not_stop_it(run_engine, documents, beamline, agent, follow, followed, caplog):
    def sometimes(suggestion, event, **about):
        (broken if (event, about["seq_num"]) in [("proposed", 1), ("measured", 2)] else follow)(
            suggestion, event, **about
        )

    run_engine(scan(beamline, agent, analysed, 4, record=sometimes))
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert len(documents.events()) == 4
    assert outcomes(followed) == [(1, "measured"), (3, "measured"), (4, "measured")]
    told = [record.message for record in caplog.records if record.name.endswith("plans")]
    assert len(told) == 2
    assert told[0].startswith("The event 'proposed' of suggestion ")
    assert told[0].endswith("is not recorded (OSError: the disk is full). The scan goes on.")
    assert "'measured'" in told[1]


def test_a_result_that_cannot_be_had_does_not_stop_the_scan(
    run_engine, documents, beamline, agent, follow, followed, caplog
):
    def result_of(uid, number):
        return (broken if number == 2 else analysed)(uid, number)

    run_engine(scan(beamline, agent, result_of, 4, record=follow))
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert outcomes(followed) == [(1, "measured"), (2, "failed"), (3, "measured"), (4, "measured")]
    (told,) = (record.message for record in caplog.records if record.name.endswith("plans"))
    assert told.startswith("The result of measurement 2 cannot be had, which counts as failed (OSError: ")


def test_what_the_agent_cannot_learn_does_not_stop_the_scan(
    run_engine, documents, beamline, agent, follow, followed, caplog
):
    """Such as latents of another length; they are measured all the same."""
    ingest = agent.ingest
    agent.ingest = lambda suggestion, analysis: (broken if analysis.origin.seq_num == 2 else ingest)(
        suggestion, analysis
    )
    run_engine(scan(beamline, agent, analysed, 4, record=follow))
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert outcomes(followed) == [(number, "measured") for number in range(1, 5)]
    assert [number for _, event, number, novelty in followed if event == "measured" and np.isnan(novelty)] == [1, 2]
    (told,) = (record.message for record in caplog.records if record.name.endswith("plans"))
    assert told.startswith("The agent does not learn what became of suggestion ")


@pytest.mark.parametrize("faculty", ["suggest", "should_stop"])
def test_an_agent_that_breaks_ends_the_scan_in_good_order(
    run_engine, documents, beamline, agent, follow, followed, faculty
):
    """Without a budget to hold to, or a place to go, there is nothing to measure; what was measured is recorded."""
    works = getattr(agent, faculty)
    setattr(agent, faculty, lambda: (broken if len(documents.events()) == 2 else works)())
    with pytest.raises(OSError, match="the disk is full"):
        run_engine(scan(beamline, agent, analysed, 4, record=follow))
    (stop,) = documents.named("stop")
    assert (stop["exit_status"], stop["reason"]) == ("fail", "the disk is full")
    assert len(documents.events()) == 2
    assert outcomes(followed) == [(1, "measured"), (2, "measured")]


def test_a_device_that_fails_leaves_nothing_unsaid(run_engine, documents, beamline, agent, follow, followed):
    """The result of an exposure that was not made is not waited for."""
    asked = []
    suggest = agent.suggest

    def astray():
        suggestion = suggest()
        return (
            dataclasses.replace(suggestion, position={"x": 99.0, "y": 1.0}) if len(documents.events()) else suggestion
        )

    def result_of(uid, number):
        asked.append(number)
        return analysed(uid, number)

    agent.suggest, agent.limits = astray, Limits({"x": (0.0, 100.0), "y": (0.0, 4.0)})
    with pytest.raises(FailedStatus):
        run_engine(scan(beamline, agent, result_of, 3, record=follow))
    assert documents.named("stop")[0]["exit_status"] == "fail"
    assert outcomes(followed) == [(1, "measured")]
    assert asked == [1]


def test_an_abort_ends_the_scan_also_while_it_waits_for_a_result(run_engine, documents, beamline, agent, caplog):
    def aborting(raw_uid, seq_num):
        run_engine.request_pause(defer=False)
        return analysed(raw_uid, seq_num)

    with pytest.raises(RunEngineInterrupted):
        run_engine(scan(beamline, agent, aborting, 5))
    run_engine.abort()
    assert documents.named("stop")[0]["exit_status"] == "abort"
    assert len(documents.events()) == 3
    assert not [record for record in caplog.records if record.name.endswith("plans")]


def test_who_follows_may_ask_for_the_end(run_engine, documents, beamline, agent):
    def enough(suggestion, event, **_):
        if event == "measured":
            raise RequestStop

    run_engine(scan(beamline, agent, analysed, 5, record=enough))
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert len(documents.events()) == 3


def test_a_used_up_sample_ends_the_scan_in_good_order(run_engine, documents, beamline):
    class Exhausted:
        needs_results = False

        def __init__(self):
            self.ingested = 0

        def should_stop(self):
            return ""

        def suggest(self):
            if self.ingested or len(documents.events()) == 1:
                raise NoSuggestionError("used up")
            return Suggestion(id="1", position={"x": 1.0, "y": 1.0}, reason="")

        def ingest(self, suggestion, analysis):
            self.ingested += 1
            return 0.0

    agent = Exhausted()
    run_engine(scan(beamline, agent, analysed, 5))
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert agent.ingested == 1


def test_a_device_that_fails_ends_the_run_as_failed(run_engine, documents, beamline):
    class Astray:
        needs_results = False

        def should_stop(self):
            return ""

        def suggest(self):
            return Suggestion(id="1", position={"x": 99.0, "y": 1.0}, reason="")

    with pytest.raises(FailedStatus):
        run_engine(scan(beamline, Astray(), analysed, 2))
    stop = documents.named("stop")[0]
    assert stop["exit_status"] == "fail"


def test_work_in_a_thread_gives_its_result_and_its_error(run_engine):
    results = []

    def plan():
        results.append((yield from in_thread(threading.get_ident)))
        with pytest.raises(ZeroDivisionError):
            yield from in_thread(lambda: 1 / 0)
        results.append("went on")

    run_engine(plan())
    assert results[0] != threading.get_ident()
    assert results[1] == "went on"


def test_work_in_a_thread_is_done_once_whatever_it_raises(run_engine):
    class Beyond(BaseException):
        """No Exception, as what pytest.fail raises."""

    done = []

    def work():
        done.append(True)
        if len(done) == 1:
            raise Beyond

    def plan():
        with pytest.raises(Beyond):
            yield from in_thread(work)

    run_engine(plan())
    assert len(done) == 1


def test_a_pause_repeats_neither_thoughts_nor_measurements(run_engine, documents, beamline, agent):
    """The RunEngine goes back to the last checkpoint; the agent is asked and told only once per measurement."""
    asked = []
    suggest = agent.suggest

    def counted():
        asked.append(len(documents.events()))
        return suggest()

    agent.suggest = counted

    def pausing(raw_uid, seq_num):
        if seq_num == 2 and not paused:
            paused.append(True)
            run_engine.request_pause(defer=False)
        return analysed(raw_uid, seq_num)

    paused = []
    with pytest.raises(RunEngineInterrupted):
        run_engine(scan(beamline, agent, pausing, 5))
    run_engine.resume()
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert [event["seq_num"] for event in documents.events()] == [1, 2, 3, 4, 5]
    assert len(asked) == 5


def test_the_scan_ends_where_the_agent_says(run_engine, documents, beamline, agent, caplog):
    caplog.set_level("INFO")

    def result_of(uid, number):
        if number == 3:
            agent.stop("the gel has melted")
        return analysed(uid, number)

    run_engine(scan(beamline, agent, result_of, 10))
    assert documents.named("stop")[0]["exit_status"] == "success"
    assert len(documents.events()) == 3
    assert "after 3 measurements: the gel has melted" in caplog.text


def test_a_position_beyond_the_limits_is_not_driven_to(run_engine, documents, beamline, agent):
    """Whoever suggested it."""
    with pytest.raises(LimitError, match="outside of the limits"):
        run_engine(scan(beamline, agent, analysed, 4, limits=Limits({"x": (3.0, 4.0), "y": (3.0, 4.0)})))
    assert documents.named("stop")[0]["exit_status"] == "fail"
    assert not documents.events()


class TwoSpots:
    """Somebody's own agent, which keeps no distance."""

    needs_results = False

    def __init__(self, limits):
        self.limits = limits
        self.left = [(1.0, 1.0), (1.3, 1.0), (1.31, 1.0)]

    def should_stop(self):
        return ""

    def suggest(self):
        x, y = self.left.pop(0)
        return Suggestion(id=str(len(self.left)), position={"x": x, "y": y}, reason="")

    def ingest(self, suggestion, analysis):
        return 0.0


def test_limits_of_the_plan_are_in_addition_to_those_of_the_agent(run_engine, documents, beamline):
    narrow, wide = {"x": (1.0, 1.2), "y": (1.0, 1.4)}, {"x": (1.0, 1.4), "y": (1.0, 1.4)}
    with pytest.raises(LimitError, match=r"\(1\.3, 1\) mm is outside"):
        run_engine(scan(beamline, TwoSpots(Limits(narrow)), analysed, 2, limits=Limits(wide)))
    assert len(documents.events()) == 1


def test_the_exclusion_of_the_plan_is_kept(run_engine, documents, beamline):
    wide = {"x": (1.0, 1.4), "y": (1.0, 1.4)}
    with pytest.raises(LimitError, match=r"\(1\.31, 1\) mm is within 0\.2 mm of a spot that was exposed before"):
        run_engine(scan(beamline, TwoSpots(Limits(wide)), analysed, 3, limits=Limits(wide, exclusion=0.2)))
    assert len(documents.events()) == 2
