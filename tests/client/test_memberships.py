"""The Python client's memberships in rooms and channels, tested without a session."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.client.errors import ClientClosed
from rtmon.client.memberships import Memberships
from rtmon.client.options import ClientOptions
from rtmon.client.result_types import Message
from rtmon.client.send_scheduler import Sender
from rtmon.protocol.catalog import Position
from rtmon.protocol.codecs import JSON


@pytest.fixture
def sender() -> Sender:
    """A sender with an open connection."""
    sender = Sender(ClientOptions(), wall=lambda: 0.0)
    sender.start(0.0, rate=1e6, burst=None, message_size=10_000)
    return sender


def sent(sender: Sender) -> list[tuple[str, str]]:
    """Return type and payload of each message that the sender writes now."""
    found = []
    while (data := sender.next(0.0)) is not None:
        envelope = JSON.decode(data)
        found.append((envelope.type, bytes(envelope.payload).decode()))
    return found


def answer(sender: Sender, payload: dict[str, Any]) -> None:
    """Acknowledge all sent messages, as the server would."""
    for key in list(sender.outbox._sent_control):
        entry = sender.outbox.answered(key)
        assert entry is not None
        if entry.settle is not None:
            entry.settle(Message(type="ack", payload=payload))


def at(offset: int) -> dict[str, Any]:
    """Return the payload of a publication with this offset."""
    return {"channel": "news", "epoch": "e", "offset": offset}


def take(places: Memberships, offset: int) -> tuple[bool, bool] | None:
    """Receive a publication with this offset."""
    return places.take("channel", at(offset), Position(epoch="e", offset=offset))


def test_membership_is_requested_once_and_entered_when_the_server_acknowledges(
    sender: Sender,
) -> None:
    """Python client requests membership in a channel once, and marks it as entered when the server
    acknowledges the request.
    """
    places = Memberships(sender)
    place = places.enter("channel", "news", 0.0)
    assert places.enter("channel", "news", 0.0) is place
    assert sent(sender) == [("subscribe", '{"channel":"news"}')]
    assert not place.entered
    answer(sender, at(4))
    assert place.entered
    assert place.cursor.position == Position(epoch="e", offset=4)


def test_duplicate_publication_is_counted_and_not_delivered(sender: Sender) -> None:
    """Publication with an offset that was already received is counted as a duplicate and not
    delivered, and a skipped offset counts as a gap.
    """
    places = Memberships(sender)
    places.enter("channel", "news", 0.0)
    sent(sender)
    answer(sender, at(4))
    assert [take(places, 5), take(places, 5), take(places, 6)] == [
        (False, False),
        None,
        (False, False),
    ]
    assert (places.duplicates, places.gaps) == (1, 0)
    assert take(places, 8) == (True, False)
    assert (places.duplicates, places.gaps) == (1, 1)


def test_membership_is_requested_from_its_last_position_on_a_new_connection(sender: Sender) -> None:
    """Membership in a channel is requested on a new connection with the offset of the last
    publication.
    """
    places = Memberships(sender)
    places.enter("channel", "news", 0.0)
    sent(sender)
    answer(sender, at(4))
    take(places, 5)
    places.reenter(0.0)
    assert sent(sender) == [
        ("subscribe", '{"channel":"news","since":{"epoch":"e","offset":5}}'),
    ]
    assert take(places, 6) is None


def test_membership_entered_and_left_while_offline_is_never_requested(sender: Sender) -> None:
    """Membership in a room that was entered and left while offline is never requested."""
    sender.stop()
    places = Memberships(sender)
    places.leave(places.enter("room", "tea", 0.0), 0.0)
    sender.start(0.0, rate=1e6, burst=None, message_size=10_000)
    places.reenter(0.0)
    assert sent(sender) == []


def test_closed_client_ends_its_room_membership_and_keeps_its_chat_membership(
    sender: Sender,
) -> None:
    """Python client that closes ends its room membership, passes the error to the membership's
    ``on_refused`` callback, and keeps its chat membership.
    """
    places = Memberships(sender)
    refused: list[Exception] = []
    places.enter("room", "tea", 0.0).on_refused.append(refused.append)
    error = ClientClosed("closed")
    places.end(error)
    assert refused == [error]
    assert places.get("room", "tea") is None
    assert places.chat is not None
