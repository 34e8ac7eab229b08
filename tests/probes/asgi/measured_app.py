"""An ASGI application with a probe and a hub, for servers in their own process.

``/seen`` answers with the rows of closed connections, the codes and causes with which the hub's
clients left, and ``repr()`` of the Monitor. ``/kick/CODE`` closes the hub's connections.
"""

from __future__ import annotations

import json
from typing import Any

from rtmon import ASGIProbe, Hub, Monitor
from rtmon.hub.transports.asgi import app as hub_application

__all__ = ["application"]

MONITOR = Monitor(interval=1000)
HUB = Hub()
LEFT: list[tuple[int | None, str]] = []
COLUMNS = ("path", "close_code", "initiator", "cause", "messages_in", "errors")


@HUB.on_disconnect
def _left(client: Any, code: int | None, reason: str, cause: str) -> None:
    LEFT.append((code, cause))


async def _rooms(scope: Any, receive: Any, send: Any) -> None:
    """Echo messages; or close or fail at once, as the path says."""
    await receive()
    await send({"type": "websocket.accept"})
    _, what, *code = scope["path"].split("/")
    if what == "close":
        await send({"type": "websocket.close", "code": int(code[0]), "reason": "enough"})
    if what == "fail":
        raise LookupError("no such room")
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def _answer(path: str) -> Any:
    if path.startswith("/kick/"):
        code = int(path.removeprefix("/kick/"))
        return [await client.close(code, "out") for client in HUB.clients()]
    MONITOR.tick()
    rows = MONITOR.collector.connections()
    return {
        "rows": [{name: getattr(row, name) for name in COLUMNS} for row in rows if row.closed],
        "left": LEFT,
        "monitor": repr(MONITOR),
    }


PROBED = ASGIProbe(_rooms, monitor=MONITOR)
HUB_APPLICATION = hub_application(HUB, drain=False)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve the hub at ``/ws``, and all other WebSockets with the probe."""
    if scope["type"] == "websocket":
        served = HUB_APPLICATION if scope["path"].startswith("/ws") else PROBED
        await served(scope, receive, send)
    elif scope["type"] == "http":
        body = json.dumps(await _answer(scope["path"])).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        raise NotImplementedError(scope["type"])
