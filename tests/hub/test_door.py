"""Who gets in, over every transport."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import socketio
from websockets.asyncio.client import connect

import rtmon
from rtmon.errors import OptionError, ProtocolError
from rtmon.hub import Credentials, Hub, User
from rtmon.protocol import limits
from rtmon.testing import until
from tests.hub.clients import StreamClient
from tests.hub.conftest import ONE_EACH, Place
from tests.hub.tokens import login, token

Start = Callable[..., Awaitable[Place]]

LATER = ("websocket-json", "websocket-msgpack", "asgi-json", "asgi-msgpack", "memory")
"""Transports on which a token may be shown in the first message."""


async def refused(place: Place, over: str, shown: str | None) -> tuple[str, int]:
    """The error and the close code that somebody gets who shows this."""
    try:
        client = await place.come(over=over, token=shown)
    except ProtocolError as error:
        return error.code, 0
    except socketio.exceptions.ConnectionError:
        (code,) = place.hub.refused
        return code, 0
    if isinstance(client, StreamClient):
        response = client.stream.response
        await response.aread()
        challenged = response.headers.get("www-authenticate", "").startswith("Bearer")
        assert (response.status_code, challenged) in {(401, True), (503, False)}
        (code,) = place.hub.refused
        return code, response.json()["code"]
    if shown is None:
        await client.send("ping")
    error = await client.next("error")
    return error["payload"]["code"], await client.close_code()


async def test_the_token_says_who_it_is(start: Start, over: str) -> None:
    """Over each transport, who shows a token is who it says, whatever else they say; others see
    that in presence and in private messages.
    """
    place = await start(auth=login())
    ada = await place.connect("eve", over=over, user="eve", token=token("ada", name="Ada"))
    assert (ada.welcome["payload"]["name"], ada.welcome["payload"]["user"]) == ("Ada", "ada")
    assert 0 < ada.welcome["payload"]["ttl"] <= 600
    answer = await ada.ask("connect", {"name": "eve", "user": "eve", "info": {"age": 36}})
    assert (answer["payload"]["name"], answer["payload"]["user"]) == ("Ada", "ada")
    bo = await place.connect(token=token("bo"))
    present = (await bo.ask("presence"))["payload"]["members"]
    shown = {(each["user"], each["name"]) for each in present}
    assert shown == {("ada", "Ada"), ("bo", "bo")}
    await ada.send("private_message", {"to": bo.id, "text": "psst"})
    heard = (await bo.next("private_message"))["payload"]
    assert (heard["user"], heard["name"], heard["from"]) == ("ada", "Ada", ada.id)


@pytest.mark.parametrize(
    ("shown", "error", "code"),
    [
        (None, "unauthorized", 4500),
        ("nonsense", "invalid_token", 4500),
        (token(exp=1), "token_expired", 4001),
    ],
    ids=["nothing", "nonsense", "expired"],
)
async def test_who_is_not_let_in(
    start: Start, over: str, shown: str | None, error: str, code: int
) -> None:
    """Over each transport, who shows no token, or none that is taken, learns of nothing that goes
    on, and is told why in the transport's own way, and whether to come back.
    """
    place = await start(auth=login(), auth_timeout=60)
    found = await refused(place, over, shown)
    assert found in {(error, code), (error, 0)}
    assert place.hub.refused == {error: 1}
    await until(lambda: over == "memory" or not place.hub._parts.connection_limits.connections)
    assert not place.hub.connections


@pytest.mark.parametrize("over", LATER)
async def test_the_token_in_the_first_message(start: Start, over: str) -> None:
    """Where a header cannot be given, the first message shows the token; the welcome comes after
    it, and the rest of what it says is heard.
    """
    place = await start(auth=login(), auth_timeout=60)
    ada = await place.come("eve", over=over)
    introduction = {"token": token("ada"), "info": [1], "name": "eve", "session": "secret"}
    await ada.send("connect", introduction, id="i")
    ada.welcome = await ada.next("welcome")
    assert "reply_to" not in ada.welcome
    answer = await ada.next("welcome")
    assert (answer["reply_to"], answer["payload"]["session"]) == ("i", "secret")
    assert answer["payload"]["user"] == "ada"
    (member,) = (await ada.ask("presence"))["payload"]["members"]
    assert member["info"] == [1]


@pytest.mark.parametrize("over", LATER)
@pytest.mark.parametrize(
    "first",
    [
        ("connect", {"token": "x" * (limits.TOKEN_LENGTH + 1)}),
        ("connect", {"token": "nonsense"}),
        ("connect", {"name": "ada"}),
        ("chat_message", {"text": "hi"}),
        ("nonsense", 5),
    ],
    ids=["huge", "nonsense", "without", "early", "nothing"],
)
async def test_one_attempt(start: Start, over: str, first: Any) -> None:
    """Who says anything else first is closed, and what they say behind it is not heard: a token
    cannot be found by trying many.
    """
    place = await start(auth=login(), auth_timeout=60)
    eve = await place.come(over=over)
    await eve.send(*first)
    error = await eve.next("error")
    assert error["payload"]["code"] in {"unauthorized", "invalid_token", "invalid_payload"}
    assert "xxx" not in str(error)
    if over == "memory":
        await eve.send("connect", {"token": token("ada")})
    assert await eve.close_code() == 4500
    assert not place.hub.connections


@pytest.mark.parametrize("says", [None, "40", '40{"token":"nonsense"}'])
async def test_who_is_in_no_namespace_is_closed(start: Start, says: str | None) -> None:
    """Over Socket.IO, who does not ask for a namespace, or is let into none, does not stay either,
    whom no hub knows, so that none would count them; who is in one does.
    """
    place = await start(auth=login(), auth_timeout=60)
    ada = await place.connect(over="socketio-websocket", token=token())
    assert place.app is not None
    server = place.app.socketio.server
    (sid,) = server.eio.sockets
    place.hub.change(auth_timeout=0.02)
    where = f"ws://{await place.asgi()}/socket.io/?EIO=4&transport=websocket"
    async with asyncio.timeout(60), connect(where) as socket:
        if says is not None:
            await socket.send(says)
        async for _ in socket:
            pass
    await until(lambda: list(server.eio.sockets) == [sid])
    server._look(sid)
    assert (await ada.ask("ping"))["type"] == "pong"


@pytest.mark.parametrize("over", LATER)
async def test_who_says_nothing_is_closed(start: Start, over: str) -> None:
    """Who does not say in time who they are is closed with 4002; until then they are nobody."""
    place = await start(auth=login(), auth_timeout=0.05)
    nobody = await place.come(over=over)
    assert await nobody.close_code() == 4002
    await until(lambda: over == "memory" or not place.hub._parts.connection_limits.connections)
    assert not place.hub.connections


async def test_the_address_counts_only_where_it_may(start: Start, over: str) -> None:
    """A token in the address is looked at only where the hub's options say so."""
    if over == "memory":
        return
    for allowed in (False, True):
        place = await start(auth=login(), token_in_query=allowed, auth_timeout=0.05)
        place_name = f"x&token={token('ada')}"
        if allowed:
            ada = await place.connect(place_name, over=over)
            assert ada.welcome["payload"]["user"] == "ada"
        else:
            try:
                client = await place.come(place_name, over=over)
            except socketio.exceptions.ConnectionError:
                continue
            if isinstance(client, StreamClient):
                assert client.stream.response.status_code == 401
            else:
                assert await client.close_code() == 4002


async def test_any_function_can_say_who(start: Start) -> None:
    """A coroutine function gets token, headers, address and transport; None is a refusal, and so
    is whatever it raises or takes too long for, which is no reason to stay away.
    """
    asked: list[Credentials] = []

    async def check(shown: Credentials) -> User | None:
        asked.append(shown)
        match shown.token:
            case "slow":
                await asyncio.sleep(3600)
            case "broken":
                raise ValueError("the token was broken")
            case "good":
                return User(id=shown.headers["x-user"])
        return None

    place = await start(auth=check, auth_timeout=0.1)
    headers = {"Authorization": "Bearer good", "X-User": "ada"}
    ada = await place.connect(additional_headers=headers)
    assert ada.welcome["payload"]["user"] == "ada"
    assert asked[0].transport == "websocket"
    assert (asked[0].address or "").startswith("127.0.0.1:")
    assert await refused(place, "websocket-json", "bad") == ("invalid_token", 4500)
    for trouble in ("slow", "broken"):
        assert await refused(place, "websocket-json", trouble) == ("internal", 1011)


async def test_what_is_huge_is_not_looked_at(start: Start) -> None:
    """A token that is longer than any is refused before anybody reads it."""
    asked: list[str | None] = []

    def check(shown: Credentials) -> User | None:
        asked.append(shown.token)
        return None

    place = await start(auth=check)
    most = "x" * limits.TOKEN_LENGTH
    for shown in (most, f"{most}x"):
        with pytest.raises(ProtocolError, match=r"not one that|may have 7168"):
            await place.come(over="memory", token=shown)
    assert asked == [most]


async def test_a_cookie_is_enough(start: Start) -> None:
    """A function that knows somebody by a header alone lets them in at once, without a token."""

    def check(shown: Credentials) -> User | None:
        return User(id="ada") if shown.headers.get("cookie") == "session=1" else None

    place = await start(auth=check)
    ada = await place.connect(additional_headers={"Cookie": "session=1"})
    assert ada.welcome["payload"]["user"] == "ada"
    assert "ttl" not in ada.welcome["payload"]


async def test_a_monitor_is_told(start: Start) -> None:
    """Who is not let in stands among the Monitor's Events, with why and from where, and never with
    what they showed.
    """
    with rtmon.Monitor(interval=1000) as monitor:
        hub = Hub(auth=login(), connections_per_address=1)
        async with (
            rtmon.serve(hub, "127.0.0.1", 0, monitor=monitor) as server,
            rtmon.connect(server.url, token=token(), proxy=None),
            connect(server.url, additional_headers={"Authorization": "Bearer x"}) as late,
        ):
            assert "too_many_connections" in str(await late.recv())
        events = [event for event in monitor.tick().events if event.kind == "refused"]
        (event,) = events
        assert event.code == 1013
        assert (event.detail or "").startswith("too_many_connections: Your address has 1 ")
        assert (event.remote or "").startswith("127.0.0.1")


async def test_words_of_ones_own(start: Start) -> None:
    """A refusal in an application's own words is told, and counted with all others of its kind."""

    def check(shown: Credentials) -> User | None:
        raise ProtocolError(f"banned_{shown.token}", "You are not welcome here.")

    place = await start(auth=check)
    for number in range(3):
        found = await refused(place, "websocket-json", f"{number}")
        assert found == (f"banned_{number}", 4500)
    assert place.hub.refused == {"other": 3}


async def test_who_is_being_asked_goes_with_the_hub(start: Start) -> None:
    """When the hub ends, those are told, too, who have not said yet who they are."""
    place = await start(auth=login(), auth_timeout=60)
    nobody = await place.come()
    await until(lambda: place.hub._parts.connection_limits.connections)
    await place.hub.aclose()
    assert await nobody.close_code() == 1001
    assert not place.hub._parts.connection_limits.connections


@pytest.mark.parametrize("over", ONE_EACH)
async def test_no_secret_is_logged(
    start: Start, over: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens to a token, taken, refused or refreshed, nothing of rtmon's logs it."""
    good, fresh, bad, broken = (f"T0KEN-{what}" for what in ("good", "fresh", "bad", "broken"))
    caplog.set_level(logging.DEBUG, logger="rtmon")

    def check(shown: Credentials) -> User | None:
        if shown.token == broken:
            raise ValueError(f"cannot read {shown.token}")
        return User(id="ada") if shown.token in {good, fresh} else None

    place = await start(auth=check)
    ada = await place.connect(over=over, token=good)
    for shown in (fresh, bad, broken):
        await ada.ask("refresh", {"token": shown})
    for shown in (bad, broken):
        place.hub._parts.refusals.counts.clear()
        await refused(place, over, shown)
    said = [record.getMessage() + str(record.exc_text) for record in caplog.records]
    assert any("auth raised ValueError" in line for line in said)
    assert not [line for line in said if "T0KEN" in line]


def test_limits_of_users_need_users() -> None:
    """A hub that takes anybody's word for who they are cannot bound what one user does."""
    for options in ({"connections_per_user": 2}, {"user_rate": 5.0}):
        with pytest.raises(OptionError, match="need auth"):
            Hub(**options)  # type: ignore[arg-type]
        Hub(auth=login(), **options)  # type: ignore[arg-type]


async def test_a_reader_that_left_while_it_was_asked(start: Start) -> None:
    """Who goes while it is found out whether they may is not entered into anything afterwards."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def allow(*_: Any) -> bool:
        asked.set()
        await answered.wait()
        return True

    place = await start(allow=allow)
    ada = await place.connect(over="memory")
    subscribing = asyncio.create_task(ada.send("subscribe", {"channel": "news.*"}))
    await asked.wait()
    await ada.leave()
    answered.set()
    await subscribing
    assert not place.hub.registry.subscriptions.receivers("news.x")


async def test_who_has_expired_does_not_come_in(start: Start) -> None:
    """Whom a function of one's own knows only until a time that is over, is told to come anew."""
    place = await start(auth=lambda _: User(id="ada", expires=1.0))
    assert await refused(place, "websocket-json", "any") == ("token_expired", 4001)
