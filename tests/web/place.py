"""A hub, its server and a fault proxy in their own process, driven by a test in Node.

Each line on standard input is a JSON array ``[command, …arguments]``, and is answered by one line
of JSON.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import rtmon
import rtmon.asgi
from rtmon.hub.admission.authentication import seconds_left
from rtmon.protocol import limits
from rtmon.testing import FaultProxy

sys.path.append(str(Path(__file__).parents[2]))
from tests.hub.tokens import login, token


class Place:
    """Commands that a test in Node can send; each public method is one.

    Args:
        options: Options of the hub. In addition, ``asgi`` serves all transports, and ``login``
            admits only clients with a token of :meth:`token`.
        files: Folder for files that clients send.
    """

    def __init__(self, options: dict[str, Any], files: str) -> None:
        self._asgi = options.pop("asgi", False)
        if options.pop("login", False):
            options["auth"] = login()
        self._options = {"announce": 0.02, "files": files, **options}
        self._publishing: asyncio.Task[None] | None = None
        self._published = 0

    async def start(self, port: int = 0) -> None:
        """Create a new hub, and serve it."""
        self._hub = rtmon.Hub(**self._options)
        serve: Any = rtmon.asgi.serve if self._asgi else rtmon.serve
        self._server = await serve(self._hub, "127.0.0.1", port)

    async def stop(self) -> None:
        """Stop the server and close the hub."""
        self._server.close()
        await self._server.wait_closed()
        await self._hub.aclose()

    async def enter(self) -> dict[str, str]:
        """Start server and fault proxy; return the addresses of both."""
        await self.start()
        self._proxy = FaultProxy(self._server)
        await self._proxy.start()
        return {"url": self._proxy.url, "direct": self._server.url}

    async def restart(self) -> None:
        """Stop the server, and start another one with a new hub at the same address."""
        port = self._server.port
        await self.stop()
        await self.start(port)

    async def cut(self) -> None:
        """Reset all connections of the proxy."""
        self._proxy.cut()

    async def cut_oldest(self) -> None:
        """Reset the oldest connection of the proxy."""
        self._proxy.links[0].cut()

    async def freeze(self) -> None:
        """Freeze the network: no byte passes in either direction, and TCP reports nothing."""
        self._proxy.freeze("both")

    async def calm(self) -> None:
        """End all faults of the proxy."""
        self._proxy.calm()

    async def refuse(self) -> None:
        """Reset all connections, and refuse new ones."""
        self._proxy.refusing = True
        self._proxy.cut()

    async def accepted(self) -> int:
        """Return how many connections the proxy has accepted so far."""
        return self._proxy.accepted

    async def token(self, user: str) -> str:
        """Return a token that the server accepts for this user."""
        return token(user)

    async def change(self, options: dict[str, Any]) -> None:
        """Change these options of the running hub, given as name → value."""
        self._hub.change(**options)

    async def expire(self, seconds: float) -> None:
        """Let the tokens of all connected clients expire after this many seconds."""
        for session in self._hub._parts.connection_limits.connections:
            expires = self._hub.context.wall() + seconds
            session.identity = dataclasses.replace(session.identity, expires=expires)
            self._hub._parts.expiry.check(session)

    async def here(self) -> list[tuple[str | None, float | None]]:
        """Return each connected user, with the seconds until the user's token expires."""
        sessions = self._hub.connections.values()
        return [
            (each.user, seconds_left(each.identity, self._hub.context.wall())) for each in sessions
        ]

    async def publish(self, channel: str, data: Any) -> None:
        """Publish data to a channel."""
        await self._hub.publish(channel, data)

    async def publish_largest(self, channel: str) -> int:
        """Publish text of the largest allowed size; return its length."""
        text = "x" * (limits.DATA_SIZE - 5)
        await self._hub.publish(channel, text)
        return len(text)

    async def flow(self, channel: str, rate: float) -> None:
        """Publish this many consecutive numbers per second until the command `ebb`."""
        self._publishing = asyncio.create_task(self._flow(channel, rate))

    async def ebb(self) -> int:
        """Stop publishing; return how many numbers were published."""
        assert self._publishing is not None
        self._publishing.cancel()
        await asyncio.wait([self._publishing])
        return self._published

    async def _flow(self, channel: str, rate: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._published += 1
            await self._hub.publish(channel, self._published)
            due += 1 / rate
            await asyncio.sleep(due - loop.time())


async def main() -> None:
    """Execute commands until standard input ends."""
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    with tempfile.TemporaryDirectory() as files:
        place = Place(json.loads(sys.argv[1]), files)
        while line := await commands.readline():
            command, *arguments = json.loads(line)
            # The answer to the command.
            print(json.dumps(await getattr(place, command)(*arguments)), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
