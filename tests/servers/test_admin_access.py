"""Access to the admin listener: its token, Host and Origin, and malformed requests."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from websockets.asyncio.client import connect

from rtmon import Monitor, serve_admin
from rtmon.errors import OptionError
from rtmon.feeds.remote_feed import RemoteFeed

TOKEN = "s3cret~!"  # noqa: S105 - a test token
BEARER = f"Authorization: Bearer {TOKEN}"


async def status(port: int, target: str, *headers: str, host: str = "localhost") -> int:
    """Send a raw HTTP request to the listener, and return the response's status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode("latin-1"))
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


@pytest.mark.parametrize(
    "token", ["", " ", "two words", "tökén", "ключ", "a\r\nb", "a\x00", b"a", 5]
)
def test_serve_admin_raises_option_error_for_a_token_that_no_header_can_contain(token: Any) -> None:
    """``serve_admin()`` raises OptionError, without quoting the token, when the token is empty,
    not text or not visible ASCII.
    """
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - rtmon refuses to bind it
        with pytest.raises(OptionError, match="token") as caught:
            serve_admin(Monitor(), host, 0, token=token)
        assert "two words" not in str(caught.value)


@pytest.mark.parametrize("token", ["tökén", "two words", "a\r\nb"])
def test_remote_feed_raises_option_error_for_a_token_that_no_header_can_contain(token: str) -> None:
    """RemoteFeed raises OptionError when its token is not visible ASCII."""
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
async def test_admin_listener_accepts_only_the_exact_bearer_token(
    headers: list[str],
    fine: bool,  # noqa: FBT001 - a test parameter
) -> None:
    """Admin listener answers 401 unless the Authorization header has the exact token with the
    scheme Bearer in any letter case.
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
async def test_admin_listener_accepts_only_the_exact_token_in_the_query(
    query: str, *, fine: bool
) -> None:
    """Admin listener answers 401 unless the query has the exact token, percent-encoded or not."""
    async with serve_admin(Monitor(interval=1000), port=0, token=TOKEN) as admin:
        assert await status(admin.port, f"/healthz{query}") == (200 if fine else 401)


@pytest.mark.parametrize("target", ["//[", "//[?since=a:1", "//[::1", "http://[/feed", "//a]/feed"])
async def test_admin_listener_answers_malformed_target_with_400_only_after_the_token(
    target: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Admin listener answers a malformed request target with 400, but 401 without the token and
    403 for a foreign origin or host.
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
async def test_admin_listener_answers_403_to_a_malformed_host_header(host: str) -> None:
    """Admin listener answers 403 to a Host with a user part, a path or a malformed port, and
    accepts other spellings of localhost.
    """
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        assert await status(admin.port, "/healthz", host=host) == 403
        assert await status(admin.port, "/healthz", host="LOCALHOST:8766") == 200
        assert await status(admin.port, "/healthz", host="[0:0:0:0:0:0:0:1]:8766") == 200


async def test_admin_listener_sends_the_whole_history_when_since_is_malformed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Admin listener sends the whole history when ``since`` in the feed's URL has too many
    digits, and logs no error.
    """
    monitor = Monitor(interval=1000)
    async with serve_admin(monitor, port=0) as admin:
        since = f"{monitor.collector.epoch}:{'9' * 5000}"
        async with connect(f"{admin.url}/feed?since={since}", proxy=None) as watcher:
            assert b"hello" in await watcher.recv(decode=False)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
