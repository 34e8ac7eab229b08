"""Sample solutions of the exercise "receiver of a chunked file": a right one, and four
wrong ones.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rtmon.course import judges


def receiver(
    *, hides: bool = True, resumes: bool = True, compares: bool = True, cleans: bool = True
) -> Any:
    """Make a solution; each argument set to False removes one required feature."""

    async def fetch(url: str, path: Path) -> None:
        part = path.with_suffix(".part") if hides else path
        while True:
            have = part.stat().st_size if resumes and part.exists() else 0
            try:
                async with connect(url) as websocket:
                    await websocket.send(str(have))
                    head = json.loads(await websocket.recv())
                    with part.open("ab" if have else "wb") as file:
                        async for chunk in websocket:
                            file.write(chunk)
            except ConnectionClosed:
                continue
            if part.stat().st_size == head["size"]:
                break
        if compares and hashlib.sha256(part.read_bytes()).hexdigest() != head["sha256"]:
            if cleans:
                part.unlink()
            raise ValueError("another file has come")
        part.rename(path)

    return fetch


def right() -> Any:
    return receiver()


def shows_half_a_file() -> Any:
    return receiver(hides=False)


def begins_anew() -> Any:
    return receiver(resumes=False)


def believes_everything() -> Any:
    return receiver(compares=False)


def keeps_the_forgery() -> Any:
    return receiver(cleans=False)


judge = judges.chunked_receiver
wrong = {
    shows_half_a_file: "a file stood at its path after",
    begins_anew: "asked for bytes 0, 0, 0",
    believes_everything: "nothing was raised",
    keeps_the_forgery: "asked for byte 300,000",
}
