"""Rooms: membership, messages, history, presence and limits."""

from __future__ import annotations

from typing import Any

from rtmon.testing import until

Place = Any


async def test_room_counts_its_members_and_refuses_messages_from_outside(place: Place) -> None:
    """Hub answers joins and leaves with the room's member count, and refuses messages of clients
    that are not members.
    """
    ada, bo = await place.connect("ada"), await place.connect("bo")
    assert (await ada.ask("join_room", {"room": "r"}))["payload"]["member_count"] == 1
    assert (await bo.ask("join_room", {"room": "r"}))["payload"]["member_count"] == 2
    assert (await bo.ask("join_room", {"room": "r"}))["payload"]["member_count"] == 2, "again"
    assert (await ada.ask("leave_room", {"room": "r"}))["payload"]["member_count"] == 1
    answer = await ada.ask("room_message", {"room": "r", "text": "x"})
    assert answer["payload"]["code"] == "not_in_room"
    await bo.leave()
    await until(lambda: "r" not in place.hub.registry.rooms)
    answer = await ada.ask("room_message", {"room": "r", "text": "x"})
    assert answer["payload"]["code"] == "unknown_room"
    answer = await ada.ask("presence", {"room": "r"})
    assert (answer["type"], answer["payload"]["count"]) == ("presence", 0)
    assert answer["payload"]["members"] == []


async def test_leave_room_without_a_name_leaves_all_rooms(place: Place) -> None:
    """Client that sends ``leave_room`` without a room leaves all its rooms, which the reply
    lists.
    """
    ada = await place.connect("ada")
    for room in ("a", "b", "c"):
        await ada.ask("join_room", {"room": room})
    answer = (await ada.ask("leave_room"))["payload"]
    assert answer == {"rooms": ["a", "b", "c"], "member_count": 0}
    assert len(place.hub.registry.rooms) == 0


async def test_room_members_are_told_of_each_join_and_leave_in_order(place: Place) -> None:
    """Room members are told of each join and leave of a client once and in order, even in quick
    succession.
    """
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.ask("join_room", {"room": "r"})
    for _ in range(3):
        await bo.ask("join_room", {"room": "r"})
        await bo.ask("leave_room", {"room": "r"})
    await bo.ask("join_room", {"room": "r"})
    await bo.leave()
    told: list[str] = []
    while len(told) < 8:
        message = await ada.wait(
            lambda m: m["payload"].get("room") == "r" and "count" in m["payload"]
        )
        about = [user["client_id"] for user in message["payload"]["users"]]
        told += [message["type"]] * about.count(bo.id)
    assert told == ["user_joined", "user_left"] * 4


async def test_room_message_reaches_only_members_with_its_offset(place: Place) -> None:
    """Room message reaches only the members, with its epoch and offset in the room."""
    ada, bo, cy = [await place.connect(name) for name in ("ada", "bo", "cy")]
    for client in (ada, bo):
        await client.ask("join_room", {"room": "r"})
    answer = (await ada.ask("room_message", {"room": "r", "text": "hi", "ack": True}))["payload"]
    heard = (await bo.next("room_message"))["payload"]
    assert heard["text"] == "hi"
    assert (heard["epoch"], heard["offset"]) == (answer["epoch"], answer["offset"])
    assert [m for m in await cy.quiet() if m["type"] == "room_message"] == []


async def test_reconnecting_member_recovers_missed_room_messages(place: Place) -> None:
    """Client that joins a room again with its last position receives the missed messages in
    order, then new ones.
    """
    ada, bo = await place.connect("ada"), await place.connect("bo")
    position = (await bo.ask("join_room", {"room": "r"}))["payload"]
    await ada.ask("join_room", {"room": "r"})
    await bo.leave()
    for number in range(5):
        await ada.send("room_message", {"room": "r", "text": str(number)})
    await ada.quiet()
    bo = await place.connect("bo")
    since = {"epoch": position["epoch"], "offset": position["offset"]}
    answer = (await bo.ask("join_room", {"room": "r", "since": since}))["payload"]
    assert answer["recovered"] is True
    await ada.send("room_message", {"room": "r", "text": "5"})
    heard = [(await bo.next("room_message"))["payload"] for _ in range(6)]
    assert [h["text"] for h in heard] == ["0", "1", "2", "3", "4", "5"]


async def test_hub_refuses_room_history_to_clients_outside_the_room(place: Place) -> None:
    """Hub answers ``not_in_room`` when a client outside a room requests its history."""
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.ask("join_room", {"room": "r"})
    await ada.ask("room_message", {"room": "r", "text": "secret", "ack": True})
    assert (await bo.ask("history", {"room": "r"}))["payload"]["code"] == "not_in_room"
    messages = (await ada.ask("history", {"room": "r"}))["payload"]["messages"]
    assert [m["payload"]["text"] for m in messages] == ["secret"]


async def test_presence_lists_room_members_in_the_order_of_joining(place: Place) -> None:
    """Presence of a room lists its members with name, user and info, in the order in which they
    joined.
    """
    ada, bo = await place.connect("ada"), await place.connect("bo", user="b")
    await ada.ask("join_room", {"room": "r"})
    await bo.ask("connect", {"info": {"x": 1}})
    await bo.ask("join_room", {"room": "r"})
    presence = (await ada.ask("presence", {"room": "r"}))["payload"]
    assert presence == {
        "count": 2,
        "room": "r",
        "members": [
            {"client_id": ada.id, "name": "ada"},
            {"client_id": bo.id, "name": "bo", "user": "b", "info": {"x": 1}},
        ],
    }
    await bo.leave()
    await ada.next("user_left")
    assert (await ada.ask("presence", {"room": "r"}))["payload"]["count"] == 1


async def test_hub_refuses_a_room_when_its_client_is_in_a_hundred_rooms(place: Place) -> None:
    """Hub answers ``too_many_rooms`` when a client in 100 rooms joins another."""
    ada = await place.connect("ada")
    for number in range(100):
        await ada.send("join_room", {"room": f"r{number}"})
    answer = await ada.ask("join_room", {"room": "one more"})
    assert answer["payload"]["code"] == "too_many_rooms"
    assert (await ada.ask("join_room", {"room": "r5"}))["type"] == "ack", "is in it already"


async def test_room_and_channel_with_the_same_name_are_separate(place: Place) -> None:
    """Room and channel with the same name are separate: members receive no publications, and
    subscribers receive no room messages.
    """
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.ask("join_room", {"room": "x"})
    await bo.ask("subscribe", {"channel": "x"})
    await bo.send("publish", {"channel": "x", "data": 1})
    await ada.send("room_message", {"room": "x", "text": "2"})
    assert {m["type"] for m in await bo.quiet()} & {"room_message"} == set()
    assert {m["type"] for m in await ada.quiet()} & {"publication"} == set()
