import threading

import pytest

from callbacks import InBackground


def test_documents_arrive_in_order_on_another_thread():
    seen = []
    background = InBackground(lambda name, doc: seen.append((name, doc["n"], threading.get_ident())))
    for number in range(200):
        background("event", {"n": number})
    background.close()
    assert [number for _, number, _ in seen] == list(range(200))
    assert {thread for *_, thread in seen} != {threading.get_ident()}


def test_the_sender_never_waits():
    release = threading.Event()
    background = InBackground(lambda *_: release.wait(10))
    for number in range(1000):
        background("event", {"n": number})
    assert background.waiting >= 999
    release.set()
    background.drain()
    assert background.waiting == 0
    background.close()


def test_an_exception_costs_only_its_own_document(caplog):
    seen = []

    def callback(name, doc):
        if doc["n"] == 1:
            raise ValueError("boom")
        seen.append(doc["n"])

    background = InBackground(callback)
    for number in range(3):
        background("event", {"n": number})
    background.close()
    assert seen == [0, 2]
    assert [str(error) for error in background.errors] == ["boom"]
    assert "this document was not dealt with: event" in caplog.text


def test_a_closed_one_refuses_documents():
    background = InBackground(lambda *_: None)
    background.close()
    background.close()
    with pytest.raises(RuntimeError, match="closed"):
        background("event", {})
