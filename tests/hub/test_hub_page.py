"""Runs the examples of docs/hub.md."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from websockets.asyncio.client import connect

import rtmon
from rtmon.protocol.codecs import JSON
from tests.hub.clients import SocketClient

PAGE = (Path(__file__).parents[2] / "docs" / "hub.md").read_text(encoding="utf-8")
PROGRAM, *EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.partition("\n## Hooks")[0], re.DOTALL)


async def test_chat_program_of_the_hub_docs_filters_text_kicks_and_announces(
    tmp_path: Path, reserve_port: Callable[[], int]
) -> None:
    """Chat program in docs/hub.md replaces a filtered word, delivers private messages, kicks a
    client and announces the kick.
    """
    port = reserve_port()
    program = tmp_path / "chat.py"
    program.write_text(PROGRAM.replace("8765", str(port)))
    running = await asyncio.create_subprocess_exec(sys.executable, str(program))
    try:
        clients = [await _client(port, name) for name in ("ada", "bo", "cy")]
        ada, bo, cy = clients
        for client in (ada, bo):
            await client.ask("join_room", {"room": "red"})
        await ada.send("room_message", {"room": "red", "text": "darn it"})
        assert (await bo.next("room_message"))["payload"]["text"] == "**** it"
        await ada.send("room_message", {"room": "red", "data": 1})
        assert (await bo.next("room_message"))["payload"]["data"] == 1
        await ada.send("chat_message", {"text": "darn them"})
        assert (await cy.next("chat_message"))["payload"]["text"] == "**** them"
        await ada.send("private_message", {"to": bo.id, "text": "psst"})
        assert (await bo.next("private_message"))["payload"]["text"] == "psst"
        await ada.send("kick", {"client": "nobody"})
        await ada.send("kick", {"client": bo.id})
        assert await bo.close_code() == 4600
        assert (await cy.next("announcement"))["payload"]["text"] == "bo was kicked"
        assert not {"announcement", "error"} & {message["type"] for message in await ada.quiet()}
        for client in clients:
            await client.leave()
        assert len([line for line in PROGRAM.splitlines() if line]) == 15
    finally:
        running.terminate()
        await running.wait()


@pytest.mark.parametrize("example", EXAMPLES)
async def test_python_example_of_the_hub_docs_runs(place: Any, example: str) -> None:
    """Python example in docs/hub.md runs with a hub and a connected client."""
    ada = await place.connect("ada")
    names = {"rtmon": rtmon, "hub": place.hub, "client": place.hub.client(ada.id)}
    code: CodeType = compile(example, "hub.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, names)  # noqa: S307 - an example of our own docs
    if inspect.isawaitable(running):
        await running


async def _client(port: int, name: str) -> SocketClient:
    """Connect a client to the program's port as soon as the program listens."""
    while True:
        try:
            connection = await connect(f"ws://127.0.0.1:{port}/?name={name}", proxy=None)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        client = SocketClient(connection, JSON)
        client.welcome = await client.next("welcome")
        return client
