"""Access to the admin listener: its token, and malformed requests."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from websockets.asyncio.client import connect

from rtmon import Monitor, serve_admin
from rtmon.errors import OptionError
from rtmon.feeds.remote_feed import RemoteFeed

TOKEN = "s3cret~!"  # noqa: S105 - a test's
BEARER = f"Authorization: Bearer {TOKEN}"


async def status(port: int, target: str, *headers: str, host: str = "localhost") -> int:
    """HTTP status of the listener's answer to a raw request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode("latin-1"))
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


@pytest.mark.parametrize(
    "token", ["", " ", "two words", "tökén", "ключ", "a\r\nb", "a\x00", b"a", 5]
)
def test_listener_refuses_token_that_no_reader_can_send(token: Any) -> None:
    """A token that is empty or not visible ASCII raises when the listener is made, on each
    address, and the error does not contain it.
    """
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - it is refused
        with pytest.raises(OptionError, match="token") as caught:
            serve_admin(Monitor(), host, 0, token=token)
        assert "two words" not in str(caught.value)


@pytest.mark.parametrize("token", ["tökén", "two words", "a\r\nb"])
def test_feed_refuses_token_that_no_header_carries(token: str) -> None:
    """A feed with a token that would never match, or would add a header, raises when made."""
    with pytest.raises(OptionError, match="token"):
        RemoteFeed("ws://127.0.0.1:8766", token=token)


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ([BEARER], True),
        ([f"Authorization: bearer {TOKEN}"], True),
        ([f"authorization: BEARER {TOKEN}"], True),
        ([f"Authorization: Bearer   {TOKEN}  "], True),
        (["Authorization: Basic eDp5", BEARER], True),
        ([], False),
        (["Authorization:"], False),
        (["Authorization: Bearer"], False),
        (["Authorization: Bearer "], False),
        ([f"Authorization: {TOKEN}"], False),
        ([f"Authorization: Basic {TOKEN}"], False),
        ([f"Authorization: Bearer{TOKEN}"], False),
        ([f"Authorization: Bearer {TOKEN.upper()}"], False),
        ([f"Authorization: Bearer {TOKEN}x"], False),
        ([f"Authorization: Bearer {TOKEN}\xff"], False),
        (["Authorization: Bearer \xff\xfe"], False),
    ],
)
async def test_listener_takes_bearer_token_in_any_case(
    headers: list[str],
    fine: bool,  # noqa: FBT001 - a case's
) -> None:
    """The listener answers a request whose Authorization is the scheme Bearer, in any case,
    with the exact token; any other gets 401.
    """
    async with serve_admin(Monitor(interval=1000), port=0, token=TOKEN) as admin:
        assert await status(admin.port, "/healthz", *headers) == (200 if fine else 401)


@pytest.mark.parametrize(
    ("query", "fine"),
    [
        (f"?token={TOKEN}", True),
        ("?token=s3cret%7E%21", True),
        ("?token=", False),
        ("?token", False),
        ("?token=%ED%A0%BD", False),
        ("", False),
    ],
)
async def test_listener_takes_token_in_query(query: str, fine: bool) -> None:  # noqa: FBT001 - a case's
    """A request with the token in its query is answered, and any other gets 401."""
    async with serve_admin(Monitor(interval=1000), port=0, token=TOKEN) as admin:
        assert await status(admin.port, f"/healthz{query}") == (200 if fine else 401)


@pytest.mark.parametrize("target", ["//[", "//[?since=a:1", "//[::1", "http://[/feed", "//a]/feed"])
async def test_listener_answers_malformed_target_after_the_token(
    target: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A malformed target gets 400 from a reader with the token, 401 without it, and logs no
    traceback.
    """
    async with serve_admin(Monitor(interval=1000), port=0, token=TOKEN) as admin:
        assert await status(admin.port, target) == 401
        assert await status(admin.port, target, BEARER) == 400
        query = "&" if "?" in target else "?"
        assert await status(admin.port, f"{target}{query}token={TOKEN}") == 400
        assert await status(admin.port, target, BEARER, "Origin: http://localhost") == 403
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        assert await status(admin.port, target) == 400
        assert await status(admin.port, target, host="evil.example") == 403
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "host", ["localhost@127.0.0.1", "x@localhost", "localhost/", "localhost:x"]
)
async def test_listener_refuses_host_that_only_resembles_its_own(host: str) -> None:
    """Without a token the listener answers 403 to a Host with a user part, a path or a
    malformed port; any spelling of its own names is taken.
    """
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        assert await status(admin.port, "/healthz", host=host) == 403
        assert await status(admin.port, "/healthz", host="LOCALHOST:8766") == 200
        assert await status(admin.port, "/healthz", host="[0:0:0:0:0:0:0:1]:8766") == 200


async def test_feed_begins_anew_when_since_is_no_number(caplog: pytest.LogCaptureFixture) -> None:
    """The listener sends the whole history when the position in the request has too many
    digits, and logs no traceback.
    """
    monitor = Monitor(interval=1000)
    async with serve_admin(monitor, port=0) as admin:
        since = f"{monitor.collector.epoch}:{'9' * 5000}"
        async with connect(f"{admin.url}/feed?since={since}", proxy=None) as watcher:
            assert b"hello" in await watcher.recv(decode=False)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
