"""A typical chat server, written as a class that keeps a set of its connections, with rtmon.

The only change for monitoring is `rtmon.serve` instead of `websockets.serve`. The class also avoids
the usual faults of such classes. It does not iterate over the set of connections while the set
changes. One slow reader does not delay the others. A client's name is a number, not a memory
address. Times are wall-clock times.

Run: python examples/servers/chat_class.py
"""

import asyncio
import itertools
import json
import logging
import os
import time
from typing import Any

from websockets.asyncio.server import ServerConnection

import rtmon

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))

logger = logging.getLogger("chat")


class ChatServer:
    """Chat server that sends each client's messages to all clients."""

    def __init__(self) -> None:
        self.clients: dict[ServerConnection, int] = {}
        self._numbers = itertools.count(1)

    async def register(self, connection: ServerConnection) -> None:
        number = self.clients[connection] = next(self._numbers)
        logger.info("client %d is here", number)
        await connection.send(_message("welcome", client_id=number))
        joined = _message("user_joined", client_id=number, user_count=len(self.clients))
        self.broadcast(joined, exclude=connection)

    def unregister(self, connection: ServerConnection) -> None:
        number = self.clients.pop(connection)
        logger.info("client %d is gone", number)
        self.broadcast(_message("user_left", client_id=number, user_count=len(self.clients)))

    def broadcast(self, message: str, *, exclude: ServerConnection | None = None) -> None:
        # Writes to all connections at once without waiting, and skips closing ones.
        rtmon.broadcast([each for each in self.clients if each is not exclude], message)

    async def handle(self, connection: ServerConnection, text: str | bytes) -> None:
        try:
            message = json.loads(text)
            kind, payload = message["type"], message.get("payload", {})
            said = str(payload.get("text", ""))
        except (ValueError, TypeError, KeyError, AttributeError):
            await connection.send(_message("error", message="Send an object with a type."))
            return
        if kind == "chat_message":
            number, now = self.clients[connection], time.time()
            self.broadcast(_message(kind, client_id=number, text=said, timestamp=now))
        elif kind == "ping":
            await connection.send(_message("pong", timestamp=time.time()))
        else:
            await connection.send(_message("error", message=f"There is no type {kind!r}."))

    async def __call__(self, connection: ServerConnection) -> None:
        await self.register(connection)
        try:
            async for text in connection:
                await self.handle(connection, text)
        finally:
            self.unregister(connection)


def _message(kind: str, **payload: Any) -> str:
    return json.dumps({"type": kind, "payload": payload})


async def main() -> None:
    async with rtmon.serve(ChatServer(), "127.0.0.1", PORT, admin=ADMIN_PORT) as server:
        print(f"{server.url} chats. Watch it: rtmon dashboard {server.admin_url}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("ended")
