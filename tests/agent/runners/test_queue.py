"""What a queue runner refuses before it asks a server for anything; the rest is in tests/integration/test_queue.py."""

import pytest

from ainerd_agent.agent import BeamtimeCost, NoveltyAgent
from ainerd_agent.agent.runners.queue import QueueRunner
from ainerd_agent.agent.runners.queue_server import QueueError, QueueServer
from ainerd_agent.records import Suggestion

ROOM, COST = {"x": (0.0, 1.0), "y": (0.0, 1.0)}, BeamtimeCost(10.0, 1.0)
AGENT = NoveltyAgent(ROOM, COST, model="toy-1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "never"}, "not one of suggest, ask, automatic"),
        ({"mode": "ask"}, "needs a queue server"),
        ({"agent": NoveltyAgent(ROOM, COST, name="night")}, "agent night has no latent model"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        QueueRunner(**{"results": None, "agent": AGENT, "server": None, "record": None, "mode": "suggest", **options})


def test_arguments_that_a_suggestion_gives_are_refused():
    with pytest.raises(ValueError, match="the suggestions give md to the plan"):
        QueueServer(None, "measure", {"md": {}, "sample": "gel"})
    with pytest.raises(QueueError, match="a-1 gives x to the plan, and so do its arguments"):
        QueueServer(None, "measure", {"x": 1.0, "sample": "gel"}).add(
            Suggestion(id="a-1", position={"x": 1.0, "y": 1.0}, reason="")
        )
    server = QueueServer(None, "measure", {"counting": 1.0})
    with pytest.raises(QueueError, match=r"a-1 asks for 0\.2 s of exposure, and the arguments of the plan for 1\.0 s"):
        server.add(Suggestion(id="a-1", position={"x": 1.0, "y": 1.0}, reason="", counting=0.2))


class OneItem:
    """A queue server that keeps what it is given."""

    def item_add(self, item):
        self.item = item
        return {"item": {"item_uid": "1"}}


def test_the_plan_gets_the_axes_by_name_and_the_run_its_sample():
    pytest.importorskip("bluesky_queueserver_api", reason="the extra queue is not installed")
    manager = OneItem()
    where = {"temperature": 300.0, "rate": 2.0}
    QueueServer(manager).add(Suggestion(id="a-1", position=where, reason="", agent="a", sample="gel", well="A1"))
    given = manager.item.kwargs
    assert {name: given[name] for name in where} == where
    assert given["md"] == {"agent": "a", "agent_suggestion": "a-1", "sample": "gel", "well": "A1"}
    QueueServer(manager).add(Suggestion(id="a-2", position=where, reason="", agent="a"))
    assert manager.item.kwargs["md"] == {"agent": "a", "agent_suggestion": "a-2"}
