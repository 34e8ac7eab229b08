"""Send and receive files in chunks. A transfer resumes after each reconnect."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from websockets.exceptions import ConnectionClosed

from ..errors import OptionError, ProtocolError
from ..protocol import limits
from ..protocol.binary_messages import encode_chunk
from .download import Download
from .errors import ConnectionLost, MessageExpired
from .result_types import Change, Message

if TYPE_CHECKING:
    from .connection_loop import Engine
    from .session_events import Chunk

__all__ = ["Files", "Progress"]

Progress = Callable[[int, int], None]

_PAUSE = 0.1
"""Seconds to wait before a transfer is offered again, after the server has refused it."""

_REFUSALS = 10
"""Number of refusals in a row, without progress in between, after which a transfer fails."""


class _Stopped(Exception):
    """The server has refused a chunk: the file must be offered again."""


class Files:
    """The running uploads and downloads of a client."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._received: dict[str, int] = {}
        self._refused = 0
        self._downloads: dict[str, Download] = {}
        engine.delivery.on_chunk = self._chunk
        engine.delivery.taps.append(self._tap)

    # Uploads

    async def send(
        self,
        source: str | PathLike[str] | bytes,
        *,
        name: str | None,
        to: str | None,
        room: str | None,
        mime: str | None,
        progress: Progress | None,
    ) -> Message:
        """Send a file; see :meth:`Client.send_file` for the arguments and exceptions."""
        if isinstance(source, bytes):
            if name is None:
                raise OptionError("A file made of bytes has no name: give name=.")
            stream: BinaryIO = io.BytesIO(source)
        else:
            stream = await asyncio.to_thread(Path(source).open, "rb")
            name = Path(source).name if name is None else name
        with stream:
            digest = await asyncio.to_thread(_digest, stream)
            offer: dict[str, Any] = {
                "name": name,
                "size": stream.seek(0, os.SEEK_END),
                "sha256": digest,
                "mime": mime,
                "to": to,
                "room": room,
            }
            offer = {key: value for key, value in offer.items() if value is not None}
            try:
                return await self._send(stream, offer, progress)
            except BaseException:
                # Abort the transfer, because a transfer that is not aborted counts against the
                # server's limit.
                self._abort(offer.get("file"))
                raise

    async def _send(
        self, stream: BinaryIO, offer: dict[str, Any], progress: Progress | None
    ) -> Message:
        engine, asked = self._engine, False
        best, refusals = 0, 0
        while True:
            await engine.wait_open()
            generation = engine.generation
            try:
                answer = await engine.request("file_offer", offer, late=self._too_late)
                accepted = answer.payload
                offer["file"] = accepted["file"]
                await self._pieces(stream, accepted, offer["size"], generation, progress)
                asked = True
                return await engine.request("file_done", {"file": offer["file"]})
            except (ConnectionLost, ConnectionClosed, MessageExpired):
                await self._until_lost(generation)
            except (ProtocolError, _Stopped) as error:
                unknown = isinstance(error, ProtocolError) and error.code == "unknown_file"
                if isinstance(error, ProtocolError) and not (unknown and "file" in offer):
                    raise
                if unknown and asked:
                    raise ConnectionLost(
                        f"The connection was lost while the server checked {offer['name']!r}: "
                        "whether it kept it is not known. Ask the receiver, or send it again."
                    ) from None
                received = self._received.get(offer["file"], 0)
                best, refusals = max(best, received), 0 if received > best else refusals + 1
                if refusals > _REFUSALS:
                    raise ProtocolError(
                        "files_refused", f"The server takes no more of {offer['name']!r}."
                    ) from error
                if unknown:
                    # The server was restarted, and no longer knows the transfer. Start it again.
                    del offer["file"]
                await asyncio.sleep(_PAUSE)
            finally:
                self._received.pop(offer.get("file", ""), None)

    async def _pieces(
        self,
        stream: BinaryIO,
        accepted: dict[str, Any],
        size: int,
        generation: int,
        progress: Progress | None,
    ) -> None:
        """Send the chunks that the server does not have yet, within its window."""
        engine, file = self._engine, accepted["file"]
        piece = min(int(accepted.get("chunk") or limits.FILE_CHUNK), limits.FILE_CHUNK_MAX)
        at = told = self._received[file] = int(accepted["received"])
        refused = self._refused
        stream.seek(at)
        while self._received[file] < size:
            link = engine.link
            if link is None or engine.generation != generation:
                raise ConnectionLost("The connection was lost.")
            if self._refused != refused:
                raise _Stopped
            if at < size and at - self._received[file] <= limits.FILE_WINDOW - piece:
                data = stream.read(piece)
                await link.connection.send(encode_chunk(file, at, data))
                at += len(data)
            else:
                await engine.change()
            if progress is not None and self._received[file] > told:
                told = self._received[file]
                progress(told, size)
        if progress is not None and (told < size or not size):
            progress(size, size)

    async def _until_lost(self, generation: int) -> None:
        """Wait until the session has detected that the connection is lost."""
        engine = self._engine
        while engine.session.connected and engine.generation == generation:
            await engine.change()

    def _too_late(self, answer: Message) -> None:
        """Abort an upload that the server accepted after the caller was cancelled."""
        self._abort(answer.payload.get("file"))

    def _abort(self, file: str | None) -> None:
        """Ask the server to abort a transfer; ``file`` is its id, None if it has no id yet."""
        if file is not None:
            self._engine.session.take_back("file_abort", {"file": file}, self._engine.now())
            self._engine.wake()

    # Downloads

    async def receive(
        self, offer: Message, path: str | PathLike[str], *, progress: Progress | None
    ) -> Message:
        """Receive an offered file; see :meth:`Client.receive_file`."""
        engine = self._engine
        if not isinstance(offer, Message):
            raise OptionError("This is no file_offer: give the message as it came.")
        download = Download(offer.payload, Path(path), progress)
        if download.file in self._downloads:
            raise OptionError(f"The file {download.name!r} is being received already.")
        self._downloads[download.file] = download
        try:
            with download:
                while not download.ended:
                    await engine.wait_open()
                    generation = engine.generation
                    await self._take(download)
                    while self._goes_on(download, generation):
                        if download.untold >= limits.FILE_PROGRESS:
                            await self._take(download)
                        await engine.change()
                return await asyncio.to_thread(download.finish)
        finally:
            del self._downloads[download.file]
            if not download.complete:
                self._abort(download.file)

    def _goes_on(self, download: Download, generation: int) -> bool:
        engine = self._engine
        connected = engine.session.connected and engine.generation == generation
        return connected and not download.ended

    async def _take(self, download: Download) -> None:
        """Acknowledge the bytes received so far. An error from the server ends the download."""

        def settle(result: Message | Exception) -> None:
            if isinstance(result, ProtocolError):
                download.fail(result)

        payload = {"file": download.file, "offset": download.tell()}
        entry = await self._engine.send("ack", payload, settle)
        # The server answers with a file chunk or an error, not with an ``ack``. The ``pong`` to a
        # later ``ping`` confirms that this message has arrived.
        entry.asks = False

    # Received messages

    def _chunk(self, chunk: Chunk) -> None:
        download = self._downloads.get(chunk.file)
        if download is not None:
            download.write(chunk.offset, chunk.data)

    def _tap(self, message: Message | Change) -> None:
        if isinstance(message, Change):
            # An error that does not refer to a message may be about a chunk.
            self._refused += isinstance(message.error, ProtocolError)
            return
        payload = message.payload  # not always a dict: the server may not be a hub
        file = payload.get("file") if isinstance(payload, dict) else None
        if not isinstance(file, str):
            return
        received = payload.get("received")
        if message.type == "ack" and file in self._received and isinstance(received, int):
            self._received[file] = max(self._received[file], received)
        download = self._downloads.get(file)
        if download is None:
            return
        if message.type == "file_done":
            download.done(message)
        elif message.type == "file_abort":
            reason = payload.get("reason") or "the server ended the transfer"
            download.fail(ProtocolError("file_aborted", f"{download.name!r}: {reason}."))
        elif message.type == "file_chunk":
            download.write_encoded(payload)


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while data := stream.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()
