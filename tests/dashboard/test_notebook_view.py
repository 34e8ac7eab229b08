"""`rtmon.notebook`: objects started in a notebook, which replace each other by name."""

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
    """Provide an IPython shell, as the kernel of a notebook has one."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()


async def echo(connection: ServerConnection) -> None:
    """Send each message back."""
    async for message in connection:
        await connection.send(message)


class Crowd:
    """An async context manager that records when it is entered and left."""

    def __init__(self) -> None:
        self.story: list[str] = []

    async def __aenter__(self) -> list[str]:
        self.story.append("entered")
        return self.story

    async def __aexit__(self, *exc_info: object) -> None:
        self.story.append("left")


async def test_start_closes_the_earlier_server_of_the_same_name(shell: InteractiveShell) -> None:
    """Function start() closes the earlier server of the same name, as when a notebook cell runs
    twice.
    """
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


async def test_stop_with_a_name_closes_only_that_server(shell: InteractiveShell) -> None:
    """Function stop() with a name closes only the server of that name, and without a name closes
    all started servers.
    """
    one, two = await start(echo, name="one"), await start(echo, name="two")
    await stop("one")
    assert (one.monitor.closed, two.monitor.closed) == (True, False)
    await stop()
    assert two.monitor.closed


async def test_stop_does_not_close_a_monitor_that_the_user_made(shell: InteractiveShell) -> None:
    """Function stop() closes the started servers, but not the Monitor that the user made and passed
    to these servers.
    """
    with rtmon.Monitor() as monitor:
        await start(echo, monitor=monitor)
        await start(echo, monitor=monitor)
        await stop()
        assert not monitor.closed


async def test_start_enters_any_async_context_manager_and_stop_leaves_it(
    shell: InteractiveShell,
) -> None:
    """Function start() enters any async context manager, and exits it exactly once when the next
    start() under the same name replaces it.
    """
    crowd = Crowd()
    assert await start(crowd, name="crowd") is crowd.story
    await start(Crowd(), name="crowd")
    assert crowd.story == ["entered", "left"]
    await stop()
    await stop()
    assert crowd.story == ["entered", "left"]


async def test_stop_closes_started_objects_in_reverse_order(shell: InteractiveShell) -> None:
    """Function stop() closes started objects in reverse order, so simulated users end before their
    server.
    """
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


async def test_start_raises_outside_a_notebook_and_names_the_alternative() -> None:
    """Function start() raises MonitorError that names ``async with rtmon.serve`` when it is called
    outside a notebook.
    """
    with pytest.raises(MonitorError, match=r"async with rtmon\.serve"):
        await start(echo)
