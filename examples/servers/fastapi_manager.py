"""A FastAPI chat with a connection manager, monitored by `app.add_middleware(rtmon.ASGIProbe, …)`.

Run: python examples/servers/fastapi_manager.py
"""

import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

import rtmon

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))

monitor = rtmon.Monitor()


class ConnectionManager:
    """Keeps the connections by the client's name in the path, and refuses a name in use."""

    def __init__(self) -> None:
        self.active: dict[str, WebSocket] = {}

    async def connect(self, websocket: WebSocket, client_id: str) -> bool:
        if client_id in self.active:
            await websocket.close(1008, "that name is taken")
            return False
        self.active[client_id] = websocket
        await websocket.accept()
        return True

    async def send(self, client_id: str, kind: str, /, **payload: Any) -> None:
        if (websocket := self.active.get(client_id)) is not None:
            try:
                await websocket.send_text(json.dumps({"type": kind, "payload": payload}))
            except (RuntimeError, WebSocketDisconnect):
                # The connection is closing. Its own handler, which still waits for messages, will
                # remove it, too.
                self.active.pop(client_id, None)

    async def broadcast(self, kind: str, /, **payload: Any) -> None:
        for client_id in list(self.active):
            await self.send(client_id, kind, **payload)


manager = ConnectionManager()


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with rtmon.serve_admin(monitor, port=ADMIN_PORT) as admin:
        print(f"ws://127.0.0.1:{PORT}/ws/NAME chats. Watch it: rtmon dashboard {admin.url}")
        yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(rtmon.ASGIProbe, monitor=monitor)


@app.websocket("/ws/{client_id}")
async def chat(websocket: WebSocket, client_id: str) -> None:
    if not await manager.connect(websocket, client_id):
        return
    try:
        await manager.send(client_id, "welcome", client_id=client_id)
        await manager.broadcast("user_joined", client_id=client_id, user_count=len(manager.active))
        while True:
            await handle(client_id, await websocket.receive_text())
    except WebSocketDisconnect:
        pass
    finally:
        manager.active.pop(client_id, None)
        await manager.broadcast("user_left", client_id=client_id, user_count=len(manager.active))


async def handle(client_id: str, text: str) -> None:
    try:
        message = json.loads(text)
        kind, payload = message["type"], message.get("payload", {})
        said, to = str(payload.get("text", "")), payload.get("target_client_id")
    except (ValueError, TypeError, KeyError, AttributeError):
        await manager.send(client_id, "error", message="Send an object with a type.")
        return
    now = time.time()
    if kind == "chat_message":
        await manager.broadcast(kind, client_id=client_id, text=said, timestamp=now)
    elif kind == "private_message" and to in manager.active:
        await manager.send(to, kind, text=said, timestamp=now, **{"from": client_id})
    else:
        await manager.send(client_id, "error", message=f"There is no {kind!r} for {to!r}.")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
