"""Sample solutions of the exercise "WebSocket frame reader": a right one, and four wrong ones."""

from __future__ import annotations

import asyncio
from typing import Any

from rtmon.course import judges


def right() -> Any:
    async def read_frame(reader: asyncio.StreamReader) -> tuple[bool, int, bytes]:
        first, second = await reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await reader.readexactly(8), "big")
        mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
        payload = await reader.readexactly(length)
        plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        return bool(first & 0x80), first & 0x0F, plain

    return read_frame


def short_lengths_only() -> Any:
    async def read_frame(reader: asyncio.StreamReader) -> tuple[bool, int, bytes]:
        first, second = await reader.readexactly(2)
        mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
        payload = await reader.readexactly(second & 0x7F)
        plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        return bool(first & 0x80), first & 0x0F, plain

    return read_frame


def without_masks() -> Any:
    async def read_frame(reader: asyncio.StreamReader) -> tuple[bool, int, bytes]:
        first, second = await reader.readexactly(2)
        return bool(first & 0x80), first & 0x0F, await reader.readexactly(second & 0x7F)

    return read_frame


def takes_what_is_there() -> Any:
    async def read_frame(reader: asyncio.StreamReader) -> tuple[bool, int, bytes]:
        first, second = await reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await reader.readexactly(8), "big")
        mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
        payload = await reader.read(length) if length < 1000 else await reader.readexactly(length)
        plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        return bool(first & 0x80), first & 0x0F, plain

    return read_frame


def always_final() -> Any:
    read = right()

    async def read_frame(reader: asyncio.StreamReader) -> tuple[bool, int, bytes]:
        _, opcode, payload = await read(reader)
        return True, opcode, payload

    return read_frame


judge = judges.frame_reader
wrong = {
    short_lengths_only: "every way of writing the length",
    without_masks: "a masked frame is unmasked",
    takes_what_is_there: "byte by byte",
    always_final: "(False, 1, b'Hel') was read as (True, 1, b'Hel')",
}
