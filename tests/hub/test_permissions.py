"""Permissions over every transport: what a client may do, and how the hub refuses it."""

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
    """Return the error code of the reply to a message, or the reply's type when it is no error."""
    answer = await client.ask(kind, payload)
    found: str = answer["payload"].get("code", answer["type"])
    return found


@pytest.mark.parametrize("over", ONE_EACH)
async def test_hub_refuses_client_without_the_permission_of_a_channel(
    start: Start, over: str
) -> None:
    """Hub answers ``forbidden`` when a client without a channel's permission subscribes,
    publishes, or requests history or presence.
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


async def test_client_without_permission_learns_nothing_about_rooms_or_clients(
    start: Start,
) -> None:
    """Client without permission gets the same reply whether a room or client exists or not."""
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
    for to in (ada.id, "unknown"):
        await eve.send("typing_end", {"to": to})
    assert not [message for message in await eve.quiet() if message["type"] == "error"]


async def test_hub_without_auth_refuses_clients_in_channels_that_need_a_permission(
    start: Start,
) -> None:
    """Hub without ``auth`` answers ``forbidden`` to clients that publish in a protected channel,
    where only the application can publish.
    """
    place = await start(channels={"prices": ChannelOptions(publish="write")})
    ada = await place.connect(user="admin")
    assert await code(ada, "publish", channel="prices", data=1) == "forbidden"
    assert await code(ada, "subscribe", channel="prices") == "ack"
    await place.hub.publish("prices", 1)
    assert await ada.published(1) == [1]


@pytest.mark.parametrize("wrong", [{"publish": ""}, {"subscribe": ["a"]}, {"presence": True}])
def test_channel_options_raise_option_error_for_an_invalid_permission(wrong: Any) -> None:
    """ChannelOptions raises OptionError for a permission that is empty or not text."""
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
    "private": ("private_message", {"to": "unknown", "text": "hi"}, "send", "client:unknown"),
    "typing": ("typing_start", {"to": "unknown"}, "send", "client:unknown"),
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


async def test_allow_function_is_called_with_client_action_and_place(
    start: Start, tmp_path: Any
) -> None:
    """Hub calls the ``allow`` function with the client, an action such as ``join`` and a place such
    as ``room:cellar``, and answers ``forbidden`` when the function returns False.
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
    # A client may leave a room without permission.
    assert await code(ada, "leave_room", room="lobby") == "ack"


@pytest.mark.parametrize("how", ["none", "truthy", "raises", "own words"])
async def test_hub_refuses_an_action_unless_allow_returns_true(start: Start, how: str) -> None:
    """Hub answers ``forbidden`` when ``allow`` raises or returns anything but True; if ``allow``
    raises ProtocolError, the answer has the exception's message.
    """

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


async def test_event_stream_gets_forbidden_for_a_channel_when_its_new_token_lacks_permission(
    start: Start,
) -> None:
    """Event stream that reconnects with a token without the permission of a channel gets
    ``forbidden`` for this channel.
    """
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


async def test_message_ids_of_two_users_with_the_same_session_are_no_duplicates(
    start: Start,
) -> None:
    """Hub does not treat a message id as a duplicate when another user has sent it with the same
    session.
    """
    place = await start(auth=login())
    answers = []
    for name in ("ada", "eve"):
        client = await place.connect(token=token(name))
        await client.ask("connect", {"session": "tab-1"})
        await client.send("chat_message", {"text": name, "ack": True}, id="m1")
        answers.append((await client.next("ack"))["payload"])
    assert [answer.get("duplicate", False) for answer in answers] == [False, False]
    assert answers[0]["offset"] != answers[1]["offset"]
