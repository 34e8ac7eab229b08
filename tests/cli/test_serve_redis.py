"""`rtmon serve --redis` in real processes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.cli.running import PATIENCE, Command, run
from tests.hub.redis_server import RedisServer

PASSWORD = "s3cret-word"  # noqa: S105 - password of this test


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Start a Redis server that requires a password."""
    server = RedisServer(tmp_path)
    server.stop()
    server.start("--requirepass", PASSWORD)
    yield server
    server.close()


def hear(client: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the payload of the next message of this type."""
    while True:
        message = json.loads(client.recv(PATIENCE))
        if message["type"] == kind:
            payload: dict[str, Any] = message["payload"]
            return payload


def test_two_servers_with_the_same_redis_share_one_chat(
    command: Callable[..., Command], redis: RedisServer
) -> None:
    """Two `rtmon serve` processes with the same Redis server share one chat, and do not print the
    Redis password.
    """
    url = f"redis://:{PASSWORD}@127.0.0.1:{redis.port}/0"
    free = ("--port=0", "--admin-port=off")
    servers = [
        command("serve", *free, "--redis", url),
        command("serve", *free, environment={"RTMON_REDIS": url}),
    ]
    for server in servers:
        server.read_until("Ctrl-C")
    where = [server.output.splitlines()[0].split()[-1] for server in servers]
    with connect(where[0], proxy=None) as ada, contextlib.ExitStack() as stack:
        assert hear(ada, "user_joined")["user_count"] == 1
        bo = stack.enter_context(connect(where[1], proxy=None))
        assert hear(bo, "welcome")["user_count"] == 2
        bo.send('{"type": "chat_message", "payload": {"text": "hi"}}')
        assert hear(ada, "chat_message")["text"] == "hi"
        redis.stop()
        servers[0].read_until("is away")
    assert not any(PASSWORD in server.output for server in servers)


def test_serve_refuses_a_malformed_redis_address_without_printing_it() -> None:
    """`rtmon serve --redis` exits with code 2 and does not print the password when the address
    is malformed.
    """
    done = run("serve", "--port=0", "--redis", f"htp://:{PASSWORD}@localhost")
    assert done.returncode == 2
    assert "redis://host:6379/0" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
