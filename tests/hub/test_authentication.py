"""Authentication over every transport."""

from __future__ import annotations

import asyncio
import contextlib
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
"""Transports on which the first message may carry the token."""


async def refused(place: Place, over: str, shown: str | None) -> tuple[str, int]:
    """Return the error and close code of a client with this token; a code of 0 is unknown."""
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


async def test_client_is_the_user_of_its_token(start: Start, over: str) -> None:
    """Over each transport, a client's user is its token's, whatever else it says; others see that
    in presence and private messages.
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
async def test_hub_refuses_client_without_a_valid_token(
    start: Start, over: str, shown: str | None, error: str, code: int
) -> None:
    """Over each transport, a client without a valid token receives nothing but the reason, in the
    transport's own way, and whether to come back.
    """
    place = await start(auth=login(), auth_timeout=60)
    found = await refused(place, over, shown)
    assert found in {(error, code), (error, 0)}
    assert place.hub.refused == {error: 1}
    await until(lambda: over == "memory" or not place.hub._parts.connection_limits.connections)
    assert not place.hub.connections


@pytest.mark.parametrize("over", LATER)
async def test_client_authenticates_with_its_first_message(start: Start, over: str) -> None:
    """Where a header cannot be sent, the first message carries the token; the welcome comes after
    it, and its other fields count.
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
async def test_hub_closes_client_whose_first_message_has_no_valid_token(
    start: Start, over: str, first: Any
) -> None:
    """A client has one attempt, and later messages are ignored, so that tokens cannot be tried
    in bulk.
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
async def test_socketio_client_without_a_namespace_is_closed(
    start: Start, says: str | None
) -> None:
    """A Socket.IO client that enters no namespace is closed, as no hub would count it; one that
    enters stays.
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
async def test_hub_closes_with_4002_when_no_token_comes_in_time(start: Start, over: str) -> None:
    """A client that sends no token in time is closed with 4002, and is present
    nowhere until then.
    """
    place = await start(auth=login(), auth_timeout=0.05)
    silent = await place.come(over=over)
    assert await silent.close_code() == 4002
    await until(lambda: over == "memory" or not place.hub._parts.connection_limits.connections)
    assert not place.hub.connections


@pytest.mark.parametrize("over", ["websocket-json", "asgi-json"])
@pytest.mark.parametrize(("where", "ignored"), [("ada", False), ("ada&token=SECRET", True)])
async def test_client_without_token_in_time_is_told_how_to_show_one(
    start: Start, over: str, where: str, *, ignored: bool
) -> None:
    """Before 4002 an error says how to show a token, and what became of one in the address; the
    close reason does in short.
    """
    place = await start(auth=login(), auth_timeout=0.05)
    silent = await place.come(where, over=over)
    error = (await silent.next("error"))["payload"]
    assert (error["code"], error["retry"]) == ("unauthorized", False)
    assert "Authorization: Bearer" in error["message"]
    assert ("token_in_query=True" in error["message"]) is ignored
    assert await silent.close_code() == 4002
    reason = silent.connection.close_reason
    assert reason.startswith("you showed no token within 0.05 s")
    assert reason.endswith("see the error before") is ignored
    assert "SECRET" not in f"{error}{reason}"


@pytest.mark.parametrize("over", ["sse", "socketio-websocket"])
async def test_refusal_says_that_a_token_in_the_address_was_ignored(
    start: Start, over: str
) -> None:
    """Transports that refuse at once say how to show a token, and that this one was ignored."""
    place = await start(auth=login())
    told: list[str] = []
    answer = place.hub._parts.refusals.count
    place.hub._parts.refusals.count = lambda peer, error: (
        told.append(error.message),
        answer(peer, error),
    )
    with contextlib.suppress(socketio.exceptions.ConnectionError):
        await place.come("ada&token=SECRET", over=over)
    (words,) = told
    assert "ignored" in words
    assert ("auth: { token }" in words) is (over != "sse")
    assert "SECRET" not in words


@pytest.mark.parametrize("shown", [None, "nonsense"])
async def test_refused_client_is_closed_with_1008_where_the_server_asks_for_it(
    start: Start, over: str, shown: str | None
) -> None:
    """With ``auth_close=1008`` each refusal has this code, which no client comes back after."""
    place = await start(auth=login(), auth_close=1008)
    error, code = await refused(place, over, shown)
    assert error in {"unauthorized", "invalid_token"}
    assert code in {1008, 0}


async def test_auth_close_also_replaces_the_code_of_the_timeout(start: Start) -> None:
    """With ``auth_close=1008`` a client without a token in time is closed with it; the hub's
    other codes stay, and other values are refused.
    """
    place = await start(auth=login(), auth_close=1008, auth_timeout=0.05)
    assert await (await place.come()).close_code() == 1008
    assert await refused(place, "websocket-json", token(exp=1)) == ("token_expired", 4001)
    with pytest.raises(OptionError, match="auth_close"):
        Hub(auth_close=4000)


async def test_hub_reads_token_in_the_address_only_when_options_allow_it(
    start: Start, over: str
) -> None:
    """A token in the address is read only where the hub's options say so."""
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


async def test_auth_function_gets_the_credentials_and_may_be_a_coroutine(start: Start) -> None:
    """The function gets token, headers, address and transport; None refuses, and so does an
    exception or a timeout, after which a client may retry.
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


async def test_token_that_is_too_long_never_reaches_the_auth_function(start: Start) -> None:
    """A token longer than the limit is refused before the function sees it."""
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


async def test_auth_function_accepts_a_client_by_a_header_alone(start: Start) -> None:
    """A function that knows a user by a header welcomes the client without a token."""

    def check(shown: Credentials) -> User | None:
        return User(id="ada") if shown.headers.get("cookie") == "session=1" else None

    place = await start(auth=check)
    ada = await place.connect(additional_headers={"Cookie": "session=1"})
    assert ada.welcome["payload"]["user"] == "ada"
    assert "ttl" not in ada.welcome["payload"]


async def test_monitor_records_refused_clients_without_their_tokens(start: Start) -> None:
    """A refused client is an Event with reason and address, and never with its token."""
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


async def test_refusal_carries_code_and_message_when_the_application_raises_them(
    start: Start,
) -> None:
    """A client is closed with the application's own error, which is counted as ``other``."""

    def check(shown: Credentials) -> User | None:
        raise ProtocolError(f"banned_{shown.token}", "You are not welcome here.")

    place = await start(auth=check)
    for number in range(3):
        found = await refused(place, "websocket-json", f"{number}")
        assert found == (f"banned_{number}", 4500)
    assert place.hub.refused == {"other": 3}


async def test_hub_closes_unauthenticated_client_with_1001_when_it_ends(start: Start) -> None:
    """When the hub ends, a client that has not authenticated yet is closed with 1001, too."""
    place = await start(auth=login(), auth_timeout=60)
    silent = await place.come()
    await until(lambda: place.hub._parts.connection_limits.connections)
    await place.hub.aclose()
    assert await silent.close_code() == 1001
    assert not place.hub._parts.connection_limits.connections


@pytest.mark.parametrize("over", ONE_EACH)
async def test_logs_hold_no_token(
    start: Start, over: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether a token is accepted, refused or refreshed, no log record holds it."""
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


def test_hub_refuses_limits_per_user_without_authentication() -> None:
    """Without authentication, limits per user are an OptionError."""
    for options in ({"connections_per_user": 2}, {"user_rate": 5.0}):
        with pytest.raises(OptionError, match="need auth"):
            Hub(**options)  # type: ignore[arg-type]
        Hub(auth=login(), **options)  # type: ignore[arg-type]


async def test_client_that_leaves_while_permissions_are_checked_enters_nothing(
    start: Start,
) -> None:
    """A client that disconnects during a permission check is entered into nothing afterwards."""
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


async def test_hub_refuses_user_that_has_expired(start: Start) -> None:
    """A user whose expiry has passed is refused with token_expired."""
    place = await start(auth=lambda _: User(id="ada", expires=1.0))
    assert await refused(place, "websocket-json", "any") == ("token_expired", 4001)
