"""The Python client's outbox on a simulated clock: queue, order, resending, batches, rate."""

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
def test_unconfirmed_message_is_sent_again_only_if_the_server_deduplicates_it(
    *, repeatable: bool
) -> None:
    """Outbox sends an unconfirmed publication again under its id after a reconnect, and fails an
    unconfirmed private message.
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
    """Outbox sends unconfirmed messages again after a reconnect in their original order and
    before newer ones.
    """
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
    """Outbox considers all messages sent before a ping confirmed when the pong for this ping
    arrives.
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


def test_outbox_drops_and_reports_messages_older_than_queue_age() -> None:
    """Outbox drops messages older than ``queue_age``, reports that they were dropped, and sends
    newer messages.
    """
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


def test_outbox_does_not_resend_a_message_older_than_the_deduplication_time() -> None:
    """Outbox does not send an unconfirmed message again when the server may no longer
    deduplicate its id.
    """
    wire = Wire(queue_age=3_600.0)
    wire.open()
    wire.send("publish", {"channel": "c", "data": 1})
    wire.said()
    wire.lose()
    wire.send("publish", {"channel": "c", "data": 2})
    wire.pass_time(290)
    assert [m["payload"]["data"] for m in wire.open() if m["type"] == "publish"] == [2]


@pytest.mark.parametrize("policy", ["wait", "refuse", "drop_oldest"])
def test_full_outbox_raises_queue_full_or_drops_the_oldest_message(policy: Any) -> None:
    """Outbox that is full raises QueueFull, or drops its oldest message with the policy
    ``drop_oldest``.
    """
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


def test_outbox_sends_a_batch_when_it_is_full_or_its_delay_is_over() -> None:
    """Outbox sends a batch when it has three messages or its delay has passed, with the messages
    in order.
    """
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


def test_outbox_splits_a_batch_above_the_servers_maximum_message_size() -> None:
    """Outbox splits a batch that would exceed the server's maximum message size."""
    wire = Wire(batch=Batch(size=9, delay=0.5))
    wire.open()
    for number in range(3):
        wire.send("publish", {"channel": "c", "data": f"{number}" + "ü" * 30_000})
    wire.pass_time(0.5)
    batch, alone = wire.said()
    assert len(batch["payload"]["messages"]) == 2
    assert alone["payload"]["data"][0] == "2"


def test_outbox_sends_no_faster_than_the_servers_rate() -> None:
    """Outbox sends no faster than the rate in the welcome, and sends messages refused as
    ``rate_limited`` again in order.
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


def test_outbox_resends_refused_messages_in_order_when_one_is_refused_twice() -> None:
    """Outbox sends refused messages again in their original order although a message is refused
    twice.
    """
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


def test_outbox_resends_refused_and_unconfirmed_messages_in_order_after_a_reconnect() -> None:
    """Outbox sends a refused message again before the unconfirmed messages that followed it,
    after a reconnect.
    """
    wire = Wire()
    wire.open()
    for number in range(3):
        wire.send("publish", {"channel": "c", "data": number})
    first = wire.said()
    _refuse(wire, first[0], retry_after=60.0)
    wire.lose()
    assert _data(wire.open()) == [0, 1, 2]


def test_outbox_sends_only_heartbeats_until_retry_after() -> None:
    """Outbox sends only pings and pongs until a refused message's ``retry_after`` has passed,
    and then sends this message before newer ones.
    """
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
def test_outbox_ignores_an_invalid_retry_after_and_limits_it_to_thirty_seconds(wait: Any) -> None:
    """Outbox ignores an invalid ``retry_after``, and waits 30 s when ``retry_after`` is larger."""
    wire = Wire()
    wire.open()
    wire.send("publish", {"channel": "c", "data": 0})
    _refuse(wire, wire.said()[0], retry_after=wait)
    wire.pass_time(30.0 if wait == 1e300 else 0.1)
    assert _data(wire.said()) == [0]


@pytest.mark.parametrize("rate", [1.0, 3.0, 7.0, 200.0, 333.3])
def test_send_rate_allows_a_message_at_the_time_that_due_returns(rate: float) -> None:
    """Send rate allows a message at exactly the time that ``due()`` returns, whatever the
    rounding.
    """
    for began in (0.0, 0.1, 12_345.678, 1e6 / 3):
        pacing, now = SendRate(), began
        pacing.start(now, rate=rate, burst=3)
        pacing.spend(pacing.left(now))
        for _ in range(100):
            now = max(now, pacing.due(now))
            assert pacing.left(now) == 1
            pacing.spend(1)


def test_outbox_raises_option_error_for_a_too_large_message_or_nan() -> None:
    """Outbox raises OptionError for a message above the server's maximum size, and for NaN."""
    wire = Wire()
    wire.open(limits={"message_size": 2_000, "rate": 10.0})
    with pytest.raises(OptionError, match="2000"):
        wire.send("publish", {"channel": "c", "data": "x" * 2_000})
    with pytest.raises(OptionError, match="finite"):
        wire.send("publish", {"channel": "c", "data": float("nan")})


def test_outbox_drops_typing_messages_while_offline() -> None:
    """Outbox drops a typing message while there is no connection."""
    wire = Wire()
    wire.send("typing_start", {})
    assert kinds(wire.open()) == ["connect"]


@pytest.mark.parametrize("gives_up", [True, False])
def test_outbox_reports_undelivered_messages_when_the_client_is_closed(gives_up: bool) -> None:  # noqa: FBT001
    """Outbox reports its two undelivered messages to ``on_error``, and fails the pending reply,
    when the client is closed.
    """
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
