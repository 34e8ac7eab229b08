"""``rtmon.serve()`` as a replacement for ``websockets.serve()`` and its Server."""

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


async def test_running_server_has_all_public_attributes_of_the_websockets_server() -> None:
    """Running rtmon Server has all public methods and attributes of the ``websockets`` Server."""
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
def test_server_method_has_the_parameters_of_the_websockets_server(name: str) -> None:
    """Server method has the same parameters, parameter kinds and defaults as the method of the
    ``websockets`` Server.
    """
    original, ours = getattr(Server, name), getattr(rtmon.servers.websockets.Server, name, None)
    if ours is None:
        # The method is inherited from the library's Server through __getattr__.
        return
    theirs = list(inspect.signature(original).parameters.values())
    mine = list(inspect.signature(ours).parameters.values())
    compared = [(each.name, each.kind, each.default) for each in mine[: len(theirs)]]
    assert compared == [(each.name, each.kind, each.default) for each in theirs]
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(original)


def test_serve_accepts_every_named_argument_of_websockets_serve() -> None:
    """``rtmon.serve()`` accepts every named argument of ``websockets.serve()``."""
    mine = inspect.signature(rtmon.serve)
    for name, each in inspect.signature(serve).parameters.items():
        if each.kind is not inspect.Parameter.VAR_KEYWORD:
            mine.bind(**{name: None})


async def test_serve_accepts_handler_host_and_port_by_name() -> None:
    """``rtmon.serve()`` accepts ``handler``, ``host`` and ``port`` by name, and raises
    OptionError when a handler is given twice.
    """
    async with (
        rtmon.serve(handler=_echo, host="127.0.0.1", port=0) as server,
        connect(server.url) as client,
    ):
        await client.send("hello")
        assert await client.recv() == "hello"
    with pytest.raises(OptionError, match="same argument"):
        rtmon.serve(_echo, "127.0.0.1", 0, handler=_echo)


async def test_server_accepts_no_connection_before_start_serving() -> None:
    """Server with ``start_serving=False`` refuses connections until ``start_serving()`` is
    called.
    """
    server = await rtmon.serve(_echo, "127.0.0.1", 0, start_serving=False)
    assert not server.is_serving()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    await server.start_serving()
    async with connect(server.url):
        assert server.is_serving()
    await server.aclose()
    assert not server.is_serving()


async def test_serve_forever_closes_clients_with_1001_when_canceled() -> None:
    """Method ``serve_forever()`` starts serving, and when it is canceled, closes clients with
    1001 and raises CancelledError.
    """
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
    """``serve_forever()`` returns without an exception when another task closes the server."""
    server = await rtmon.serve(_echo, "127.0.0.1", 0)
    task = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    server.close()
    assert await task is None


async def test_server_stops_listening_one_loop_iteration_after_close() -> None:
    """Server has no listening sockets one event-loop iteration after
    ``close(close_connections=False)``.
    """
    server = await rtmon.serve(_echo, "127.0.0.1", 0)
    server.close(close_connections=False)
    await asyncio.sleep(0)
    assert not server.sockets
    await server.wait_closed()


async def test_server_listens_on_each_host_of_a_list() -> None:
    """Server with a list of hosts listens on each of them."""
    hosts = ["127.0.0.1", "127.0.0.2"]
    with reserved_port() as port:
        async with rtmon.serve(_echo, hosts, port) as server, connect(server.url):
            assert sorted(each.getsockname() for each in server.sockets) == [
                (host, port) for host in hosts
            ]
            assert server.url == f"ws://127.0.0.1:{port}"


async def test_server_attributes_raise_before_the_server_runs() -> None:
    """Server that is not running has no ``handler_tasks`` attribute, and ``is_serving()`` raises
    RuntimeError.
    """
    server: Any = rtmon.serve(_echo, "127.0.0.1", 0)
    assert not hasattr(server, "handler_tasks")
    with pytest.raises(RuntimeError, match="not running"):
        server.is_serving()
    async with server:
        with pytest.raises(AttributeError, match="no_such_thing"):
            _ = server.no_such_thing
