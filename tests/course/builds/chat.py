"""Sample solutions of the exercise "chat server": a right one, and three wrong ones."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast

from rtmon.course import judges


def right() -> Any:
    members: set[ServerConnection] = set()

    async def chat(websocket: ServerConnection) -> None:
        members.add(websocket)
        try:
            async for text in websocket:
                broadcast(members, text)
        finally:
            members.discard(websocket)

    return chat


def without_the_sender() -> Any:
    members: set[ServerConnection] = set()

    async def chat(websocket: ServerConnection) -> None:
        members.add(websocket)
        try:
            async for text in websocket:
                broadcast(members - {websocket}, text)
        finally:
            members.discard(websocket)

    return chat


def keeps_the_dead() -> Any:
    members: set[ServerConnection] = set()

    async def chat(websocket: ServerConnection) -> None:
        members.add(websocket)
        async for text in websocket:
            for member in members:
                await member.send(text)

    return chat


def waits_for_each() -> Any:
    members: set[ServerConnection] = set()

    async def chat(websocket: ServerConnection) -> None:
        members.add(websocket)
        try:
            async for text in websocket:
                for member in list(members):
                    await member.send(text)
        finally:
            members.discard(websocket)

    return chat


judge = judges.chat_server
wrong = {
    without_the_sender: "never reached ada",
    keeps_the_dead: "cut link harms nobody else",
    waits_for_each: "after dora's link was frozen",
}
