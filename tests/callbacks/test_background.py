import threading

from ainerd_agent.callbacks import InBackground


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
    assert list(background.errors) == ["ValueError: boom"]
    assert "this document was not dealt with: event" in caplog.text


def test_not_even_an_exit_ends_it():
    seen = []

    def callback(name, doc):
        seen.append(doc["n"])
        if doc["n"] == 0:
            raise SystemExit

    background = InBackground(callback)
    background("event", {"n": 0})
    background("event", {"n": 1})
    background.drain()
    assert seen == [0, 1]
    background.close()


def test_documents_after_the_end_do_not_stop_the_scan(caplog):
    background = InBackground(lambda *_: None)
    background.close()
    background.close()
    background("event", {})
    assert "after the callback was closed" in caplog.text


def test_closing_gives_up_on_a_callback_that_hangs(caplog):
    release = threading.Event()
    background = InBackground(lambda *_: release.wait(20))
    background("event", {})
    background.close(timeout=0.05)
    assert "the callback hangs" in caplog.text
    release.set()
    background.close()
