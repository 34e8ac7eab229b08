"""Downloads: files sent to clients, each no faster than its receiver acknowledges."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.lru_cache import LRU
from ...core.reusable_timer import Timer
from ...errors import ProtocolError
from ...protocol import limits
from ...protocol.binary import encode_chunk
from ...protocol.catalog import FileNote, FilePart
from ..connection import Connection
from .store import Stored

__all__ = ["Downloads"]

_WAITING = 262_144
"""Bytes in a receiver's queue beyond which no further chunk is sent."""

_POLL = 0.02
"""Seconds between two checks whether a receiver's queue has room."""


@dataclass(slots=True)
class _Download:
    """A download of one client: what was sent, and what it acknowledged."""

    stored: Stored
    timer: Timer
    sent: int
    acknowledged: int


class Downloads:
    """Files that clients may download, and the downloads under way.

    A client that knows a file's id, which cannot be guessed, may download it.
    """

    def __init__(self) -> None:
        self._offers: LRU[str, Stored] = LRU(limits.FILES_OFFERED)
        self._active: dict[Connection, dict[str, _Download]] = {}

    def offer(self, file: str, stored: Stored) -> None:
        """Let clients download a file from now on."""
        self._offers.put(file, stored)

    def take(self, connection: Connection, file: str, offset: int) -> None:
        """Begin a client's download at an offset, or note the progress it acknowledges.

        Raises:
            ProtocolError: there is no such file, it ends before the offset, or the client has too
                many downloads.
        """
        downloads = self._active.setdefault(connection, {})
        download = downloads.get(file)
        if download is None:
            stored = self._offers.get(file)
            if stored is None:
                raise ProtocolError("unknown_file", "There is no such file to take.")
            if offset > stored.size:
                raise ProtocolError("file_offset", f"The file has {stored.size} bytes.")
            if len(downloads) >= limits.FILES_PER_CLIENT:
                raise ProtocolError(
                    "files_refused",
                    f"You are taking {len(downloads)} files, the most there may be.",
                    retry=True,
                )
            timer = Timer(lambda: self._send(connection, file))
            download = downloads[file] = _Download(stored, timer, sent=offset, acknowledged=offset)
        download.acknowledged = max(download.acknowledged, min(offset, download.sent))
        self._send(connection, file)

    def stop(self, connection: Connection, file: str) -> bool:
        """Stop a client's download of a file. Returns whether there was one."""
        download = self._active.get(connection, {}).pop(file, None)
        if download is None:
            return False
        download.timer.cancel()
        return True

    def drop(self, connection: Connection) -> None:
        """Stop the downloads of a connection that has ended."""
        for download in self._active.pop(connection, {}).values():
            download.timer.cancel()

    def _send(self, connection: Connection, file: str) -> None:
        """Send as many chunks as the window and the receiver's queue allow."""
        download = self._active.get(connection, {}).get(file)
        if download is None:
            return
        try:
            self._send_chunks(connection, file, download)
        except (OSError, EOFError):
            self.stop(connection, file)
            self._offers.pop(file)
            connection.send("file_abort", FileNote(file=file, reason="the file is gone"))
            return
        if download.sent == download.stored.size:
            self.stop(connection, file)
            connection.send("file_done", download.stored.note(file))

    @staticmethod
    def _send_chunks(connection: Connection, file: str, download: _Download) -> None:
        size = download.stored.size
        with download.stored.path.open("rb") as source:
            source.seek(download.sent)
            while (
                download.sent < size and download.sent - download.acknowledged < limits.FILE_WINDOW
            ):
                if connection.peer.waiting > _WAITING:
                    download.timer.set(_POLL)
                    return
                data = source.read(min(limits.FILE_CHUNK, size - download.sent))
                if not data:
                    raise EOFError
                if connection.peer.binary:
                    connection.peer.send(encode_chunk(file, download.sent, data))
                else:
                    part = FilePart(file=file, offset=download.sent, data=data)
                    connection.send("file_chunk", part, at_once=True)
                download.sent += len(data)
