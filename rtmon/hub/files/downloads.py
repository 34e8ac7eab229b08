"""Downloads of files by clients. A download is sent no faster than the client acknowledges it."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.lru_cache import LRU
from ...core.reusable_timer import Timer
from ...errors import ProtocolError
from ...protocol import limits
from ...protocol.binary_messages import encode_chunk
from ...protocol.catalog import FileNote, FilePart
from ..connection import Connection
from .store import Stored

__all__ = ["Downloads"]

_WAITING = 262_144
"""Number of bytes in a receiver's send queue above which no further chunk is sent."""

_POLL = 0.02
"""Seconds between two checks whether a receiver's send queue has space."""


@dataclass(slots=True)
class _Download:
    """One client's download of a file.

    Attributes:
        stored: the file.
        timer: resumes sending after a pause, which begins when the client's send queue is full.
        sent: number of bytes sent.
        acknowledged: number of bytes that the client has acknowledged.
    """

    stored: Stored
    timer: Timer
    sent: int
    acknowledged: int


class Downloads:
    """Files on offer for download, and the running downloads.

    Any client that knows a file's id may download the file. The id cannot be guessed.
    """

    def __init__(self) -> None:
        self._offers: LRU[str, Stored] = LRU(limits.FILES_OFFERED)
        self._active: dict[Connection, dict[str, _Download]] = {}

    def offer(self, file: str, stored: Stored) -> None:
        """Offer a file for download."""
        self._offers.put(file, stored)

    def take(self, connection: Connection, file: str, offset: int) -> None:
        """Start a client's download at an offset, or record the offset that a client acknowledges.

        Raises:
            ProtocolError: there is no such file, the offset is beyond its end, or the client has
                too many downloads.
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
        """Stop a client's download of a file. Returns False if there was none."""
        download = self._active.get(connection, {}).pop(file, None)
        if download is None:
            return False
        download.timer.cancel()
        return True

    def drop(self, connection: Connection) -> None:
        """Stop all downloads of a connection that has ended."""
        for download in self._active.pop(connection, {}).values():
            download.timer.cancel()

    def _send(self, connection: Connection, file: str) -> None:
        """Send as many chunks as the window and the client's send queue allow."""
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
        """Send chunks until the window or the client's send queue is full, or the file ends.

        Raises:
            EOFError: the file on disk is shorter than when it was uploaded.
            OSError: the file cannot be read.
        """
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
