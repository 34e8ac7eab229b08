"""A python-socketio server with rooms, monitored by `instrument(sio, monitor)`.

Run: python examples/servers/socketio_app.py
"""

import contextlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import socketio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

import rtmon
from rtmon.probes.socketio import instrument

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))

monitor = rtmon.Monitor()
sio = socketio.AsyncServer(async_mode="asgi")
instrument(sio, monitor)


@sio.on("join room")
async def join(sid: str, asked: Any = None) -> int | dict[str, str]:
    room = asked.get("roomId") if isinstance(asked, dict) else asked
    if not isinstance(room, str):
        return {"error": "send the name of a room, or {roomId}"}
    await sio.enter_room(sid, room)
    await sio.emit("user joined", {"userId": sid}, room=room, skip_sid=sid)
    return len(list(sio.manager.get_participants("/", room)))


@sio.on("chat message")
async def chat(sid: str, message: Any = None) -> dict[str, str] | None:
    match message:
        case {"roomId": str(room), "text": str(text)} if room in sio.rooms(sid):
            said = {"text": text, "userId": sid, "timestamp": time.time_ns() // 1_000_000}
            await sio.emit("chat message", said, room=room)
            return None
        case {"roomId": str(), "text": str()}:
            return {"error": "join the room first"}
        case _:
            return {"error": "send {roomId, text}"}


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with rtmon.serve_admin(monitor, port=ADMIN_PORT) as admin:
        print(f"http://127.0.0.1:{PORT} speaks Socket.IO. Watch it: rtmon dashboard {admin.url}")
        yield


app = Starlette(
    routes=[Mount("/socket.io", socketio.ASGIApp(sio, socketio_path=""))], lifespan=lifespan
)

if __name__ == "__main__":
    # Without a timeout, the server would wait for open polls after Ctrl-C.
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning", timeout_graceful_shutdown=1)
