"""A `websockets.sync` server, which has one thread per connection, monitored by rtmon.

Run: python examples/servers/threads.py
"""

import asyncio
import os
import threading

from websockets.sync.server import ServerConnection, serve

from rtmon import Monitor, serve_admin
from rtmon.probes.websockets_sync import probe

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


async def watching(monitor: Monitor) -> None:
    async with serve_admin(monitor, port=ADMIN_PORT) as admin:
        print(f"ws://127.0.0.1:{PORT} echoes. Watch it: rtmon dashboard {admin.url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    monitor = Monitor()
    with serve(echo, "127.0.0.1", PORT, create_connection=probe(monitor)) as server:
        # The admin listener needs an event loop, so it runs in a thread of its own.
        threading.Thread(target=asyncio.run, args=(watching(monitor),), daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("ended")
