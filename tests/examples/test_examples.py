"""The example servers and clients in examples/."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio
from websockets.asyncio.client import ClientConnection, connect

import rtmon
from rtmon.asgi import serve as serve_asgi
from rtmon.client import ClientClosed
from rtmon.errors import ProtocolError
from rtmon.feeds import Feed, open_feed
from rtmon.testing import until
from tests.hub.tokens import KEY, token
from tests.ports import reserved_port

from .conftest import EXAMPLES, PATIENCE, run, serving

CLIENTS = sorted(path.name for path in (EXAMPLES / "clients").glob("with_*"))


@contextlib.asynccontextmanager
async def watching(admin: int) -> AsyncIterator[Feed]:
    """Open a feed of an example's admin listener, as a dashboard does."""
    feed = open_feed(f"ws://127.0.0.1:{admin}")
    await feed.start()
    try:
        yield feed
    finally:
        await feed.aclose()


async def seen(feed: Feed, **wanted: Any) -> None:
    """Wait until the totals have these values."""

    def equal() -> bool:
        snapshot = feed.snapshot()
        return snapshot is not None and wanted == {n: getattr(snapshot, n) for n in wanted}

    await until(equal)


async def say(connection: ClientConnection, kind: str, **payload: Any) -> None:
    """Send a message in the JSON format of the chat examples."""
    await connection.send(json.dumps({"type": kind, "payload": payload}))


async def hear(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the payload of the next message of this type."""
    async with asyncio.timeout(PATIENCE):
        while True:
            message = json.loads(await connection.recv())
            if message["type"] == kind:
                payload: dict[str, Any] = message["payload"]
                return payload


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ("plain.py", ""),
        ("threads.py", ""),
        ("aiohttp_app.py", "/echo"),
        ("tornado_app.py", "/echo"),
    ],
)
async def test_example_echo_server_reports_its_connection_and_messages(
    server: str, path: str
) -> None:
    """Example echo server answers a message, and its admin listener reports the connection and the
    message counts.
    """
    async with (
        serving(EXAMPLES / "servers" / server) as (port, admin),
        watching(admin) as feed,
        connect(f"ws://127.0.0.1:{port}{path}") as client,
    ):
        await client.send("hello")
        assert await client.recv() == "hello"
        await seen(feed, open=1, messages_in=1, messages_out=1, bytes_in=5)


@pytest.mark.parametrize("server", ["chat_class.py", "fastapi_manager.py", "node_ws.mjs"])
async def test_example_chat_server_works_in_three_frameworks(server: str, examples: Path) -> None:
    """Example chat server sends welcome, joins, leaves and messages to all clients, and answers
    malformed messages with an error.
    """
    place = "/ws/{}" if server == "fastapi_manager.py" else ""
    async with serving(examples / "servers" / server) as (port, admin):
        url = f"ws://127.0.0.1:{port}{place}"
        async with connect(url.format("ada")) as ada:
            await hear(ada, "welcome")
            async with connect(url.format("bo")) as bo:
                joined = await hear(ada, "user_joined")
                # The FastAPI chat also announces a join to the joining client.
                if server == "fastapi_manager.py":
                    joined = await hear(ada, "user_joined")
                assert {joined.get("user_count"), joined.get("userCount")} == {None, 2}
                await say(bo, "chat_message", text="hi 🙂")
                assert (await hear(ada, "chat_message"))["text"] == "hi 🙂"
                assert (await hear(bo, "chat_message"))["text"] == "hi 🙂"
                for wrong in ("{", "[]", "null", '"x"', '{"type": 5}'):
                    await bo.send(wrong)
                    await hear(bo, "error")
                await say(bo, "dance")
                await hear(bo, "error")
            await hear(ada, "user_left")
            if server.endswith(".py"):
                async with watching(admin) as feed:
                    await seen(feed, opened=2, open=1, messages_in=7)


@pytest.mark.parametrize(
    "server",
    [
        "node_ws.mjs",
        pytest.param("chat_class.py", marks=pytest.mark.matrix),
        pytest.param("fastapi_manager.py", marks=pytest.mark.matrix),
    ],
)
async def test_rtmon_client_with_the_plain_protocol_works_with_example_chats(
    server: str, examples: Path
) -> None:
    """Python client with ``protocol="plain"`` exchanges messages with a chat server written without
    rtmon.
    """
    place = "/ws/ada" if server == "fastapi_manager.py" else ""
    async with (
        serving(examples / "servers" / server) as (port, _),
        rtmon.connect(f"ws://127.0.0.1:{port}{place}", protocol="plain", proxy=None) as client,
    ):
        heard: list[str] = []
        client.on("chat_message")(lambda message: heard.append(message.payload["text"]))
        client.on("error")(lambda message: heard.append(message.type))
        await client.send("chat_message", {"text": "hi 🙂"})
        await client.send("dance")
        await client.flush()
        await until(lambda: heard == ["hi 🙂", "error"])
        assert client.stats.rtt is not None


async def test_fastapi_example_delivers_a_private_message_and_refuses_a_taken_name() -> None:
    """FastAPI chat example delivers a private message to the named client, and answers 403 to a
    second client with the same name.
    """
    async with serving(EXAMPLES / "servers" / "fastapi_manager.py") as (port, _):
        url = f"ws://127.0.0.1:{port}/ws"
        async with connect(f"{url}/ada") as ada, connect(f"{url}/bo") as bo:
            await hear(bo, "welcome")
            await say(ada, "private_message", text="psst", target_client_id="bo")
            assert (await hear(bo, "private_message"))["from"] == "ada"
            with pytest.raises(Exception, match="403"):
                await connect(f"{url}/ada")


async def test_fastapi_route_publishes_to_a_client_of_the_mounted_hub() -> None:
    """Route of the FastAPI example publishes a message to a subscriber of the mounted hub, and the
    Monitor counts the connection.
    """
    async with (
        serving(EXAMPLES / "servers" / "fastapi_hub.py") as (port, admin),
        watching(admin) as feed,
        rtmon.connect(f"ws://127.0.0.1:{port}/live/ws", name="ada", proxy=None) as client,
        client.subscribe("news") as news,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as web,
    ):
        answer = await web.post("/announce", params={"text": "rain"})
        assert answer.json() == {"offset": 1}
        message = await anext(aiter(news))
        assert message.payload == {"text": "rain"}
        await seen(feed, open=1)


async def test_secured_example_accepts_tokens_and_enforces_their_permissions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Secured example accepts a client with a valid token, refuses actions beyond the token's
    permissions, and closes a wrong audience with code 4500.
    """
    monkeypatch.setenv("JWT_SECRET", KEY)
    shown = {"token": token("u1", aud="chat", scope="prices:write"), "proxy": None}
    async with serving(EXAMPLES / "servers" / "secured.py") as (port, _):
        url = f"ws://127.0.0.1:{port}"
        async with rtmon.connect(url, **shown) as ada:
            assert await ada.publish("prices.gold", 42, ack=True)
        async with rtmon.connect(url, proxy=None, token=token("u2", aud="chat")) as bob:
            with pytest.raises(ProtocolError, match="not publish"):
                await bob.publish("prices.gold", 0, ack=True)
            with pytest.raises(ProtocolError, match="not send"):
                await bob.send_file(b"x", name="x")
        with pytest.raises(ClientClosed) as caught:
            await rtmon.connect(url, proxy=None, token=token("u1"))
        assert caught.value.code == 4500
        monkeypatch.setenv("TOKEN", str(shown["token"]))
        output = await run(EXAMPLES / "clients" / "with_rtmon.py", url)
        assert output.splitlines()[-1] == "chat_message hello"


async def test_starlette_example_reports_its_websocket_and_event_stream() -> None:
    """Starlette example reports a WebSocket and an event stream in one table, and ends on a signal
    while the stream is open.
    """
    async with (
        httpx.AsyncClient() as web,
        contextlib.AsyncExitStack() as streams,  # the streams end after the server
        serving(EXAMPLES / "servers" / "starlette_app.py") as (port, admin),
        watching(admin) as feed,
        connect(f"ws://127.0.0.1:{port}/echo") as client,
    ):
        await client.send("hello")
        assert await client.recv() == "hello"
        stream = web.stream("GET", f"http://127.0.0.1:{port}/ticks")
        lines = (await streams.enter_async_context(stream)).aiter_lines()
        assert await anext(lines) == "event: tick"
        await until(
            lambda: {row.transport for row in feed.connections().rows} == {"websocket", "sse"}
        )


@pytest.mark.parametrize("server", ["socketio_app.py", "node_socketio.mjs"])
async def test_socketio_example_delivers_room_messages_to_members_only(
    server: str, examples: Path
) -> None:
    """Socket.IO example delivers a room's messages to members of the room only, and ignores
    messages to the room from a client that has not joined it.
    """
    async with serving(examples / "servers" / server) as (port, admin):
        heard: dict[str, list[str]] = {"ada": [], "bo": [], "cy": []}
        clients = {}
        for name, texts in heard.items():
            client = clients[name] = socketio.AsyncClient()
            client.on("chat message", lambda m, texts=texts: texts.append(m["text"]))
            await client.connect(f"http://127.0.0.1:{port}", wait_timeout=PATIENCE)
        # Clients may give the room as a string or in an object.
        for number, (name, room) in enumerate((("ada", "lobby"), ("bo", {"roomId": "lobby"})), 1):
            assert await clients[name].call("join room", room, timeout=PATIENCE) == number
        await clients["cy"].emit("chat message", {"roomId": "lobby", "text": "let me in"})
        await clients["ada"].emit("chat message", {"roomId": "lobby", "text": "hello"})
        await until(lambda: heard["ada"] == heard["bo"] == ["hello"])
        assert heard["cy"] == []
        if server.endswith(".py"):
            for event, given in (("join room", {}), ("chat message", {"text": "where?"})):
                answer = await clients["cy"].call(event, given, timeout=PATIENCE)
                assert "roomId" in answer["error"]
            async with watching(admin) as feed:
                await seen(feed, open=3)
        for client in clients.values():
            await client.disconnect()


async def test_six_example_clients_send_and_receive_hello(examples: Path) -> None:
    """Each of six example clients in two languages connects to a hub, sends "hello" and receives
    it.
    """
    async with serve_asgi(rtmon.Hub(), "127.0.0.1", 0) as server:
        for name in CLIENTS:
            scheme = "http" if "socketio" in name or "eventsource" in name else "ws"
            url = f"{scheme}://127.0.0.1:{server.port}"
            output = await run(examples / "clients" / name, url)
            assert output.splitlines()[-1] == "chat_message hello", name
            assert output.startswith("welcome"), name
    assert len(CLIENTS) == 6


async def test_two_node_example_delivers_messages_between_its_nodes() -> None:
    """Example with two nodes and Redis delivers a message from a client of one node to a client
    of the other.
    """
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on the PATH")
    path = EXAMPLES / "servers" / "two_nodes.py"
    with reserved_port() as port, reserved_port() as admin:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, str(path)],
            env={
                **os.environ,
                "PORT": str(port),
                "ADMIN_PORT": str(admin),
                "PYTHONUNBUFFERED": "1",
            },
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            line = (await process.stdout.readline()).decode()
            urls = [url.replace("http", "ws") for url in re.findall(r"http://\S+/", line)]
            clients = [rtmon.connect(url, proxy=None) for url in urls]
            async with asyncio.timeout(PATIENCE), clients[0] as ada, clients[1] as bo:
                await ada.send("chat_message", {"text": "hello"})
                async for message in bo:
                    if message.type == "chat_message":
                        assert message.payload["text"] == "hello"
                        break
        finally:
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() == 0


def test_readme_of_the_examples_lists_every_example(examples: Path) -> None:
    """README of the examples names every example, and package.json has the tested versions of Node
    packages.
    """
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for folder in ("servers", "clients"):
        for path in (EXAMPLES / folder).iterdir():
            if path.name != "__pycache__":
                assert f"{folder}/{path.name}" in text, path
    wanted = json.loads((EXAMPLES / "package.json").read_text(encoding="utf-8"))["dependencies"]
    tested = json.loads((EXAMPLES.parent / "tests" / "peers" / "package.json").read_text())
    assert wanted.items() <= tested["dependencies"].items()
