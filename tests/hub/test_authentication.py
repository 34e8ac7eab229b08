"""Authentication of clients by token, over every transport."""

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
"""Transports on which a client may send its token in its first message."""


async def refused(place: Place, over: str, shown: str | None) -> tuple[str, int]:
    """Connect with this token, and return the hub's error and close code (0 when it is unknown)."""
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


async def test_client_gets_user_and_name_of_its_token_whatever_it_claims(
    start: Start, over: str
) -> None:
    """Client gets the user and name in its token even when the client claims others, and other
    clients see the user and name from the token.
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
async def test_hub_refuses_client_when_its_token_is_missing_invalid_or_expired(
    start: Start, over: str, shown: str | None, error: str, code: int
) -> None:
    """Hub refuses a client with ``unauthorized``, ``invalid_token`` or ``token_expired`` when
    its token is missing, malformed or expired.
    """
    place = await start(auth=login(), auth_timeout=60)
    found = await refused(place, over, shown)
    assert found in {(error, code), (error, 0)}
    assert place.hub.refused == {error: 1}
    await until(lambda: over == "memory" or not place.hub._parts.connection_limits.connections)
    assert not place.hub.connections


@pytest.mark.parametrize("over", LATER)
async def test_client_is_authenticated_when_its_first_message_has_the_token(
    start: Start, over: str
) -> None:
    """Hub authenticates a client by the token in its first ``connect`` message, then sends the
    welcome and applies the message's other fields.
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
async def test_hub_closes_client_with_4500_when_its_first_message_has_no_valid_token(
    start: Start, over: str, first: Any
) -> None:
    """Hub closes a client with 4500 when its first message has no valid token, and ignores a
    valid token sent after it.
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
async def test_socketio_client_is_closed_when_it_connects_to_no_namespace_in_time(
    start: Start, says: str | None
) -> None:
    """Hub closes a Socket.IO client that does not connect to a namespace within
    ``auth_timeout``, and keeps a client that connects to a namespace in time.
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
async def test_hub_closes_client_with_4002_when_it_sends_no_token_before_the_timeout(
    start: Start, over: str
) -> None:
    """Hub closes a client with 4002 when the client sends no token within ``auth_timeout``, and
    no longer lists the client among its connections.
    """
    place = await start(auth=login(), auth_timeout=0.05)
    silent = await place.come(over=over)
    assert await silent.close_code() == 4002
    await until(lambda: over == "memory" or not place.hub._parts.connection_limits.connections)
    assert not place.hub.connections


@pytest.mark.parametrize("over", ["websocket-json", "asgi-json"])
@pytest.mark.parametrize(("where", "ignored"), [("ada", False), ("ada&token=SECRET", True)])
async def test_error_before_close_4002_explains_how_to_send_a_token(
    start: Start, over: str, where: str, *, ignored: bool
) -> None:
    """Hub sends an error that explains how to send a token before it closes with 4002, and
    mentions ``token_in_query`` when a token in the URL was ignored.
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
async def test_sse_and_socketio_refusal_says_that_the_token_in_the_url_was_ignored(
    start: Start, over: str
) -> None:
    """Hub's refusal over Server-Sent Events or Socket.IO says that the token in the URL was
    ignored, and does not repeat the token.
    """
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
async def test_hub_refuses_client_with_1008_when_auth_close_is_1008(
    start: Start, over: str, shown: str | None
) -> None:
    """Hub with ``auth_close=1008`` refuses a client without a valid token with close code 1008."""
    place = await start(auth=login(), auth_close=1008)
    error, code = await refused(place, over, shown)
    assert error in {"unauthorized", "invalid_token"}
    assert code in {1008, 0}


async def test_auth_close_1008_applies_to_the_timeout_but_not_to_expired_tokens(
    start: Start,
) -> None:
    """Hub with ``auth_close=1008`` closes with 1008 after the authentication timeout, still
    closes with 4001 for an expired token, and rejects ``auth_close=4000``.
    """
    place = await start(auth=login(), auth_close=1008, auth_timeout=0.05)
    assert await (await place.come()).close_code() == 1008
    assert await refused(place, "websocket-json", token(exp=1)) == ("token_expired", 4001)
    with pytest.raises(OptionError, match="auth_close"):
        Hub(auth_close=4000)


async def test_hub_reads_token_in_the_url_only_with_token_in_query(start: Start, over: str) -> None:
    """Hub accepts a token in the URL's query when ``token_in_query`` is true, and refuses the
    client otherwise.
    """
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


async def test_hub_calls_auth_coroutine_with_token_headers_address_and_transport(
    start: Start,
) -> None:
    """Hub calls the application's ``auth`` coroutine with token, headers, address and transport,
    and refuses the client when it returns None, raises or times out.
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


async def test_hub_refuses_token_above_its_length_limit_without_calling_auth(start: Start) -> None:
    """Hub refuses a token longer than 7168 characters without calling the ``auth`` function."""
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


async def test_client_is_authenticated_by_a_cookie_when_auth_accepts_it(start: Start) -> None:
    """Hub welcomes a client without a token when the ``auth`` function accepts its Cookie
    header.
    """

    def check(shown: Credentials) -> User | None:
        return User(id="ada") if shown.headers.get("cookie") == "session=1" else None

    place = await start(auth=check)
    ada = await place.connect(additional_headers={"Cookie": "session=1"})
    assert ada.welcome["payload"]["user"] == "ada"
    assert "ttl" not in ada.welcome["payload"]


async def test_monitor_records_refused_client_as_event_with_code_and_address(start: Start) -> None:
    """Monitor records one ``refused`` event with close code, reason and address when the hub
    refuses a client for too many connections.
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


async def test_client_receives_the_error_that_the_auth_function_raises(
    start: Start,
) -> None:
    """Hub sends a client the ProtocolError that the ``auth`` function raises, and counts the
    refusal as ``other``.
    """

    def check(shown: Credentials) -> User | None:
        raise ProtocolError(f"banned_{shown.token}", "You are not welcome here.")

    place = await start(auth=check)
    for number in range(3):
        found = await refused(place, "websocket-json", f"{number}")
        assert found == (f"banned_{number}", 4500)
    assert place.hub.refused == {"other": 3}


async def test_hub_closes_unauthenticated_client_with_1001_when_the_hub_is_closed(
    start: Start,
) -> None:
    """Hub closes a client that has not authenticated yet with 1001 when the hub itself is
    closed.
    """
    place = await start(auth=login(), auth_timeout=60)
    silent = await place.come()
    await until(lambda: place.hub._parts.connection_limits.connections)
    await place.hub.aclose()
    assert await silent.close_code() == 1001
    assert not place.hub._parts.connection_limits.connections


@pytest.mark.parametrize("over", ONE_EACH)
async def test_log_records_contain_no_token(
    start: Start, over: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Log records contain no token, whether the hub accepts, refuses or refreshes the token or
    ``auth`` raises an exception that contains it.
    """
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


def test_hub_rejects_per_user_limits_when_auth_is_not_set() -> None:
    """Hub raises OptionError for ``connections_per_user`` and ``user_rate`` when ``auth`` is not
    set.
    """
    for options in ({"connections_per_user": 2}, {"user_rate": 5.0}):
        with pytest.raises(OptionError, match="need auth"):
            Hub(**options)  # type: ignore[arg-type]
        Hub(auth=login(), **options)  # type: ignore[arg-type]


async def test_client_is_not_subscribed_when_it_disconnects_during_the_permission_check(
    start: Start,
) -> None:
    """Hub does not subscribe a client that disconnects while the ``allow`` function still runs."""
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


async def test_hub_refuses_client_when_its_login_has_expired(start: Start) -> None:
    """Hub refuses a client with ``token_expired`` and 4001 when ``auth`` returns a User whose
    ``expires`` time has passed.
    """
    place = await start(auth=lambda _: User(id="ada", expires=1.0))
    assert await refused(place, "websocket-json", "any") == ("token_expired", 4001)
