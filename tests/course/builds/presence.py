"""Sample solutions of the exercise "presence": a right one, and three wrong ones."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast

from rtmon.course import judges


def right() -> Any:
    here: dict[ServerConnection, str] = {}

    def tell() -> None:
        broadcast(here, json.dumps(sorted(set(here.values()))))

    async def presence(websocket: ServerConnection) -> None:
        async for name in websocket:
            here[websocket] = str(name)
            tell()
            break
        try:
            await websocket.wait_closed()
        finally:
            if here.pop(websocket, None):
                tell()

    return presence


def forgets_after_a_goodbye_only() -> Any:
    here: dict[ServerConnection, str] = {}

    def tell() -> None:
        broadcast(here, json.dumps(sorted(set(here.values()))))

    async def presence(websocket: ServerConnection) -> None:
        here[websocket] = str(await websocket.recv())
        tell()
        async for _ in websocket:
            pass
        del here[websocket]
        tell()

    return presence


def counts_names_once() -> Any:
    names: set[str] = set()
    connections: set[ServerConnection] = set()

    def tell() -> None:
        broadcast(connections, json.dumps(sorted(names)))

    async def presence(websocket: ServerConnection) -> None:
        name = str(await websocket.recv())
        names.add(name)
        connections.add(websocket)
        tell()
        try:
            await websocket.wait_closed()
        finally:
            names.discard(name)
            connections.discard(websocket)
            tell()

    return presence


def tells_the_others_only() -> Any:
    here: dict[ServerConnection, str] = {}
    counts: Counter[str] = Counter()

    async def presence(websocket: ServerConnection) -> None:
        name = str(await websocket.recv())
        counts[name] += 1
        broadcast(here, json.dumps(sorted(counts)))
        here[websocket] = name
        await websocket.wait_closed()
        del here[websocket]

    return presence


judge = judges.presence
wrong = {
    forgets_after_a_goodbye_only: 'taken off the list: the last that ada heard is ["ada"',
    counts_names_once: 'the last that ada heard is ["ada", "cleo"]',
    tells_the_others_only: "the last that ada heard is nothing",
}
