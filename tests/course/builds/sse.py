"""Sample solutions of the exercise "server-sent events": a right one, and four wrong ones."""

from __future__ import annotations

import asyncio
from typing import Any

from rtmon.course import judges
from rtmon.course.judges.event_stream_servers import Log


def stream(
    *,
    kind: str = "text/event-stream",
    splits: bool = True,
    resumes: bool = True,
    drains: bool = True,
) -> Any:
    """Make a solution; an argument other than its default introduces one fault."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Log) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        last = 0
        for line in request.splitlines():
            name, _, value = line.partition(":")
            if resumes and name.lower() == "last-event-id":
                last = int(value)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
        async for number, text in log.since(last):
            lines = text.split("\n") if splits else [text]
            data = "".join(f"data: {line}\n" for line in lines)
            writer.write(f"id: {number}\n{data}\n".encode())
            if drains:
                await writer.drain()

    return handle


def right() -> Any:
    return stream()


def is_html() -> Any:
    return stream(kind="text/html")


def writes_texts_as_they_are() -> Any:
    return stream(splits=False)


def begins_anew() -> Any:
    return stream(resumes=False)


def never_drains() -> Any:
    return stream(drains=False)


judge = judges.event_stream
wrong = {
    is_html: "the content type is",
    writes_texts_as_they_are: "what came is 'first line'",
    begins_anew: "event 7 is 'event 7'; what came is 'event 1'",
    never_drains: "handlers still run",
}
