"""Judge a learner's parser of WebSocket frames (RFC 6455).

The judge tests the parser with all length formats, masked frames, fragmented messages, and
truncated frames.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from websockets.frames import Frame, Opcode

from ...lab.faults import FaultProxy
from .learner_code_errors import describe_error
from .trial import Broken, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["ReadFrame", "frame_reader"]

ReadFrame = Callable[[asyncio.StreamReader], Awaitable[tuple[bool, int, bytes]]]
"""Type of the learner's function ``async def read_frame(reader)``.

It returns the FIN bit, the opcode and the unmasked payload of the next frame.
"""

_SHORT = Promise(
    "a short text is read",
    "(True, 1, b'Hi')",
    "the first byte has the final bit and the opcode, the second the mask bit and the length",
)
_MASKED = Promise(
    "a masked frame is unmasked",
    "(True, 1, b'masked'), from a frame with a mask",
    "four bytes stand between length and payload: payload byte i belongs to mask byte i % 4",
)
_LENGTHS = Promise(
    "every way of writing the length is read",
    "payloads of 0, 125, 126, 65,535 and 65,536 bytes",
    "what do the lengths 126 and 127 in the second byte stand for?",
)
_FLAGS = Promise(
    "pieces and control frames keep their flags",
    "(False, 1, b'Hel'), (True, 9, b'alive?'), (True, 0, b'lo')",
    "which bits of the first byte are the opcode, and which one says that this is the last piece?",
)
_DRIPPING = Promise(
    "frames that arrive byte by byte are read whole",
    "two frames, cut into single bytes by a slow link",
    "`read(n)` returns what is there, at most n bytes: what returns exactly n?",
)
_CUT = Promise(
    "a link that ends inside a frame is an error, not a frame",
    "EOFError, asyncio.IncompleteReadError or ConnectionError is raised",
    "what does your function do when fewer bytes come than the length says?",
)


async def frame_reader(read_frame: ReadFrame) -> Verdict:
    """Judge a learner's function that reads one WebSocket frame (RFC 6455, section 5.2).

    Args:
        read_frame: the learner's function, ``async def read_frame(reader)``. It returns the FIN
            bit, the opcode and the payload. It has to raise an exception if the stream ends inside
            a frame.
    """

    async def scenario(trial: Trial) -> None:
        async def expect(
            frames: Sequence[Frame], *, mask: bool = False, slow: bool = False
        ) -> None:
            await _expect(trial, read_frame, frames, mask=mask, slow=slow)

        with trial.promise(_SHORT):
            await expect([Frame(Opcode.TEXT, b"Hi")])
        with trial.promise(_MASKED):
            await expect([Frame(Opcode.TEXT, b"masked")], mask=True)
        with trial.promise(_LENGTHS):
            for size in (0, 125, 126, 65_535, 65_536):
                payload = os.urandom(size)
                await expect([Frame(Opcode.BINARY, payload)])
                await expect([Frame(Opcode.BINARY, payload)], mask=True)
        pieces = [
            Frame(Opcode.TEXT, b"Hel", fin=False),
            Frame(Opcode.PING, b"alive?"),
            Frame(Opcode.CONT, b"lo"),
        ]
        with trial.promise(_FLAGS):
            await expect(pieces)
        with trial.promise(_DRIPPING):
            long = Frame(Opcode.BINARY, os.urandom(300))
            await expect([long, *pieces], mask=True, slow=True)
        with trial.promise(_CUT):
            whole = Frame(Opcode.TEXT, b"only half of this arrives").serialize(mask=False)
            for half in (whole[:1], whole[:10]):
                reader = await _arriving(trial, half)
                error = await trial.error(read_frame, reader)
                if error is None:
                    raise Broken(f"{len(half)} of {len(whole)} bytes came, and nothing was raised")
                if not isinstance(error, EOFError | ConnectionError):
                    raise Broken(f"it raised {describe_error(error)}")

    return await judged([_SHORT, _MASKED, _LENGTHS, _FLAGS, _DRIPPING, _CUT], scenario)


async def _expect(
    trial: Trial, read_frame: ReadFrame, frames: Sequence[Frame], *, mask: bool, slow: bool
) -> None:
    """Send frames over one connection, and compare them with what the learner's function reads.

    Args:
        trial: the running trial.
        read_frame: the learner's function.
        frames: the frames to send.
        mask: True to mask the frames, as a WebSocket client does.
        slow: True to send the data byte by byte at a low bandwidth.

    Raises:
        Broken: the learner's function returned another frame.
    """
    data = b"".join(frame.serialize(mask=mask) for frame in frames)
    reader = await _arriving(trial, data, slow=slow)
    for frame in frames:
        wanted = (frame.fin, int(frame.opcode), bytes(frame.data))
        found = await trial.call(read_frame, reader)
        if not _equal(found, wanted):
            masked = ", masked," if mask else ""
            raise Broken(f"a frame{masked} of {_shown(wanted)} was read as {_shown(found)}")


async def _arriving(trial: Trial, data: bytes, *, slow: bool = False) -> asyncio.StreamReader:
    """Return a stream reader on which ``data`` arrives, followed by the end of the stream.

    With ``slow``, the data arrives byte by byte.
    """

    async def send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for at in range(len(data)) if slow else ():
                writer.write(data[at : at + 1])
                await asyncio.sleep(0)
            if not slow:
                writer.write(data)
            await writer.drain()
        writer.close()

    server = await trial.enter(await asyncio.start_server(send, "127.0.0.1", 0))
    host, port = server.sockets[0].getsockname()
    proxy = await trial.enter(FaultProxy(f"http://{host}:{port}"))
    if slow:
        proxy.set("down", bandwidth=500)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    # The registered method also keeps a reference to the writer, which would otherwise be
    # garbage-collected and then close the connection.
    trial.defer(writer.close)
    return reader


def _equal(found: Any, wanted: tuple[bool, int, bytes]) -> bool:
    """Return True if the learner's function returned the wanted FIN bit, opcode and payload."""
    try:
        final, opcode, payload = found
        return (bool(final), opcode, bytes(payload)) == wanted
    except (TypeError, ValueError):
        return False


def _shown(frame: object) -> str:
    """Describe a frame, or another value that the learner's function returned."""
    if isinstance(frame, tuple) and len(frame) == 3 and isinstance(frame[2], bytes):
        final, opcode, payload = frame
        shown = payload if len(payload) <= 12 else f"{len(payload):,} bytes"
        return f"({final}, {opcode}, {shown})"
    return repr(frame)[:60]
