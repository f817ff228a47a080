import pytest

from ainerd_agent.errors import SessionError
from ainerd_agent.settings import AgentSettings, Settings
from ainerd_agent.workflows.queue_agent import QueueAgent, queue_manager

HERE = AgentSettings(x=(0.0, 1.0), y=(0.0, 1.0))


@pytest.mark.parametrize(
    ("agent", "mode", "said"),
    [
        (None, "suggest", r"write a table \[agent\]"),
        (HERE, "ask", "needs a queue server"),
        (HERE, "automatic", "needs"),
    ],
)
def test_settings_that_do_not_do(agent, mode, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SessionError, match=said):
        QueueAgent.from_settings(Settings(agent=agent), mode=mode)


def test_an_agent_that_only_suggests_needs_no_queue_server(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    agent = QueueAgent.from_settings(Settings(agent=HERE), mode="suggest", seed=3)
    assert (agent.settings, agent.manager, agent.mode, agent.seed) == (HERE, None, "suggest", 3)


def test_the_address_of_a_queue_server():
    pytest.importorskip("bluesky_queueserver_api", reason="the extra queue is not installed")
    with pytest.raises(SessionError, match="write tcp://host:60615"):
        queue_manager("localhost:60615")
