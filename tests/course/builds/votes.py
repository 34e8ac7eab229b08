"""Sample solutions of the exercise "vote server": a right one, and five wrong ones."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast

from rtmon.course import judges


def server(
    *, greets: bool = True, tells: str = "all", forgets: bool = True, checks: bool = True
) -> Any:
    """Make a solution; an argument other than its default introduces one fault."""
    voters: set[ServerConnection] = set()
    counts: Counter[str] = Counter()

    async def vote(websocket: ServerConnection) -> None:
        voters.add(websocket)
        try:
            if greets:
                await websocket.send(json.dumps(counts))
            async for word in websocket:
                if checks and not (isinstance(word, str) and 1 <= len(word) <= 20):
                    continue
                counts[word] += 1  # type: ignore[index]
                if tells == "all":
                    broadcast(voters, json.dumps(counts))
                elif tells == "each":
                    for voter in voters:
                        await voter.send(json.dumps(counts))
                else:
                    await websocket.send(json.dumps(counts))
        finally:
            if forgets:
                voters.discard(websocket)

    return vote


def right() -> Any:
    return server()


def greets_nobody() -> Any:
    return server(greets=False)


def tells_the_voter_only() -> Any:
    return server(tells="voter")


def keeps_the_dead() -> Any:
    return server(tells="each", forgets=False)


def counts_everything() -> Any:
    return server(checks=False)


def reads_then_writes() -> Any:
    voters: set[ServerConnection] = set()
    counts: Counter[str] = Counter()

    async def vote(websocket: ServerConnection) -> None:
        voters.add(websocket)
        await websocket.send(json.dumps(counts))
        async for word in websocket:
            seen = counts[str(word)]
            await asyncio.sleep(0.001)
            counts[str(word)] = seen + 1
            broadcast(voters, json.dumps(counts))

    return vote


judge = judges.vote_server
wrong = {
    greets_nobody: "nothing reached ada",
    tells_the_voter_only: "and everybody is told: the last that ben got is {",
    keeps_the_dead: "a cut link loses no vote",
    counts_everything: "harms nobody",
    reads_then_writes: "many votes at once are all counted",
}
