"""An aiohttp application with a WebSocket, monitored by `instrument(app, monitor)`.

Run: python examples/servers/aiohttp_app.py
"""

import os
from collections.abc import AsyncIterator

from aiohttp import web

import rtmon
from rtmon.probes.aiohttp import instrument

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))

monitor = rtmon.Monitor()


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def watching(_: web.Application) -> AsyncIterator[None]:
    async with rtmon.serve_admin(monitor, port=ADMIN_PORT) as admin:
        print(f"ws://127.0.0.1:{PORT}/echo echoes. Watch it: rtmon dashboard {admin.url}")
        yield


app = web.Application()
app.router.add_get("/echo", echo)
app.cleanup_ctx.append(watching)
instrument(app, monitor)

if __name__ == "__main__":
    # Without a timeout, the server would wait for open WebSockets after Ctrl-C.
    web.run_app(app, host="127.0.0.1", port=PORT, print=None, shutdown_timeout=1)
