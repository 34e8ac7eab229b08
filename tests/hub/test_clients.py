"""Clients as the program sees them, over every transport."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.errors import OptionError, ProtocolError
from rtmon.testing import until

Place = Any


async def test_client_has_what_the_hub_knows_of_it(place: Place, over: str) -> None:
    """A client of this node is found by the id in its welcome, with its names and its places."""
    ada = await place.connect("ada", user="u1", over=over)
    await ada.ask("join_room", {"room": "red"})
    await ada.ask("subscribe", {"channel": "news.*"})
    client = place.hub.client(ada.id)
    assert [client] == place.hub.clients()
    assert (client.id, client.name, client.user) == (ada.id, "ada", "u1")
    assert client.transport == place.hub.connections[ada.id].peer.transport
    assert client.rooms == ["red"]
    assert client.subscriptions == ["news.*"]
    assert client.since > 1_700_000_000
    assert 0 <= client.idle < 60
    assert client.open
    assert place.hub.client("nobody") is None
    if over != "memory":
        assert client.address.startswith("127.0.0.1:")
        assert client.path.startswith("/")


async def test_program_sends_to_one_client(place: Place, over: str) -> None:
    """A client gets a message of the program's own type, and no other client does."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    await place.hub.client(ada.id).send("score", {"points": [1, 2.5, "é"]})
    assert (await ada.next("score"))["payload"] == {"points": [1, 2.5, "é"]}
    assert "score" not in [message["type"] for message in await bo.quiet()]


async def test_program_closes_a_client(place: Place, over: str) -> None:
    """A client that the program closes ends with the program's code."""
    ada = await place.connect("ada", over=over)
    client = place.hub.client(ada.id)
    await client.send("last", {})
    await client.close(4600, "kicked")
    assert await ada.close_code() == 4600
    await ada.leave()
    place.clients.remove(ada)
    await until(lambda: place.hub.client(ada.id) is None)
    await client.close(4600, "kicked")
    assert not client.open
    with pytest.raises(ProtocolError, match="is gone") as caught:
        await client.send("more", {})
    assert caught.value.code == "unknown_client"


async def test_program_moves_a_client_between_rooms(place: Place, over: str) -> None:
    """A client that the program adds to a room gets its messages until the program removes it."""
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    await bo.ask("join_room", {"room": "red"})
    client = place.hub.client(ada.id)
    assert await client.join("red")
    assert not await client.join("red")
    await bo.send("room_message", {"room": "red", "text": "1"})
    assert (await ada.next("room_message"))["payload"]["text"] == "1"
    assert await client.leave("red")
    assert not await client.leave("red")
    await bo.ask("room_message", {"room": "red", "text": "2", "ack": True})
    assert "room_message" not in [message["type"] for message in await ada.quiet()]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("", {}),
        ("x" * 65, {}),
        ("chat_message", {"text": "no"}),
        ("join_room", {}),
        ("\ud800", {}),
        (7, {}),
        ("mine", {"n": 2**64}),
        ("mine", {"n": float("nan")}),
        ("mine", {"t": "\ud800"}),
        ("mine", b"bytes"),
        ("mine", {1, 2}),
        ("mine", "x" * 1_000_000),
    ],
)
async def test_message_that_cannot_be_sent_is_refused(start: Any, kind: Any, payload: Any) -> None:
    """What is no message of the program's own raises OptionError, and reaches no client."""
    place = await start()
    ada = await place.connect("ada")
    with pytest.raises(OptionError):
        await place.hub.client(ada.id).send(kind, payload)
    assert await ada.quiet() == []
