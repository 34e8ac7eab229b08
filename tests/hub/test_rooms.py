from __future__ import annotations

from typing import Any

from rtmon.testing import until

Place = Any


async def test_room_exists_while_it_has_members(place: Place) -> None:
    """A join or leave is answered with the member count; a room without members takes no
    message, and its presence is empty.
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


async def test_leave_without_a_room_leaves_all_rooms(place: Place) -> None:
    """A client that names no room leaves all of its rooms, which the answer lists."""
    ada = await place.connect("ada")
    for room in ("a", "b", "c"):
        await ada.ask("join_room", {"room": room})
    answer = (await ada.ask("leave_room"))["payload"]
    assert answer == {"rooms": ["a", "b", "c"], "member_count": 0}
    assert len(place.hub.registry.rooms) == 0


async def test_members_are_told_of_joins_and_leaves_in_order(place: Place) -> None:
    """Members are told of each join and leave once, in order, however quickly they follow."""
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


async def test_room_message_reaches_members_only(place: Place) -> None:
    """A room message reaches its members only, with its position in the room."""
    ada, bo, cy = [await place.connect(name) for name in ("ada", "bo", "cy")]
    for client in (ada, bo):
        await client.ask("join_room", {"room": "r"})
    answer = (await ada.ask("room_message", {"room": "r", "text": "hi", "ack": True}))["payload"]
    heard = (await bo.next("room_message"))["payload"]
    assert heard["text"] == "hi"
    assert (heard["epoch"], heard["offset"]) == (answer["epoch"], answer["offset"])
    assert [m for m in await cy.quiet() if m["type"] == "room_message"] == []


async def test_returning_member_recovers_room_messages(place: Place) -> None:
    """A member that returns gets the messages it missed, in order, and none twice."""
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


async def test_room_history_is_refused_to_clients_outside(place: Place) -> None:
    """A client that is not in a room cannot read its history."""
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.ask("join_room", {"room": "r"})
    await ada.ask("room_message", {"room": "r", "text": "secret", "ack": True})
    assert (await bo.ask("history", {"room": "r"}))["payload"]["code"] == "not_in_room"
    messages = (await ada.ask("history", {"room": "r"}))["payload"]["messages"]
    assert [m["payload"]["text"] for m in messages] == ["secret"]


async def test_presence_lists_the_members_of_a_room(place: Place) -> None:
    """Presence lists the members of a room in the order in which they joined."""
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


async def test_hub_refuses_room_when_a_client_is_in_a_hundred(place: Place) -> None:
    """One client is in a hundred rooms at most; one more is refused with too_many_rooms."""
    ada = await place.connect("ada")
    for number in range(100):
        await ada.send("join_room", {"room": f"r{number}"})
    answer = await ada.ask("join_room", {"room": "one more"})
    assert answer["payload"]["code"] == "too_many_rooms"
    assert (await ada.ask("join_room", {"room": "r5"}))["type"] == "ack", "is in it already"


async def test_room_and_channel_of_one_name_are_separate(place: Place) -> None:
    """Subscribers of a channel receive no messages of the room of that name, nor the reverse."""
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.ask("join_room", {"room": "x"})
    await bo.ask("subscribe", {"channel": "x"})
    await bo.send("publish", {"channel": "x", "data": 1})
    await ada.send("room_message", {"room": "x", "text": "2"})
    assert {m["type"] for m in await bo.quiet()} & {"room_message"} == set()
    assert {m["type"] for m in await ada.quiet()} & {"publication"} == set()
