"""``rtmon.serve`` is a drop-in replacement for the library's ``serve`` and its Server."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve

import rtmon
from rtmon.errors import OptionError
from rtmon.testing import until
from tests.ports import reserved_port


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def _names(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


async def test_server_has_every_public_attribute_of_the_library_when_it_runs() -> None:
    """Rtmon's running Server has the methods and attributes of the library's."""
    async with serve(_echo, "127.0.0.1", 0) as original, rtmon.serve(_echo, "127.0.0.1", 0) as ours:
        missing = {name for name in _names(original) if not hasattr(ours, name)}
        assert len(_names(original)) > 8
        assert ours.get_loop() is asyncio.get_running_loop()
        assert ours.is_serving()
        assert [each.getsockname()[1] for each in ours.sockets] == [ours.port]
        async with connect(ours.url):
            await until(lambda: len(list(ours.connections)) == 1)
            assert all(isinstance(each, ServerConnection) for each in ours.connections)
    assert not missing


@pytest.mark.parametrize(
    "name",
    sorted(name for name in _names(Server) if callable(getattr(Server, name))),
)
def test_server_method_takes_the_arguments_of_the_library_when_called(name: str) -> None:
    """Each public method has the parameters of the library's, with kinds, order and defaults."""
    original, ours = getattr(Server, name), getattr(rtmon.servers.websockets.Server, name, None)
    if ours is None:
        # Reached through __getattr__: it is the library's own.
        return
    theirs = list(inspect.signature(original).parameters.values())
    mine = list(inspect.signature(ours).parameters.values())
    compared = [(each.name, each.kind, each.default) for each in mine[: len(theirs)]]
    assert compared == [(each.name, each.kind, each.default) for each in theirs]
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(original)


def test_serve_takes_each_argument_of_the_library_when_named() -> None:
    """rtmon.serve binds every named argument that the library's serve() has."""
    mine = inspect.signature(rtmon.serve)
    for name, each in inspect.signature(serve).parameters.items():
        if each.kind is not inspect.Parameter.VAR_KEYWORD:
            mine.bind(**{name: None})


async def test_serve_takes_handler_host_and_port_by_name() -> None:
    """serve(handler=…, host=…, port=…) equals serve() with three positional arguments."""
    async with (
        rtmon.serve(handler=_echo, host="127.0.0.1", port=0) as server,
        connect(server.url) as client,
    ):
        await client.send("hello")
        assert await client.recv() == "hello"
    with pytest.raises(OptionError, match="same argument"):
        rtmon.serve(_echo, "127.0.0.1", 0, handler=_echo)


async def test_server_accepts_no_connection_before_start_serving() -> None:
    """With start_serving=False connections are accepted from start_serving() on."""
    server = await rtmon.serve(_echo, "127.0.0.1", 0, start_serving=False)
    assert not server.is_serving()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    await server.start_serving()
    async with connect(server.url):
        assert server.is_serving()
    await server.aclose()
    assert not server.is_serving()


async def test_serve_forever_serves_and_raises_when_cancelled() -> None:
    """serve_forever() starts to serve, and has closed the server when it is cancelled."""
    server = await rtmon.serve(_echo, "127.0.0.1", 0, start_serving=False)
    task = asyncio.create_task(server.serve_forever())
    await until(server.is_serving)
    async with connect(server.url) as client:
        task.cancel()
        await client.wait_closed()
        assert client.close_code == 1001
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server.is_serving()


async def test_serve_forever_returns_when_the_server_is_closed() -> None:
    """close() from another task ends serve_forever() without an exception."""
    server = await rtmon.serve(_echo, "127.0.0.1", 0)
    task = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    server.close()
    assert await task is None


async def test_server_stops_listening_when_close_returns() -> None:
    """close() takes effect with the next turn of the loop, as the library's does."""
    server = await rtmon.serve(_echo, "127.0.0.1", 0)
    server.close(close_connections=False)
    await asyncio.sleep(0)
    assert not server.sockets
    await server.wait_closed()


async def test_server_listens_on_each_host_when_given_several() -> None:
    """A sequence of hosts, which the event loop takes, has a socket for each."""
    hosts = ["127.0.0.1", "127.0.0.2"]
    with reserved_port() as port:
        async with rtmon.serve(_echo, hosts, port) as server, connect(server.url):
            assert sorted(each.getsockname() for each in server.sockets) == [
                (host, port) for host in hosts
            ]
            assert server.url == f"ws://127.0.0.1:{port}"


async def test_server_has_no_attribute_of_the_library_before_it_runs() -> None:
    """The error is an AttributeError, or says how to start the server."""
    server: Any = rtmon.serve(_echo, "127.0.0.1", 0)
    assert not hasattr(server, "handler_tasks")
    with pytest.raises(RuntimeError, match="not running"):
        server.is_serving()
    async with server:
        with pytest.raises(AttributeError, match="no_such_thing"):
            _ = server.no_such_thing
