"""Tokens of the Python client: from a text or a function, renewed before they expire."""

from __future__ import annotations

import asyncio
import dataclasses
import http
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

import rtmon
from rtmon.client import ClientClosed
from rtmon.client.options import ClientOptions
from rtmon.errors import OptionError, ProtocolError
from rtmon.testing import until
from tests.client.conftest import Place
from tests.hub.tokens import login, token

Start = Callable[..., Awaitable[Place]]


def expire(place: Place, seconds: float) -> None:
    """Make all clients' tokens expire in this many seconds."""
    for session in place.hub._parts.connection_limits.connections:
        assert session.identity is not None
        expires = place.hub.context.wall() + seconds
        session.identity = dataclasses.replace(session.identity, expires=expires)
        place.hub._parts.expiry.check(session)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_token_function_is_called_for_each_connection_and_renewal(
    start: Start, codec: Any
) -> None:
    """Python client calls its token function for each connection and before each expiry, and
    keeps messages and subscriptions.
    """
    place = await start(auth=login())
    shown: list[str] = []

    async def fresh() -> str:
        shown.append(token("ada", name=f"Ada {len(shown)}"))
        return shown[-1]

    client = await place.connect(token=fresh, name="eve", codec=codec)
    async with client.subscribe("news") as news:
        await news.publish(1)
        expire(place, 20)
        (session,) = place.hub._parts.connection_limits.connections
        await until(lambda: (session.identity.expires or 0) > place.hub.context.wall() + 100)
        assert (len(shown), client.stats.reconnects) == (2, 0)
        await news.publish(2)
        expire(place, 0)
        await until(lambda: client.stats.reconnects == 1)
        await news.publish(3)
        got = [(await anext(aiter(news))).payload for _ in range(3)]
    assert (got, len(shown)) == ([1, 2, 3], 3)
    (session,) = place.hub._parts.connection_limits.connections
    assert (session.user, session.name) == ("ada", "Ada 2")


@pytest.mark.parametrize(
    ("shown", "code"), [("nonsense", 4500), (token(exp=1), 4001), (None, 4002)]
)
async def test_client_closes_without_retrying_a_refused_token(
    start: Start, shown: Any, code: int
) -> None:
    """Python client raises ClientClosed with the close code when its token is refused, without a
    second attempt.
    """
    place = await start(auth=login(), auth_timeout=0.05)
    with pytest.raises(ClientClosed) as caught:
        await place.connect(token=shown)
    assert caught.value.code == code
    assert place.proxy.accepted == 1
    assert not shown or shown not in str(caught.value)


async def test_client_closes_with_4001_when_its_fixed_token_expires(start: Start) -> None:
    """Python client with a token given as text closes with code 4001 when the token expires."""
    place = await start(auth=login())
    client = await place.connect(token=token())
    gone = asyncio.get_running_loop().create_future()
    client.on_gave_up(gone.set_result)
    expire(place, 0)
    assert (await gone).code == 4001
    assert place.proxy.accepted == 1


async def test_failing_token_function_is_called_again(start: Start) -> None:
    """Python client retries a token function that raises or returns no valid token, and stays
    connected when a renewal of its token fails.
    """
    place = await start(auth=login())
    answers: list[Any] = [ValueError("offline"), "no token", None]

    def fresh() -> Any:
        if not answers:
            return token()
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = place.client(token=fresh)
    told: list[Any] = []
    client.on_error(lambda change: told.append(change.reason))
    async with client:
        assert not answers
        await until(lambda: len(told) == 3)
        assert told[0] == "offline"
        assert "no token" not in told[1].removeprefix("token() gave no token")
        answers.append(RuntimeError("offline again"))
        expire(place, 20)
        await until(lambda: len(told) == 4)
        assert told[3] == "there is no fresh token: offline again"
        with pytest.raises(ProtocolError):
            await client.request("refresh", {"token": "nonsense"})
        assert client.state == "open"


@pytest.mark.parametrize("wrong", ["", "a b", "a\n", "ü", 5, b"x", "x" * 8_193])
def test_malformed_token_raises_option_error_without_the_token(wrong: Any) -> None:
    """Python client's options raise OptionError for a malformed token, without quoting it."""
    with pytest.raises(OptionError) as caught:
        ClientOptions(token=wrong)
    assert not wrong or str(wrong) not in str(caught.value)


async def test_token_is_not_sent_to_another_server_on_redirect() -> None:
    """Python client sends its token to the same server after a redirect, but not to another
    server.
    """
    shown: list[tuple[str, str | None]] = []

    async def elsewhere(connection: ServerConnection) -> None:
        assert connection.request is not None
        shown.append(("elsewhere", connection.request.headers.get("Authorization")))

    def send_on(connection: ServerConnection, request: Request) -> Response:
        shown.append((request.path.partition("?")[0], request.headers.get("Authorization")))
        response = connection.respond(http.HTTPStatus.FOUND, "")
        response.headers["Location"] = "/here" if len(shown) == 1 else there
        return response

    async with (
        serve(elsewhere, "127.0.0.1", 0) as other,
        serve(elsewhere, "127.0.0.1", 0, process_request=send_on) as first,
    ):
        there, url = (
            f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
            for server in (other, first)
        )
        none = rtmon.Backoff(attempts=0)
        with pytest.raises(ClientClosed):
            await rtmon.connect(url, token="secret" + "!", proxy=None, backoff=none)
    assert shown == [("/", "Bearer secret!"), ("/here", "Bearer secret!"), ("elsewhere", None)]


async def test_client_token_appears_in_no_repr_event_or_log_record(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Python client's token appears in no ``repr()``, Event or log record, and replaces an
    Authorization header in the options.
    """
    caplog.set_level(logging.DEBUG, logger="rtmon")
    shown = token()
    place = await start(auth=login())
    with rtmon.Monitor(interval=1000) as monitor:
        headers = {"Authorization": "Bearer nonsense"}
        client = await place.connect(token=shown, additional_headers=headers, monitor=monitor)
        (session,) = place.hub._parts.connection_limits.connections
        assert session.user == "ada"
        printed = [repr(client), repr(client.options), repr(client.stats), repr(monitor)]
        printed += [str(event) for event in monitor.tick().events]
        printed += [str(info) for info in monitor.collector.connections()]
    printed += [record.getMessage() for record in caplog.records]
    assert not [text for text in printed if shown[:20] in text]
