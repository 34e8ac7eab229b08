"""Methods by which an application finds, messages and closes clients, over every transport."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.errors import OptionError, ProtocolError
from rtmon.testing import until

Place = Any


async def test_client_object_has_the_clients_id_name_user_rooms_and_subscriptions(
    place: Place, over: str
) -> None:
    """Hub's ``client()`` returns an object with the client's id, name, user, transport, rooms
    and subscriptions, or None for an unknown id.
    """
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


async def test_client_send_reaches_only_that_client(place: Place, over: str) -> None:
    """Client object's ``send()`` sends a message of the application's own type to that client
    and no other.
    """
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    await place.hub.client(ada.id).send("score", {"points": [1, 2.5, "é"]})
    assert (await ada.next("score"))["payload"] == {"points": [1, 2.5, "é"]}
    assert "score" not in [message["type"] for message in await bo.quiet()]


async def test_client_close_closes_the_connection_with_the_given_code(
    place: Place, over: str
) -> None:
    """Client object's ``close(4600)`` closes the connection with 4600, after which ``send()``
    raises ``unknown_client``.
    """
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
    with pytest.raises(ProtocolError, match="has disconnected") as caught:
        await client.send("more", {})
    assert caught.value.code == "unknown_client"


async def test_client_join_and_leave_change_the_clients_rooms(place: Place, over: str) -> None:
    """Client object's ``join()`` and ``leave()`` add the client to a room and remove it, and
    return whether this changed anything.
    """
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    await bo.ask("join_room", {"room": "red"})
    client = place.hub.client(ada.id)
    assert await client.join("red")
    assert not await client.join("red")
    await bo.send("room_message", {"room": "red", "text": "1"})
    assert (await ada.next("room_message"))["payload"]["text"] == "1"
    assert await client.leave("red")
    left = await ada.wait(lambda message: message["type"] == "user_left")
    assert (left["payload"]["client_id"], left["payload"]["room"]) == (ada.id, "red")
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
        ("mine", [1]),
        ("mine", "text"),
        ("mine", {1, 2}),
        ("mine", "x" * 1_000_000),
    ],
)
async def test_client_send_raises_option_error_for_invalid_type_or_payload(
    start: Any, kind: Any, payload: Any
) -> None:
    """Client object's ``send()`` raises OptionError and sends nothing when the message type or
    payload is invalid.
    """
    place = await start()
    ada = await place.connect("ada")
    with pytest.raises(OptionError):
        await place.hub.client(ada.id).send(kind, payload)
    assert {message["type"] for message in await ada.quiet()} <= {"user_joined"}


async def test_broadcast_reaches_all_clients_except_excluded_ones(place: Place, over: str) -> None:
    """Hub's ``broadcast()`` reaches all clients except the clients in ``exclude``, and its
    receipt has the number of clients reached.
    """
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    cy = await place.connect("cy", over=over)
    receipt = await place.hub.broadcast("tick", {"n": 1})
    assert (receipt.local, receipt.total) == (3, 3)
    for client in (ada, bo, cy):
        assert (await client.next("tick"))["payload"] == {"n": 1}
    receipt = await place.hub.broadcast("tick", {"n": 2}, exclude=[ada.id, place.hub.client(bo.id)])
    assert (receipt.local, receipt.total) == (1, 1)
    assert (await cy.next("tick"))["payload"] == {"n": 2}
    assert await place.hub.broadcast("tick", exclude=cy.id) == 2
    assert await place.hub.broadcast(type="tock", exclude=None) == 3
    for client in (ada, bo):
        assert (await client.next("tick"))["payload"] == {}
        assert "tick" not in [message["type"] for message in client.heard]


async def test_say_sends_a_room_message_to_members_except_excluded_ones(
    place: Place, over: str
) -> None:
    """Hub's ``say()`` sends text or data to a room's members except the members in ``exclude``,
    and its receipt has the number of members reached.
    """
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    await place.connect("cy")
    for client in (ada, bo):
        await client.ask("join_room", {"room": "red"})
    assert place.hub.rooms() == ["red"]
    assert [client.name for client in place.hub.members("red")] == ["ada", "bo"]
    first = await place.hub.say("red", "hello", exclude=bo.id)
    second = await place.hub.say("red", {"n": 1}, name="robot")
    assert (first.local, first.total, first.offset) == (1, 1, 1)
    assert (second.local, second.total, second.offset) == (2, 2, 2)
    heard = [(await ada.next("room_message"))["payload"] for _ in range(2)]
    assert [(each.get("text"), each.get("data")) for each in heard] == [
        ("hello", None),
        (None, {"n": 1}),
    ]
    assert [each["name"] for each in heard] == [place.hub.options.name, "robot"]
    assert (await bo.next("room_message"))["payload"]["offset"] == 2
    assert await place.hub.say(None, "to all") == 3
    assert (await ada.next("chat_message"))["payload"]["text"] == "to all"
    refused = [("red", "x" * 16_385), ("", "no"), (None, {"n": 1}), ("red", {1}), ("red", None)]
    for where, what in refused:
        with pytest.raises(OptionError):
            await place.hub.say(where, what)


async def test_publish_and_notify_return_the_number_of_receivers(place: Place, over: str) -> None:
    """Hub's ``publish()`` and ``notify()`` return how many clients the message was sent to."""
    ada, bo = await place.connect("ada", user="u", over=over), await place.connect("bo")
    await ada.ask("subscribe", {"channel": "news"})
    await bo.ask("subscribe", {"channel": "news"})
    receipt = await place.hub.publish("news", 1)
    assert (receipt.local, receipt.total, receipt.offset) == (2, 2, 1)
    assert bool(await place.hub.publish("nobody", 1))
    notified = place.hub.notify("u", "Hello")
    assert (notified.local, notified.total, int(notified)) == (1, 1, 1)
    assert not place.hub.notify("nobody", "Hello")


async def test_hub_send_reaches_the_client_with_the_given_id(place: Place, over: str) -> None:
    """Hub's ``send()`` reaches the client with the given id, and raises ``unknown_client`` when
    there is none.
    """
    ada = await place.connect("ada", over=over)
    receipt = await place.hub.send(ada.id, "direct", {"n": 1})
    assert (receipt.local, receipt.total) == (1, 1)
    assert (await ada.next("direct"))["payload"] == {"n": 1}
    client = place.hub.client(ada.id)
    assert await place.hub.find(ada.id) == await place.hub.find(client) == client
    with pytest.raises(OptionError, match="no id of a client"):
        place.hub.client(7)
    assert await place.hub.find("nobody") is None
    with pytest.raises(ProtocolError) as caught:
        await place.hub.send("nobody", "direct", {"n": 1})
    assert caught.value.code == "unknown_client"


async def test_close_idle_closes_clients_that_were_idle_for_long_enough(
    place: Place, over: str
) -> None:
    """Hub's ``close_idle(seconds)`` closes clients that have been idle for this long with 4502,
    and returns their number.
    """
    ada = await place.connect("ada", over=over)
    await ada.ask("ping")
    assert place.hub.close_idle(3600) == 0
    assert place.hub.stats().clients == 1
    assert place.hub.close_idle(0) == 1
    assert await ada.close_code() == 4502
    with pytest.raises(OptionError):
        place.hub.close_idle(float("nan"))
