"""`rtmon.notebook`: servers of a notebook that replace each other by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection

import rtmon
from rtmon.errors import MonitorError
from rtmon.notebook import start, stop


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """An IPython shell, as a notebook's kernel has one."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()


async def echo(connection: ServerConnection) -> None:
    """Send each message back."""
    async for message in connection:
        await connection.send(message)


class Crowd:
    """Another context manager."""

    def __init__(self) -> None:
        self.story: list[str] = []

    async def __aenter__(self) -> list[str]:
        self.story.append("entered")
        return self.story

    async def __aexit__(self, *exc_info: object) -> None:
        self.story.append("left")


async def test_start_closes_the_server_of_the_same_name(shell: InteractiveShell) -> None:
    """When a cell runs twice, the first server is closed."""
    first = await start(echo, name="chat")
    async with connect(first.url) as connection:
        second = await start(echo, name="chat")
        await connection.wait_closed()
    assert first.monitor.closed
    assert not second.monitor.closed
    with pytest.raises(OSError, match="Connect call failed"):
        await connect(first.url)
    await stop("chat")
    assert second.monitor.closed


async def test_stop_leaves_servers_of_other_names(shell: InteractiveShell) -> None:
    """Servers of other names go on."""
    one, two = await start(echo, name="one"), await start(echo, name="two")
    await stop("one")
    assert (one.monitor.closed, two.monitor.closed) == (True, False)
    await stop()
    assert two.monitor.closed


async def test_stop_keeps_a_given_monitor_open(shell: InteractiveShell) -> None:
    """A Monitor made by the user survives its server."""
    with rtmon.Monitor() as monitor:
        await start(echo, monitor=monitor)
        await start(echo, monitor=monitor)
        await stop()
        assert not monitor.closed


async def test_start_accepts_any_async_context_manager(shell: InteractiveShell) -> None:
    """Any asynchronous context manager is entered, and exited when it is stopped or its name
    started again.
    """
    crowd = Crowd()
    assert await start(crowd, name="crowd") is crowd.story
    await start(Crowd(), name="crowd")
    assert crowd.story == ["entered", "left"]
    await stop()
    await stop()
    assert crowd.story == ["entered", "left"]


async def test_stop_ends_the_latest_first(shell: InteractiveShell) -> None:
    """Simulated users are stopped before their server."""
    order: list[str] = []

    class Named(Crowd):
        async def __aexit__(self, *exc_info: object) -> None:
            order.append(type(self).__name__)

    class Server(Named):
        pass

    class Users(Named):
        pass

    await start(Server(), name="server")
    await start(Users(), name="users")
    await stop()
    assert order == ["Users", "Server"]


async def test_start_fails_outside_of_a_notebook() -> None:
    """The error gives the statement to use instead."""
    with pytest.raises(MonitorError, match=r"async with rtmon\.serve"):
        await start(echo)
