"""The Python client's session without sockets: server messages, positions, gaps, options."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.client.history_positions import Cursor
from rtmon.client.options import ClientOptions
from rtmon.client.result_types import Message
from rtmon.client.subscribe_and_join import Joining
from rtmon.client.subscription import Subscription
from rtmon.errors import OptionError
from rtmon.protocol.catalog import Position
from tests.client.wire import Wire


def test_session_reports_malformed_messages_and_continues() -> None:
    """Client session reports each malformed message of the server to ``on_error``, and handles
    the next ones.
    """
    wire = Wire()
    wire.open()
    for data in ("", "[]", '{"type": 1}', '{"type": "x", "payload": 3}', b"\x01\xff", b"\x00"):
        wire.session.receive(data, wire.now)
    wire.say("welcome", {"limits": 3})
    wire.say("publication", {"channel": "c", "epoch": 1, "offset": "x"})
    wire.say("unheard_of", {"a": 1})
    assert len([change for change in wire.changes() if change.what == "error"]) >= 6
    assert [e.type for e in wire.events if isinstance(e, Message)][-1] == "unheard_of"


def test_session_disconnects_and_reports_a_malformed_welcome() -> None:
    """Client session disconnects and reports the reason when the welcome has a rate limit of 0."""
    wire = Wire()
    wire.session.connecting()
    wire.say("welcome", {"client_id": "c", "session": "s", "limits": {"rate": 0}})
    assert not wire.session.connected
    assert "rate" in wire.changes()[0].reason


def test_cursor_distinguishes_new_duplicate_and_missing_publications() -> None:
    """Cursor distinguishes new publications, duplicates and gaps by offset and epoch."""

    def at(offset: int, epoch: str = "e") -> Position:
        return Position(epoch=epoch, offset=offset)

    cursor = Cursor(dense=True)
    cursor.entered(at(5), None)
    assert [cursor.take(at(n)) for n in (5, 6, 7, 6, 9, 10)] == [None, False, False, None, True, 0]
    assert cursor.entered(at(20), recovered=False)
    assert [cursor.take(at(n)) for n in (11, 12)] == [True, False]
    assert cursor.take(at(1, "f")) is True
    sparse = Cursor(dense=False, position=at(1))
    assert sparse.take(at(5)) is False


def test_session_ignores_the_reply_to_an_outdated_subscribe_request() -> None:
    """Client session that needs an earlier position ignores the reply to its first ``subscribe``,
    and subscribes again from that position.
    """
    wire = Wire()
    wire.open()
    session, channel = wire.session, {"channel": "news", "epoch": "e"}
    place = session.places.enter("channel", "news", wire.now, Position(epoch="e", offset=5))
    (first,) = wire.said()
    session.places.rewind(place, Position(epoch="e", offset=2), wire.now)
    wire.say("ack", {**channel, "offset": 6, "recovered": True}, reply_to=first["id"])
    assert not place.entered
    (out,) = wire.said()
    wire.say("ack", {"channel": "news"}, reply_to=out["id"])
    (second,) = wire.said()
    wire.say("ack", {**channel, "offset": 6, "recovered": True}, reply_to=second["id"])
    assert place.entered
    for offset in (3, 4, 5, 6):
        wire.say("publication", {**channel, "offset": offset, "data": offset})
    got = [event.message if hasattr(event, "message") else event for event in wire.events]
    gaps = [(e.position.offset, e.gap) for e in got if getattr(e, "type", "") == "publication"]
    assert gaps == [(3, False), (4, False), (5, False), (6, False)]


def test_gap_message_sets_gap_on_the_next_message_of_its_room_once() -> None:
    """Server's ``gap`` message sets ``gap`` on the next message of its room only, and counts one
    gap.
    """
    wire = Wire()
    wire.open()
    room = {"room": "tea", "epoch": "e"}
    wire.session.places.enter("room", "tea", wire.now)
    (asked,) = wire.said()
    wire.say("ack", {**room, "offset": 1}, reply_to=asked["id"])
    wire.say("gap", {**room, "offset": 9, "recovered": False})
    wire.say("gap", {"room": "elsewhere", "epoch": "e", "offset": 9, "recovered": False})
    for offset in (8, 9, 10):
        wire.say("room_message", {**room, "offset": offset, "text": "hi"})
    told = [e for e in wire.events if getattr(e, "type", "") == "room_message"]
    assert [message.gap for message in told] == [True, False, False]
    assert wire.session.places.gaps == 1


async def _publish(*_: Any) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("channel", "gets"),
    [("news", True), ("*", True), ("**", True), ("news.*", False), ("n*", False), ("**.s", False)],
)
def test_subscription_wants_only_channels_that_its_pattern_matches(
    channel: str, *, gets: bool
) -> None:
    """Subscription accepts publications of channels that its pattern matches, and none for a
    malformed pattern.
    """
    membership = Joining(Wire().session, now=lambda: 0.0, wake=lambda: None)
    subscription = Subscription(membership, channel, None, publish=_publish, buffer=10)
    assert subscription.wants("news") is gets


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\n"},
        {"codec": "xml"},
        {"codec": ["json"]},
        {"queue_policy": "hope"},
        {"batch": True},
        {"heartbeat_interval": 0},
        {"queue_size": 0},
        {"info": "x" * 3_000},
        {"backoff": 3},
        {"open_timeout": None},
        {"heartbeat_interval": "x"},
        {"queue_size": None},
    ],
)
def test_client_options_raise_option_error_for_invalid_values(wrong: dict[str, Any]) -> None:
    """ClientOptions raises OptionError for an invalid value of any option."""
    with pytest.raises(OptionError):
        ClientOptions(**wrong)
