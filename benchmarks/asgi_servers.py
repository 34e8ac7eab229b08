"""ASGI servers of the fan-out benchmark, run by uvicorn; servers.py describes what they do."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import socketio
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from servers import BACKLOG, quiet_hub

from rtmon import Monitor
from rtmon.asgi import measured
from rtmon.hub.transports.asgi import app


def with_fastapi() -> Any:
    """Create the chat of FastAPI's documentation, which uses a ConnectionManager."""
    app = FastAPI()
    members: list[WebSocket] = []

    @app.websocket("/publish")
    async def publish(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            message = await websocket.receive_text()
            for each in members:
                await each.send_text(message)

    @app.websocket("/subscribe")
    async def subscribe(websocket: WebSocket) -> None:
        await websocket.accept()
        members.append(websocket)
        await websocket.send_text("joined")
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            members.remove(websocket)

    return app


def with_socketio() -> Any:
    """Create a python-socketio server whose subscribers are in one room."""
    server = socketio.AsyncServer(async_mode="asgi", ping_interval=3600)

    @server.event
    async def join(sid: str) -> None:
        await server.enter_room(sid, "bench")
        await server.emit("joined", to=sid)

    @server.event
    async def publish(_: str, data: Any) -> None:
        await server.emit("message", data, room="bench")

    return socketio.ASGIApp(server)


def with_hub() -> Any:
    """Create a monitored hub that serves all ASGI transports at once."""
    application = app(quiet_hub())
    application.socketio.server.eio.ping_interval = 3600
    return measured(application, Monitor())


KINDS = {"hub": with_hub, "fastapi": with_fastapi, "socketio": with_socketio}


def main() -> None:
    """Run the server that the command line names."""
    kind, port, *compression = sys.argv[1:]
    config = uvicorn.Config(
        KINDS[kind](),
        host="127.0.0.1",
        port=int(port),
        log_level="error",
        backlog=BACKLOG,
        ws_ping_interval=None,
        ws_per_message_deflate=bool(compression),
    )
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
