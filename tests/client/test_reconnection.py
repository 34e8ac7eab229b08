"""States, attempts and delays of the Python client's connection, on a simulated clock."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from rtmon.client.errors import ConnectionLost
from rtmon.core.backoff import Backoff
from tests.client.wire import Wire, kinds


def test_client_sends_queued_messages_in_order_after_a_ten_minute_outage() -> None:
    """Python client reconnects after an outage of ten minutes, resumes its session and
    subscription, and sends queued messages in order.
    """
    wire = Wire(queue_age=900.0, queue_size=700)
    wire.open()
    place = wire.session.places.enter("channel", "news", wire.now)
    subscribe = wire.said()[0]
    wire.say("ack", {"epoch": "e", "offset": 4}, reply_to=subscribe["id"])
    assert place.entered
    start, sent = wire.now, 0
    delay = wire.lose()
    while wire.now < start + 600:
        assert delay is not None
        wire.pass_time(delay)
        wire.send("publish", {"channel": "news", "data": sent})
        sent += 1
        wire.session.connecting()
        delay = wire.session.failed(wire.now, OSError("refused"))
    said = wire.open(offset=9, recovered=True)
    assert kinds(said[:2]) == ["connect", "subscribe"]
    assert said[0]["payload"]["session"] == "first"
    assert said[1]["payload"] == {"channel": "news", "since": {"epoch": "e", "offset": 4}}
    assert [m["payload"]["data"] for m in said if m["type"] == "publish"] == list(range(sent))
    assert sent > 40
    stats = wire.session.stats(wire.now)
    assert stats.downtime == pytest.approx(wire.now - start)
    assert (stats.attempts, stats.reconnects) == (sent + 2, 1)


def test_five_thousand_clients_reconnect_spread_over_time() -> None:
    """All 5,000 Python clients reconnect within 30 s of a connection loss that starts an outage
    of 5 s, and at most 35 % of them in any one second.
    """
    backs = []
    for seed in range(5_000):
        wire = Wire(seed=seed)
        wire.open()
        wire.clock.advance(60)
        gone = wire.now
        delay = wire.session.lost(wire.now, 1006, "")
        while wire.now + (delay or 0) < gone + 5:
            assert delay is not None
            wire.clock.advance(delay)
            delay = wire.session.failed(wire.now, OSError("refused"))
        assert delay is not None
        backs.append(wire.now + delay - gone)
    assert max(backs) < 30
    assert max(Counter(int(back) for back in backs).values()) < 0.35 * 5_000


def test_client_considers_connection_dead_when_no_data_follows_a_ping() -> None:
    """Python client considers its connection dead when no data arrives for
    ``heartbeat_timeout`` after a ping.
    """
    wire = Wire(heartbeat_interval=20.0, heartbeat_timeout=10.0)
    wire.open()
    wire.pass_time(20)
    assert kinds(wire.said()) == ["ping"]
    wire.pass_time(9)
    wire.say("notification", {"title": "alive"})
    wire.pass_time(9.9)
    assert wire.session.dead is None
    wire.pass_time(0.1)
    assert wire.session.dead is not None


def test_client_considers_connection_dead_when_a_ping_cannot_be_written() -> None:
    """Python client considers its connection dead when a ping cannot be written for
    ``heartbeat_timeout``.
    """
    wire = Wire(heartbeat_interval=20.0, heartbeat_timeout=10.0)
    wire.open()
    wire.pass_time(29.9)
    assert wire.session.dead is None
    assert wire.session.due(wire.now) == pytest.approx(wire.now + 0.1)
    wire.pass_time(0.1)
    assert wire.session.dead is not None


@pytest.mark.parametrize(
    ("code", "back"),
    [
        (1000, False),
        (1001, True),
        (1006, True),
        (1008, False),
        (1013, True),
        (4000, True),
        (4499, True),
        (4500, False),
    ],
)
def test_close_code_decides_whether_client_reconnects(code: int, back: bool) -> None:  # noqa: FBT001
    """Python client reconnects or closes depending on the close code, and fails its pending
    requests when it closes.
    """
    wire = Wire()
    wire.open()
    answers: list[Any] = []
    wire.send("history", {}, answers)
    assert (wire.lose(code) is not None) is back
    assert [c.what for c in wire.changes()][1:] == ["close"] + [] * back + ["gave_up"] * (not back)
    assert len(answers) == (not back)
    assert wire.session.lifecycle.state == ("reconnecting" if back else "closed")
    close = wire.changes()[1]
    assert (close.state, close.delay is None) == (wire.session.lifecycle.state, not back)


@pytest.mark.parametrize("code", [1000, 1008, 4001, 4002, 4500, 4501, 4502])
def test_on_close_and_on_gave_up_get_the_fatal_close_code(code: int) -> None:
    """Python client calls ``on_close`` with state ``closed`` and no delay, and ``on_gave_up``
    with the same code, after a fatal close code.
    """
    wire = Wire()  # Without a token, the client cannot refresh it.
    wire.open()
    assert wire.lose(code) is None
    _, close, end = wire.changes()
    assert (close.what, close.state, close.code, close.delay) == ("close", "closed", code, None)
    assert (end.what, end.state, end.code) == ("gave_up", "closed", code)
    assert wire.session.stats(wire.now).downtime == 0


@pytest.mark.parametrize("fatal", [True, False])
def test_on_error_gets_state_closed_for_the_last_connection_attempt(fatal: bool) -> None:  # noqa: FBT001
    """Python client calls ``on_error`` with state ``closed`` for its last connection attempt,
    fatal or not.
    """
    wire = Wire(backoff=Backoff(attempts=0))
    wire.session.connecting()
    wire.session.failed(wire.now, OSError("refused"), fatal=fatal)
    wire.events += wire.session.take_events()
    assert [(each.what, each.state) for each in wire.changes()] == [
        ("error", "closed"),
        ("gave_up", "closed"),
    ]


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        (1000, "closed", "no welcome: is it a hub"),
        (1006, "connecting", "no welcome: is it a hub"),
        (1013, "connecting", "no welcome"),
        (4500, "closed", "no welcome"),
    ],
)
def test_connection_that_ends_before_the_welcome_is_a_failed_attempt(
    code: int, state: str, reason: str
) -> None:
    """Connection that ends before the welcome is reported to ``on_error`` with its close code,
    and not to ``on_close``.
    """
    wire = Wire()
    wire.session.connecting()
    delay = wire.lose(code)
    error = wire.changes()[0]
    assert (error.what, error.state, error.code, error.delay) == ("error", state, code, delay)
    assert reason in error.reason
    assert isinstance(error.error, ConnectionLost)
    assert all(each.what != "close" for each in wire.changes())


def test_reconnect_that_ends_before_the_welcome_is_a_failed_attempt() -> None:
    """Reconnect that ends before the welcome is reported to ``on_error``, and not to
    ``on_close``.
    """
    wire = Wire()
    wire.open()
    wire.lose()
    wire.session.connecting()
    wire.lose()
    assert [(c.what, c.state) for c in wire.changes()[1:]] == [
        ("close", "reconnecting"),
        ("error", "reconnecting"),
    ]


def test_disconnect_message_overrides_the_close_code() -> None:
    """Server's ``disconnect`` message decides whether and when the client reconnects, whatever
    the close code.
    """
    wire = Wire(backoff=Backoff(base=1, max=1))
    wire.open()
    wire.say("disconnect", {"code": 1001, "retry": False})
    assert wire.lose(1001) is None
    wire = Wire(backoff=Backoff(base=1, max=1))
    wire.open()
    wire.say("disconnect", {"code": 1000, "retry": True, "retry_after": 7})
    delay = wire.lose(1000)
    assert delay is not None
    assert 7 <= delay <= 8
    wire.open()
    assert (wire.lose(1001) or 9) <= 1


def test_client_closes_after_the_maximum_number_of_failed_attempts() -> None:
    """Python client closes after the maximum number of failed attempts in a row, counting
    connections shorter than ``stable_after``.
    """
    wire = Wire(backoff=Backoff(base=1, attempts=3), stable_after=5.0)
    for _ in range(3):
        wire.open()
        wire.clock.advance(4.9)
        assert wire.lose(1013) is not None
    wire.open()
    assert wire.lose(1013) is None
    assert wire.session.lifecycle.ended is not None


def test_stable_connection_resets_the_number_of_failed_attempts() -> None:
    """Python client resets its number of failed attempts after a connection that lasted at least
    ``stable_after`` seconds.
    """
    wire = Wire(backoff=Backoff(base=1, attempts=3), stable_after=5.0)
    for _ in range(3):
        wire.open()
        assert wire.lose(1013) is not None
    wire.open()
    wire.clock.advance(5)
    assert wire.lose(1013) is not None
    assert wire.session.failed(wire.now, OSError()) is not None
    assert wire.session.failed(wire.now, OSError()) is not None
    assert wire.session.failed(wire.now, OSError()) is None
