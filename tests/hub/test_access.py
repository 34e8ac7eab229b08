"""Who may do what: refused with words, over every transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rtmon.errors import OptionError, ProtocolError
from rtmon.hub import ChannelOptions, Session
from tests.hub.clients import Client, StreamClient
from tests.hub.conftest import ONE_EACH, Place
from tests.hub.tokens import login, token

Start = Callable[..., Awaitable[Place]]

RULES = {
    "staff.public": ChannelOptions(publish="write"),
    "staff.**": ChannelOptions(subscribe="read", publish="write", presence="look"),
}


async def code(client: Client, kind: str, **payload: Any) -> str:
    """The error that answers a message; the type of the answer if it is none."""
    answer = await client.ask(kind, payload)
    found: str = answer["payload"].get("code", answer["type"])
    return found


@pytest.mark.parametrize("over", ONE_EACH)
async def test_rules_of_channels(start: Start, over: str) -> None:
    """Over each transport, who has a channel's permission may, and all others are told that they
    may not, whatever way they try.
    """
    place = await start(auth=login(), channels=RULES)
    ada = await place.connect(over=over, token=token("ada", scope="read"))
    assert await code(ada, "subscribe", channel="staff.pay") == "ack"
    assert await code(ada, "subscribe", channel="staff.**") == "ack"
    assert await code(ada, "publish", channel="staff.pay", data=1, ack=True) == "forbidden"
    assert await code(ada, "presence", channel="staff.pay") == "forbidden"
    bo = await place.connect(over=over, token=token("bo", scope="write look"))
    for channel in ("staff.pay", "staff.*", "**", "*.pay", "staff.public.**"):
        assert await code(bo, "subscribe", channel=channel) == "forbidden"
    assert await code(bo, "history", channel="staff.pay") == "forbidden"
    assert await code(bo, "subscribe", channel="staff.public") == "ack"
    assert await code(bo, "subscribe", channel="news.*") == "ack"
    assert await code(bo, "presence", channel="staff.pay") == "presence"
    assert await code(bo, "publish", channel="staff.pay", data=1, ack=True) == "ack"
    await place.hub.publish("staff.pay", 2)
    assert await ada.published(2) == [1, 2]
    assert not [message for message in await bo.quiet() if message["type"] == "publication"]


async def test_a_channel_beside_a_room_tells_nothing_of_the_room(start: Start) -> None:
    """Who may ask about a channel does not learn by it which rooms there are; and who may not
    speak to somebody may stop to type to them, and learns nothing by it either.
    """
    place = await start(
        auth=login(),
        allow=lambda session, _, where: session.user == "ada" or where == "channel:open",
    )
    ada = await place.connect(token=token("ada"))
    await ada.ask("join_room", {"room": "secret"})
    eve = await place.connect(token=token("eve"))
    for room in ("secret", "none"):
        answer = await eve.ask("presence", {"channel": "open", "room": room})
        assert (answer["type"], answer["payload"].get("room")) == ("presence", None)
    for to in (ada.id, "nobody"):
        await eve.send("typing_end", {"to": to})
    assert not [message for message in await eve.quiet() if message["type"] == "error"]


async def test_without_auth_nobody_has_a_permission(start: Start) -> None:
    """A channel that needs a permission is the server's own where nobody asks who somebody is."""
    place = await start(channels={"prices": ChannelOptions(publish="write")})
    ada = await place.connect(user="admin")
    assert await code(ada, "publish", channel="prices", data=1) == "forbidden"
    assert await code(ada, "subscribe", channel="prices") == "ack"
    await place.hub.publish("prices", 1)
    assert await ada.published(1) == [1]


@pytest.mark.parametrize("wrong", [{"publish": ""}, {"subscribe": ["a"]}, {"presence": True}])
def test_a_permission_is_a_word(wrong: Any) -> None:
    """What could never be had, or always, is an error and no rule."""
    with pytest.raises(OptionError):
        ChannelOptions(**wrong)


ASKED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "chat": ("chat_message", {"text": "hi"}, "publish", "chat"),
    "room": ("room_message", {"room": "lobby", "text": "hi"}, "publish", "room:lobby"),
    "chat in a room": ("chat_message", {"room": "lobby", "text": "hi"}, "publish", "room:lobby"),
    "join": ("join_room", {"room": "cellar"}, "join", "room:cellar"),
    "subscribe": ("subscribe", {"channel": "a.*"}, "subscribe", "channel:a.*"),
    "history": ("history", {"channel": "a.b"}, "subscribe", "channel:a.b"),
    "publish": ("publish", {"channel": "a", "data": 1}, "publish", "channel:a"),
    "presence": ("presence", {}, "presence", "chat"),
    "presence in a room": ("presence", {"room": "x"}, "presence", "room:x"),
    "presence in a channel": ("presence", {"channel": "a"}, "presence", "channel:a"),
    "private": ("private_message", {"to": "nobody", "text": "hi"}, "send", "client:nobody"),
    "typing": ("typing_start", {"to": "nobody"}, "send", "client:nobody"),
    "typing to all": ("typing_start", {}, "publish", "chat"),
    "file": ("file_offer", {"name": "x", "size": 1}, "upload", "files"),
    "file in pieces": ("file_metadata", {"name": "x", "size": 1, "type": ""}, "upload", "files"),
    "file for one": ("file_offer", {"name": "x", "size": 1, "to": "me"}, "send", "client:me"),
    "file for a room": (
        "file_offer",
        {"name": "x", "size": 1, "room": "lobby"},
        "publish",
        "room:lobby",
    ),
}  # fmt: skip


async def test_one_function_is_asked_for_everything(start: Start, tmp_path: Any) -> None:
    """A function of the application decides about all that clients can do, by who they are, what
    it is and where; what it does not allow is answered, and not done.
    """
    allowing, asked = True, []

    def allow(session: Session, action: str, place: str) -> bool:
        assert session.identity is not None
        asked.append((session.identity.id, action, place))
        return allowing

    place = await start(auth=login(), allow=allow, files=tmp_path)
    ada = await place.connect(token=token("ada"))
    await ada.ask("join_room", {"room": "lobby"})
    allowing = False
    for kind, payload, action, where in ASKED.values():
        asked.clear()
        assert await code(ada, kind, **payload) == "forbidden", kind
        assert asked == [("ada", action, where)]
    heard = {message["type"] for message in await ada.quiet()}
    assert heard <= {"user_joined", "user_online"}
    # What ends something is never refused.
    assert await code(ada, "leave_room", room="lobby") == "ack"


@pytest.mark.parametrize("how", ["none", "truthy", "raises", "own words"])
async def test_what_does_not_say_yes_says_no(start: Start, how: str) -> None:
    """Whatever a function of the application does but return True, is no; what it says is told."""

    async def allow(*_: Any) -> Any:
        match how:
            case "raises":
                raise RuntimeError("no database")
            case "own words":
                raise ProtocolError("forbidden", "Members only.")
            case "truthy":
                return "no"
        return None

    place = await start(allow=allow)
    ada = await place.connect()
    answer = await ada.ask("chat_message", {"text": "hi"})
    assert answer["payload"]["code"] == "forbidden"
    assert (answer["payload"]["message"] == "Members only.") == (how == "own words")


async def test_who_returns_is_asked_again(start: Start) -> None:
    """A stream that returns with its positions enters only what its token still allows."""
    place = await start(auth=login(), channels=RULES)
    ada = await place.connect(over="sse", token=token(scope="read"))
    await ada.ask("subscribe", {"channel": "staff.pay"})
    await place.hub.publish("staff.pay", 1)
    await ada.next("publication")
    again = await ada.stream.open(
        f"{ada.stream._url}",
        **{"Authorization": f"Bearer {token()}", "Last-Event-ID": ada.stream.last_id},
    )
    back = StreamClient(again)
    place.clients.append(back)
    assert (await back.next("error"))["payload"]["code"] == "forbidden"


async def test_a_secret_is_its_users_own(start: Start) -> None:
    """Two users who show the same session are two senders: neither's ids are the other's."""
    place = await start(auth=login())
    answers = []
    for name in ("ada", "eve"):
        client = await place.connect(token=token(name))
        await client.ask("connect", {"session": "tab-1"})
        await client.send("chat_message", {"text": name, "ack": True}, id="m1")
        answers.append((await client.next("ack"))["payload"])
    assert [answer.get("duplicate", False) for answer in answers] == [False, False]
    assert answers[0]["offset"] != answers[1]["offset"]
