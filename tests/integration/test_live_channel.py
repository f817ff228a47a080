"""The live channel over real HTTP, as plans and pages ask it."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from ainerd_agent.agent.runners.live_verdicts import LiveVerdicts
from ainerd_agent.errors import SessionError
from ainerd_agent.records.verdict import Verdict
from ainerd_agent.scattering.simulation.dynamics import equilibrium
from ainerd_agent.workflows.live_channel import LiveChannel
from tests.agent.verdicts.looks_of_movies import looks_at


def verdict(exposure: int, look: int, run: str = "run", **more: object) -> Verdict:
    about = {"raw_uid": run, "exposure": exposure, "look": look, "frames": 64, "planned": 640, "time": time.time()}
    return Verdict(**{**about, **more})


@pytest.fixture
def http(channel: LiveChannel) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=channel.address, trust_env=False) as client:
        yield client


def test_a_plan_gets_the_newest_verdict_on_its_exposure(channel, verdicts):
    assert verdicts.latest("run", 1) is None
    channel.decide(verdict(1, 1))
    channel.decide(verdict(1, 2, stop=True, ended="converged", values={"tau_error": float("nan")}))
    found = verdicts.latest("run", 1)
    assert (found.look, found.stop, found.ended) == (2, True, "converged")
    assert np.isnan(found.values["tau_error"])
    assert verdicts.latest("run", 1, after=2) is None
    assert verdicts.latest("run", 2) is verdicts.latest("another", 1) is None
    assert channel.latest("run", 1).look == 2


def test_looks_that_come_late_or_twice_change_nothing(channel, verdicts):
    channel.decide(verdict(1, 3))
    channel.decide(verdict(1, 2, stop=True))
    channel.decide(verdict(1, 3, stop=True))
    assert not verdicts.latest("run", 1).stop
    channel.decide(verdict(2, 1))
    assert verdicts.latest("run", 1) is None  # the newest value only


def test_the_newest_look_comes_with_its_running_maps(channel, http):
    assert http.get("/look").status_code == 204
    for look, _ in looks_at(equilibrium(8.0), 200):
        channel.show(5, look, np.zeros((3, 64), np.float32))
    answer = http.get("/look")
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as found:
        about = json.loads(str(found["about"]))
        np.testing.assert_array_equal(found["c2"], look.c2)
        np.testing.assert_array_equal(found["age_lag_values"], look.age_lag.values)
        np.testing.assert_array_equal(found["g2_error"], look.g2_error)
        np.testing.assert_array_equal(found["q"], look.bins.q)
        assert found["latents"].shape == (3, 64)
    assert (about["exposure"], about["look"], about["frames"], about["planned"]) == (5, look.number, 200, 200)
    assert http.get("/look", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    summary = http.get("/").json()
    assert (summary["run"], summary["exposure"], summary["frames"]) == ("run", 5, 200)


def test_other_questions_are_answered_in_words(http):
    assert "/verdict?run=" in http.get("/verdict", params={"run": "a"}).json()["error"]
    assert http.get("/verdict", headers={"host": "evil.example"}).status_code == 400


def test_a_channel_that_is_silent_gives_no_verdict_and_is_named_once(caplog):
    channel = LiveChannel()
    asked = LiveVerdicts(channel.address)
    channel.close()
    assert asked.latest("run", 1) is asked.latest("run", 1) is None
    assert sum("gives no verdicts" in each.message for each in caplog.records) == 1
    with LiveChannel(channel.port) as again:
        again.decide(verdict(1, 1))
        assert asked.latest("run", 1).look == 1
        with pytest.raises(SessionError, match="cannot be used"):
            LiveChannel(again.port)
    asked.close()


def test_what_is_no_verdict_is_passed_over(channel, verdicts, monkeypatch, caplog):
    channel.decide(verdict(1, 1))
    monkeypatch.setattr(Verdict, "as_plain", lambda self: {"look": "nonsense"})
    assert verdicts.latest("run", 1) is None
    assert "gives no verdicts" in caplog.text


@pytest.mark.parametrize("address", ["https://127.0.0.1:1", "http://beamline.example:1", "127.0.0.1:1"])
def test_only_this_machine_is_asked(address):
    with pytest.raises(ValueError, match="live channel"):
        LiveVerdicts(address)
