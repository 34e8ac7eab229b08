"""The outbox: queue, order, resending, batches and rate; without sockets, on a simulated clock."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.client.errors import ClientClosed, ConnectionLost, MessageExpired, QueueFull
from rtmon.client.send_rate_limit import SendRate
from rtmon.core.backoff import Backoff
from rtmon.core.batch_buffer import Batch
from rtmon.errors import OptionError
from tests.client.wire import Wire, kinds


@pytest.mark.parametrize("repeatable", [True, False])
def test_unconfirmed_message_is_sent_again_only_if_harmless(repeatable: bool) -> None:  # noqa: FBT001
    """A message without an answer when the connection is lost is sent again under its id if the
    server deduplicates it.
    """
    wire = Wire()
    wire.open()
    answers: list[Any] = []
    kind = "publish" if repeatable else "private_message"
    wire.send(kind, {"channel": "c", "data": 1, "ack": True}, answers)
    first = wire.said()
    wire.lose()
    again = [m for m in wire.open() if m["type"] == kind]
    if repeatable:
        assert [m["id"] for m in again] == [first[0]["id"]]
        wire.say("ack", {"epoch": "e", "offset": 1}, reply_to=again[0]["id"])
        assert answers[0].payload["offset"] == 1
    else:
        assert again == []
        assert isinstance(answers[0], ConnectionLost)


def test_resent_messages_keep_their_order() -> None:
    """Resent messages go out in their first order, before newer ones."""
    wire = Wire()
    wire.open()
    for number in (1, 2, 3):
        wire.send("publish", {"channel": "c", "data": number})
    first = wire.said()
    wire.lose()
    wire.send("publish", {"channel": "c", "data": 4})
    again = [m for m in wire.open() if m["type"] == "publish"]
    assert [m["payload"]["data"] for m in again] == [1, 2, 3, 4]
    assert [m["id"] for m in again[:3]] == [m["id"] for m in first]


def test_pong_confirms_all_earlier_messages() -> None:
    """The server handles messages in order, so its pong confirms all messages sent before the
    ping.
    """
    wire = Wire(heartbeat_interval=20.0)
    wire.open()
    wire.send("publish", {"channel": "c", "data": 1})
    wire.said()
    wire.pass_time(20)
    (ping,) = wire.said()
    wire.send("publish", {"channel": "c", "data": 2})
    wire.said()
    wire.clock.advance(0.25)
    wire.say("pong", {"timestamp": 1}, reply_to=ping["id"])
    assert wire.session.heartbeat.rtt == pytest.approx(0.25)
    wire.lose()
    assert [m["payload"]["data"] for m in wire.open() if m["type"] == "publish"] == [2]


def test_message_is_dropped_when_older_than_queue_age() -> None:
    """The expired message is reported, and the others are sent."""
    wire = Wire(queue_age=60.0)
    answers: list[Any] = []
    wire.send("publish", {"channel": "c", "data": 1})
    wire.send("publish", {"channel": "c", "data": 2}, answers)
    wire.pass_time(59)
    wire.send("publish", {"channel": "c", "data": 3})
    wire.pass_time(1)
    assert isinstance(answers[0], MessageExpired)
    assert ["dropped" in change.reason for change in wire.changes()] == [True]
    assert [m["payload"]["data"] for m in wire.open() if m["type"] == "publish"] == [3]
    assert wire.session.stats(wire.now).expired == 2


def test_message_is_not_sent_again_when_its_id_may_be_forgotten() -> None:
    """A message is not resent when the server's memory of ids no longer reaches back to it."""
    wire = Wire(queue_age=3_600.0)
    wire.open()
    wire.send("publish", {"channel": "c", "data": 1})
    wire.said()
    wire.lose()
    wire.send("publish", {"channel": "c", "data": 2})
    wire.pass_time(290)
    assert [m["payload"]["data"] for m in wire.open() if m["type"] == "publish"] == [2]


@pytest.mark.parametrize("policy", ["wait", "refuse", "drop_oldest"])
def test_full_outbox_refuses_or_drops_the_oldest(policy: Any) -> None:
    """A message beyond the bound is refused, or displaces the oldest, by policy."""
    wire = Wire(queue_size=2, queue_policy=policy)
    for number in (1, 2):
        wire.send("publish", {"channel": "c", "data": number})
    if policy == "drop_oldest":
        wire.send("publish", {"channel": "c", "data": 3})
    else:
        with pytest.raises(QueueFull):
            wire.send("publish", {"channel": "c", "data": 3})
    left = [m["payload"]["data"] for m in wire.open() if m["type"] == "publish"]
    assert left == ([2, 3] if policy == "drop_oldest" else [1, 2])


def test_batch_is_sent_when_full_or_old_enough() -> None:
    """Messages are collected by number and by time, and sent as one, in order."""
    wire = Wire(batch=Batch(size=3, delay=0.5))
    wire.open()
    for number in range(4):
        wire.send("publish", {"channel": "c", "data": number})
    (batch,) = wire.said()
    assert [m["payload"]["data"] for m in batch["payload"]["messages"]] == [0, 1, 2]
    assert wire.session.due(wire.now) == pytest.approx(wire.now + 0.5)
    wire.pass_time(0.5)
    assert [m["payload"]["data"] for m in wire.said()] == [3]
    wire.send("publish", {"channel": "c", "data": b"\0"})
    wire.pass_time(0.5)
    assert wire.said()[0]["payload"] == {"channel": "c", "data": "AA==", "encoding": "base64"}


def test_batch_is_no_larger_than_the_server_takes() -> None:
    """Messages beyond the server's maximum size go in several batches."""
    wire = Wire(batch=Batch(size=9, delay=0.5))
    wire.open()
    for number in range(3):
        wire.send("publish", {"channel": "c", "data": f"{number}" + "ü" * 30_000})
    wire.pass_time(0.5)
    batch, alone = wire.said()
    assert len(batch["payload"]["messages"]) == 2
    assert alone["payload"]["data"][0] == "2"


def test_outbox_sends_no_faster_than_the_servers_rate() -> None:
    """The client keeps the rate of the welcome; messages refused all the same are sent again,
    in order.
    """
    wire = Wire()
    wire.open(limits={"rate": 10.0})
    for number in range(30):
        wire.send("publish", {"channel": "c", "data": number})
    said = wire.said()
    assert len(said) < 10
    for refused in said[-2:]:
        wire.say("error", {"code": "rate_limited", "retry": True}, reply_to=refused["id"])
    assert wire.said() == []
    wire.pass_time(10)
    assert [m["payload"]["data"] for m in wire.said()][:3] == [
        *(m["payload"]["data"] for m in said[-2:]),
        said[-1]["payload"]["data"] + 1,
    ]


def _refuse(wire: Wire, message: dict[str, Any], **payload: Any) -> None:
    wire.say("error", {"code": "unavailable", "retry": True, **payload}, reply_to=message["id"])


def _data(said: list[dict[str, Any]]) -> list[int]:
    return [m["payload"]["data"] for m in said if m["type"] == "publish"]


def test_refused_messages_are_sent_again_in_their_order_when_one_is_refused_twice() -> None:
    """A message refused a second time still goes before messages that were sent after it."""
    wire = Wire()
    wire.open()
    for number in range(4):
        wire.send("publish", {"channel": "c", "data": number})
    first = wire.said()
    _refuse(wire, first[0])
    wire.pass_time(0.1)
    again = wire.said()
    assert _data(again) == [0]
    for message in (*first[1:], again[0]):
        _refuse(wire, message)
    wire.send("publish", {"channel": "c", "data": 4})
    wire.pass_time(0.1)
    assert _data(wire.said()) == [0, 1, 2, 3, 4]


def test_refused_messages_keep_their_order_when_the_connection_is_lost() -> None:
    """Refused messages go before unconfirmed ones that were sent after them."""
    wire = Wire()
    wire.open()
    for number in range(3):
        wire.send("publish", {"channel": "c", "data": number})
    first = wire.said()
    _refuse(wire, first[0], retry_after=60.0)
    wire.lose()
    assert _data(wire.open()) == [0, 1, 2]


def test_client_waits_as_long_as_the_server_says() -> None:
    """Until then the client sends heartbeats only; the refused message comes first."""
    wire = Wire(heartbeat_interval=2.0, heartbeat_timeout=30.0)
    wire.open()
    wire.send("publish", {"channel": "c", "data": 0})
    _refuse(wire, wire.said()[0], retry_after=5.0)
    wire.send("publish", {"channel": "c", "data": 1})
    assert wire.said() == []
    wire.pass_time(2.0)
    assert kinds(wire.said()) == ["ping"]
    assert wire.session.due(wire.now) <= wire.now + 3.0
    wire.say("ping", {"timestamp": 1})
    assert kinds(wire.said()) == ["pong"]
    wire.pass_time(3.0)
    assert _data(wire.said()) == [0, 1]


@pytest.mark.parametrize("wait", [None, "5", True, -1, 1e300])
def test_client_waits_no_longer_than_half_a_minute(wait: Any) -> None:
    """An invalid wait counts as none, and a longer one is cut to half a minute."""
    wire = Wire()
    wire.open()
    wire.send("publish", {"channel": "c", "data": 0})
    _refuse(wire, wire.said()[0], retry_after=wait)
    wire.pass_time(30.0 if wait == 1e300 else 0.1)
    assert _data(wire.said()) == [0]


@pytest.mark.parametrize("rate", [1.0, 3.0, 7.0, 200.0, 333.3])
def test_rate_limit_allows_a_message_at_the_time_it_names(rate: float) -> None:
    """The client sends a message at the time that its rate limit names, however times are
    rounded.
    """
    for began in (0.0, 0.1, 12_345.678, 1e6 / 3):
        pacing, now = SendRate(), began
        pacing.start(now, rate=rate, burst=3)
        pacing.spend(pacing.left(now))
        for _ in range(100):
            now = max(now, pacing.due(now))
            assert pacing.left(now) == 1
            pacing.spend(1)


def test_too_large_message_is_refused() -> None:
    """A message for which the server would close the connection is not sent."""
    wire = Wire()
    wire.open(limits={"message_size": 2_000, "rate": 10.0})
    with pytest.raises(OptionError, match="2000"):
        wire.send("publish", {"channel": "c", "data": "x" * 2_000})
    with pytest.raises(OptionError, match="finite"):
        wire.send("publish", {"channel": "c", "data": float("nan")})


def test_typing_is_not_kept_during_an_outage() -> None:
    """A typing message is dropped when there is no connection."""
    wire = Wire()
    wire.send("typing_start", {})
    assert kinds(wire.open()) == ["connect"]


@pytest.mark.parametrize("gives_up", [True, False])
def test_unsent_messages_are_counted_when_client_ends(gives_up: bool) -> None:  # noqa: FBT001
    """Messages that can no longer be sent are counted and reported to on_error."""
    wire = Wire(backoff=Backoff(attempts=0) if gives_up else Backoff())
    wire.open()
    answers: list[Any] = []
    wire.send("publish", {"channel": "c", "data": 1})
    wire.said()
    wire.send("publish", {"channel": "c", "data": 2})
    wire.send("publish", {"channel": "c", "data": 3, "ack": True}, answers)
    wire.send("typing_start", {})
    if gives_up:
        assert wire.lose() is None
    else:
        wire.session.closing()
        wire.session.closed(wire.now)
        wire.events += wire.session.take_events()
    told = [change.reason for change in wire.changes() if change.what == "error"]
    assert told == ["2 messages may not have arrived: the client is closed."]
    assert wire.session.stats(wire.now).dropped == 2
    assert isinstance(answers[0], ClientClosed)
