"""A Starlette application with a WebSocket and an event stream, both monitored by one line.

Run: python examples/servers/starlette_app.py
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import rtmon

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))

monitor = rtmon.Monitor()


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def ticks(_: Request) -> StreamingResponse:
    async def stream() -> AsyncIterator[str]:
        while True:
            yield f"event: tick\ndata: {time.time():.3f}\n\n"
            await asyncio.sleep(0.2)

    return StreamingResponse(stream(), media_type="text/event-stream")


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with rtmon.serve_admin(monitor, port=ADMIN_PORT) as admin:
        print(f"http://127.0.0.1:{PORT} streams. Watch it: rtmon dashboard {admin.url}")
        yield


app = Starlette(
    routes=[WebSocketRoute("/echo", echo), Route("/ticks", ticks)],
    middleware=[Middleware(rtmon.ASGIProbe, monitor=monitor)],
    lifespan=lifespan,
)

if __name__ == "__main__":
    # Without a timeout, the server would wait for open streams after Ctrl-C.
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning", timeout_graceful_shutdown=1)
