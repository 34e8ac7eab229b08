"""Files on their way down, each no faster than its receiver."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.lru import LRU
from ...core.timers import Timer
from ...errors import ProtocolError
from ...protocol import limits
from ...protocol.binary import encode_chunk
from ...protocol.catalog import FileNote, FilePart
from ..connection import Connection
from .store import Stored

__all__ = ["Downloads"]

_WAITING = 262_144
"""Bytes waiting for a receiver, beyond which the next chunks of a file wait, too."""

_AGAIN = 0.02
"""Seconds until it is looked again whether a receiver has taken what waits for it."""


@dataclass(slots=True)
class _Download:
    """A file being sent to one client."""

    stored: Stored
    alarm: Timer
    sent: int
    taken: int


class Downloads:
    """What can be taken, and what is being taken.

    Who knows a file's id, which cannot be guessed, may take it.
    """

    def __init__(self) -> None:
        self._offers: LRU[str, Stored] = LRU(limits.FILES_OFFERED)
        self._active: dict[Connection, dict[str, _Download]] = {}

    def offer(self, file: str, stored: Stored) -> None:
        """From now on the file can be taken."""
        self._offers.put(file, stored)

    def take(self, connection: Connection, file: str, offset: int) -> None:
        """A client takes a file, or says how far it is.

        Raises:
            ProtocolError: there is no such file, or not so far.
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
            alarm = Timer(lambda: self._send(connection, file))
            download = downloads[file] = _Download(stored, alarm, sent=offset, taken=offset)
        download.taken = max(download.taken, min(offset, download.sent))
        self._send(connection, file)

    def stop(self, connection: Connection, file: str) -> bool:
        """A client wants no more of a file. Returns whether it was being sent."""
        download = self._active.get(connection, {}).pop(file, None)
        if download is None:
            return False
        download.alarm.cancel()
        return True

    def drop(self, connection: Connection) -> None:
        """A client is gone."""
        for download in self._active.pop(connection, {}).values():
            download.alarm.cancel()

    def _send(self, connection: Connection, file: str) -> None:
        """Send as much as the client can take now."""
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
            while download.sent < size and download.sent - download.taken < limits.FILE_WINDOW:
                if connection.peer.waiting > _WAITING:
                    download.alarm.set(_AGAIN)
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
