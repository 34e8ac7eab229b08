from __future__ import annotations

from typing import Any

from rtmon.testing import until

Place = Any


async def test_a_room_lives_while_somebody_is_in_it(place: Place) -> None:
    """Joining counts members; the room is gone when the last one is, and says so."""
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
    assert (await ada.ask("presence", {"room": "r"}))["payload"]["code"] == "unknown_room"


async def test_leave_without_a_name_leaves_all(place: Place) -> None:
    """Leaving without naming a room leaves all of them, and says which."""
    ada = await place.connect("ada")
    for room in ("a", "b", "c"):
        await ada.ask("join_room", {"room": room})
    answer = (await ada.ask("leave_room"))["payload"]
    assert answer == {"rooms": ["a", "b", "c"], "member_count": 0}
    assert len(place.hub.registry.rooms) == 0


async def test_joins_and_leaves_are_told_in_order(place: Place) -> None:
    """Members hear of each joining and leaving once, in order, however quick they follow."""
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


async def test_only_members_hear_a_room(place: Place) -> None:
    """What is said in a room reaches its members only, with its position in the room."""
    ada, bo, cy = [await place.connect(name) for name in ("ada", "bo", "cy")]
    for client in (ada, bo):
        await client.ask("join_room", {"room": "r"})
    answer = (await ada.ask("room_message", {"room": "r", "text": "hi", "ack": True}))["payload"]
    heard = (await bo.next("room_message"))["payload"]
    assert heard["text"] == "hi"
    assert (heard["epoch"], heard["offset"]) == (answer["epoch"], answer["offset"])
    assert [m for m in await cy.quiet() if m["type"] == "room_message"] == []


async def test_who_returns_to_a_room_gets_what_was_missed(place: Place) -> None:
    """A member that was away gets what was said meanwhile, in order, and nothing twice."""
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


async def test_a_rooms_history_is_for_its_members(place: Place) -> None:
    """Who is not in a room cannot read what was said there."""
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.ask("join_room", {"room": "r"})
    await ada.ask("room_message", {"room": "r", "text": "secret", "ack": True})
    assert (await bo.ask("history", {"room": "r"}))["payload"]["code"] == "not_in_room"
    messages = (await ada.ask("history", {"room": "r"}))["payload"]["messages"]
    assert [m["payload"]["text"] for m in messages] == ["secret"]


async def test_presence_of_a_room(place: Place) -> None:
    """Presence names who is in a room, in the order in which they came."""
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


async def test_rooms_of_one_client_are_bounded(place: Place) -> None:
    """One client is in a hundred rooms at most, and is told what to do."""
    ada = await place.connect("ada")
    for number in range(100):
        await ada.send("join_room", {"room": f"r{number}"})
    answer = await ada.ask("join_room", {"room": "one more"})
    assert answer["payload"]["code"] == "too_many_rooms"
    assert (await ada.ask("join_room", {"room": "r5"}))["type"] == "ack", "is in it already"


async def test_rooms_and_channels_are_two_things(place: Place) -> None:
    """A room and a channel of the same name have nothing to do with each other."""
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.ask("join_room", {"room": "x"})
    await bo.ask("subscribe", {"channel": "x"})
    await bo.send("publish", {"channel": "x", "data": 1})
    await ada.send("room_message", {"room": "x", "text": "2"})
    assert {m["type"] for m in await bo.quiet()} & {"room_message"} == set()
    assert {m["type"] for m in await ada.quiet()} & {"publication"} == set()
