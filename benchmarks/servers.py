"""Python servers to compare: each sends a message posted to `/publish` to all other connections.

`python servers.py KIND PORT [deflate|takeover]` runs one server until it is killed. A subscriber
receives `joined` once it is subscribed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

BACKLOG = 4096
Publish = Callable[[Any], Awaitable[None] | None]


def _extension(compression: str) -> dict[str, Any]:
    """Return the compression options of `websockets.serve`.

    "takeover" is the default, "deflate" compresses without context takeover, and empty means none.
    """
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory as Deflate

    if compression == "takeover":
        return {"compression": "deflate"}
    if compression == "deflate":
        shared = Deflate(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            compress_settings={"memLevel": 5},
        )
        return {"compression": None, "extensions": [shared]}
    return {"compression": None}


async def _serve(serve: Any, port: int, members: Any, publish: Publish, **options: Any) -> None:
    """Run a server of `websockets` or `rtmon.serve`, with a function that publishes."""

    async def handler(connection: Any) -> None:
        if connection.request.path == "/publish":
            async for message in connection:
                waiting = publish(message)
                if waiting is not None:
                    await waiting
            return
        members.add(connection)
        await connection.send("joined")
        try:
            await connection.wait_closed()
        finally:
            members.discard(connection)

    options = {"ping_interval": None, "backlog": BACKLOG, **options}
    async with serve(handler, "127.0.0.1", port, **options):
        await asyncio.Event().wait()


async def loop(port: int, compression: str) -> None:
    """Fan out by `await send` to one connection after the other, as beginners write it."""
    from websockets.asyncio.server import serve

    members: set[Any] = set()

    async def publish(message: str) -> None:
        for each in list(members):
            await each.send(message)

    await _serve(serve, port, members, publish, **_extension(compression))


async def broadcast(port: int, compression: str) -> None:
    """Fan out by `websockets.broadcast`."""
    from websockets.asyncio.server import broadcast as library_broadcast
    from websockets.asyncio.server import serve

    members: set[Any] = set()
    publish = partial(library_broadcast, members)
    await _serve(serve, port, members, publish, **_extension(compression))


async def rtmon_broadcast(port: int, compression: str) -> None:
    """Fan out by `rtmon.broadcast` on connections of a plain `websockets` server."""
    from websockets.asyncio.server import serve

    import rtmon

    members: set[Any] = set()

    def publish(message: str) -> None:
        rtmon.broadcast(members, message)

    await _serve(serve, port, members, publish, **_extension(compression))


async def group(port: int, compression: str) -> None:
    """Fan out by a `Group` on monitored connections of `rtmon.serve`."""
    import rtmon
    from rtmon.servers.fanout import Group

    members = Group()

    def publish(message: str) -> None:
        members.publish(message)

    options = {} if compression else {"compression": None}
    await _serve(rtmon.serve, port, members, publish, **options)


async def unmonitored(port: int, compression: str) -> None:
    """Keep idle connections on a server of `websockets`."""
    from websockets.asyncio.server import serve

    await _run(serve, _wait, port, compression)


async def monitored(port: int, compression: str) -> None:
    """Keep idle connections on `rtmon.serve`."""
    import rtmon

    await _run(rtmon.serve, _wait, port, compression)


async def _wait(connection: Any) -> None:
    await connection.wait_closed()


async def _run(serve: Any, served: Any, port: int, compression: str, **options: Any) -> None:
    """Serve a handler or a hub, with the default compression or none."""
    if not compression:
        options["compression"] = None
    async with serve(served, "127.0.0.1", port, backlog=BACKLOG, **options):
        await asyncio.Event().wait()


def quiet_hub() -> Any:
    """Return a hub without rate limits.

    It announces thousands of joins at once, before the measurement.
    """
    import rtmon

    return rtmon.Hub(rate=float("inf"), burst=1_000_000, announce=60.0)


async def hub(port: int, compression: str) -> None:
    """Run a hub. Each message is parsed, validated, stored in history, fanned out and counted."""
    import rtmon

    await _run(rtmon.serve, quiet_hub(), port, compression, ping_interval=None)


async def hub_beside(port: int, folder: str) -> None:
    """Run a hub on the native transport, and on all ASGI transports at another port.

    The other port is written to the file `beside`.
    """
    import rtmon
    from rtmon.asgi import serve

    quiet, monitor = quiet_hub(), rtmon.Monitor()
    beside = serve(quiet, port=0, monitor=monitor, ping_interval=None)
    # The load generator answers no pings.
    beside._app.socketio.server.eio.ping_interval = 3600  # noqa: SLF001
    async with beside:
        file = Path(folder, "beside")
        await asyncio.to_thread(file.write_text, str(beside.port))
        await _run(rtmon.serve, quiet, port, "", ping_interval=None, monitor=monitor)


async def hub_kept(port: int, compression: str) -> None:
    """Run a hub with default options, for clients that answer pings."""
    import rtmon

    await _run(rtmon.serve, rtmon.Hub(), port, compression)


async def picows(port: int, _compression: str) -> None:
    """Fan out with picows, a library in Cython."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest
    from picows import ws_create_server as create

    members: set[WSTransport] = set()

    class Subscriber(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            members.add(transport)
            transport.send(WSMsgType.TEXT, b"joined")

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            members.discard(transport)

    class Publisher(WSListener):
        def on_ws_frame(self, _: WSTransport, frame: WSFrame) -> None:
            message = frame.get_payload_as_bytes()
            for each in members:
                each.send(WSMsgType.TEXT, message)

    def listener(request: WSUpgradeRequest) -> WSListener:
        return Publisher() if request.path == b"/publish" else Subscriber()

    server = await create(listener, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


KINDS = {
    each.__name__: each
    for each in (
        loop,
        broadcast,
        rtmon_broadcast,
        group,
        unmonitored,
        monitored,
        hub,
        hub_beside,
        hub_kept,
        picows,
    )
}


def main() -> None:
    """Run the server that the command line names."""
    kind, port, *rest = sys.argv[1:]
    asyncio.run(KINDS[kind](int(port), rest[0] if rest else ""))


if __name__ == "__main__":
    main()
