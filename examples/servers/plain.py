"""A plain `websockets` server, monitored by one argument: `create_connection=probe(monitor)`.

Run: python examples/servers/plain.py
"""

import asyncio
import os

from websockets.asyncio.server import ServerConnection, serve

from rtmon import Monitor, probe, serve_admin

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def main() -> None:
    monitor = Monitor()
    async with (
        serve(echo, "127.0.0.1", PORT, create_connection=probe(monitor)) as server,
        serve_admin(monitor, port=ADMIN_PORT) as admin,
    ):
        print(f"ws://127.0.0.1:{PORT} echoes. Watch it: rtmon dashboard {admin.url}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("ended")
