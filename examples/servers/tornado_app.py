"""A Tornado application with a WebSocket, monitored by `instrument(app, monitor)`.

Run: python examples/servers/tornado_app.py
"""

import asyncio
import os

import tornado.web
import tornado.websocket

import rtmon
from rtmon.probes.tornado import instrument

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))


class Echo(tornado.websocket.WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


async def main() -> None:
    monitor = rtmon.Monitor()
    app = tornado.web.Application([("/echo", Echo)])
    instrument(app, monitor)
    app.listen(PORT, "127.0.0.1")
    async with rtmon.serve_admin(monitor, port=ADMIN_PORT) as admin:
        print(f"ws://127.0.0.1:{PORT}/echo echoes. Watch it: rtmon dashboard {admin.url}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("ended")
