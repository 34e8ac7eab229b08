"""Files on their way up to the server, and from there to those they are for."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from ...core.lru import LRU
from ...errors import ProtocolError
from ...protocol import catalog, limits
from ...protocol.catalog import FileNote, FileOffer, FileOffered
from ..admission.limits import RateLimits
from ..connection import Connection
from ..context import HubContext
from ..places import room_key
from ..registry import Registry
from .downloads import Downloads
from .store import FileStore, Stored, Upload

__all__ = ["Uploads"]


_PIECE = 1_024
"""Bytes of a piece that counts as part of a file; smaller ones count as messages, or a file would
be any number of them."""


@dataclass(slots=True)
class _Up:
    """An upload with its sender and its receivers."""

    upload: Upload
    sender: str
    source: str
    used: float
    to: str | None
    room: str | None
    mime: str | None
    told: int = 0
    index: int = 0


class Uploads:
    """All uploads of a hub.

    Args:
        context: of the hub.
        registry: the clients and rooms that files can be sent to.
        rates: is given back the tokens of chunks, which the file's size bounds.
        store: the folder that receives files; None refuses them.

    Attributes:
        downloads: complete files that clients can take.
    """

    def __init__(
        self,
        context: HubContext,
        registry: Registry,
        rates: RateLimits,
        store: FileStore | None,
    ) -> None:
        self._context = context
        self._registry = registry
        self._rates = rates
        self._store = store
        self._ups: dict[str, _Up] = {}
        self._latest: dict[Connection, str] = {}
        # Users and addresses that let a reservation lapse: their next wait for the first bytes.
        self._lapsed: LRU[str, bool] = LRU(limits.KEYS_LIMITED)
        self.downloads = Downloads()

    def close(self) -> None:
        """Forget what is not complete."""
        for up in self._ups.values():
            up.upload.abort()
        self._ups.clear()
        if self._store is not None:
            self._store.close()

    def drop(self, connection: Connection) -> None:
        """A client is gone; what it was sending is kept for a while, so that it can resume."""
        self._latest.pop(connection, None)
        self.downloads.drop(connection)

    # Up

    def offer(self, connection: Connection, offer: FileOffer) -> tuple[str, int]:
        """A client offers a file, or goes on with one. Returns its id, and what is here of it.

        Raises:
            ProtocolError: it is not taken.
        """
        now = self._context.clock()
        self._expire(now)
        if self._store is None:
            raise ProtocolError("files_refused", "This server takes no files.")
        if offer.file is not None:
            up = self._ups.get(offer.file)
            if up is None or (up.upload.size, up.upload.sha256) != (offer.size, offer.sha256):
                raise ProtocolError(
                    "unknown_file", "There is no such transfer to resume: offer it without file."
                )
            # A client that knows the id, which cannot be guessed, is the one that began.
            up.sender, up.used = connection.sender, now
            return offer.file, up.upload.received
        mine = sum(up.sender == connection.sender for up in self._ups.values())
        if mine >= limits.FILES_PER_CLIENT:
            raise ProtocolError(
                "files_refused",
                f"You are sending {mine} files, the most there may be: finish one first.",
                retry=True,
            )
        if len(self._ups) >= limits.FILES_UNDER_WAY:
            # Each is an open file, and a client that connects anew counts as another sender.
            raise ProtocolError(
                "files_refused", "Too many files are on their way here: try later.", retry=True
            )
        self._addressable(connection, offer)
        source = _source(connection)
        identity = connection.identity
        upload = self._store.begin(
            offer.name,
            offer.size,
            offer.sha256,
            owner=None if identity is None else identity.id,
            reserve=source not in self._lapsed,
        )
        file = secrets.token_hex(16)
        self._ups[file] = _Up(
            upload, connection.sender, source, now, offer.to, offer.room, offer.mime
        )
        return file, 0

    def remember(self, connection: Connection, file: str) -> None:
        """The client will speak of this upload without its id."""
        self._latest[connection] = file

    async def chunk(
        self, connection: Connection, file: str, offset: int, data: bytes | memoryview
    ) -> None:
        """A piece of a file has come.

        Raises:
            ProtocolError: it does not belong to a transfer of this client, or does not fit.
        """
        up = self._mine(connection, file)
        if up.upload.reserved < up.upload.size:
            up.used = self._context.clock()
            self._expire(up.used)
        if len(data) > limits.FILE_CHUNK_MAX:
            raise ProtocolError(
                "too_large", f"A chunk carries up to {limits.FILE_CHUNK_MAX} bytes of data."
            )
        up.upload.write(offset, data)
        up.used = self._context.clock()
        received = up.upload.received
        if len(data) >= _PIECE or (data and received == up.upload.size):
            # The offer was counted as a message; its pieces are bounded by the file's size.
            self._rates.refund(connection)
        if received - up.told >= limits.FILE_PROGRESS or received == up.upload.size:
            up.told = received
            connection.send("ack", catalog.Ack(file=file, received=received))

    async def indexed(
        self, connection: Connection, index: int, total: int, data: bytes
    ) -> str | None:
        """The same for a piece that has a number. Returns the file's id with the last one."""
        file = self._latest.get(connection)
        if file is None:
            raise ProtocolError("unknown_file", "Send file_metadata first.")
        up = self._mine(connection, file)
        if index != up.index:
            raise ProtocolError("file_offset", f"The next chunkIndex is {up.index}, not {index}.")
        await self.chunk(connection, file, up.upload.received, data)
        up.index += 1
        return file if up.index == total else None

    async def done(self, connection: Connection, file: str, sha256: str | None) -> FileNote:
        """All has been sent: check it, let it appear, offer it on.

        Raises:
            ProtocolError: it is not as it was offered; the transfer is over.
        """
        up = self._mine(connection, file)
        del self._ups[file]
        self._lapsed.pop(up.source)
        try:
            stored = await asyncio.to_thread(up.upload.finish, sha256)
        except ProtocolError:
            up.upload.abort()
            raise
        if up.to is not None or up.room is not None:
            self.downloads.offer(file, stored)
            self._offer_on(connection, up, file, stored)
        return stored.note(file)

    def abort(self, connection: Connection, file: str) -> None:
        """A client ends a transfer, up or down.

        Raises:
            ProtocolError: there is no such transfer.
        """
        if self.downloads.stop(connection, file):
            return
        up = self._mine(connection, file)
        up.upload.abort()
        del self._ups[file]

    # Inside

    def _mine(self, connection: Connection, file: str) -> _Up:
        up = self._ups.get(file)
        if up is None or up.sender != connection.sender:
            raise ProtocolError("unknown_file", "There is no such transfer of yours: offer it.")
        return up

    def _addressable(self, connection: Connection, offer: FileOffer) -> None:
        registry = self._registry
        if offer.to is not None and offer.to not in registry.connections:
            raise ProtocolError("unknown_client", f"Nobody here has the client id {offer.to!r}.")
        if offer.room is not None and not registry.rooms.has(connection, offer.room):
            raise ProtocolError("not_in_room", f"You are not in the room {offer.room!r}.")

    def _offer_on(self, connection: Connection, up: _Up, file: str, stored: Stored) -> None:
        registry = self._registry
        receivers: set[Connection] = set()
        if up.room is not None:
            receivers.update(registry.receivers(room_key(up.room)))
        if up.to is not None and up.to in registry.connections:
            receivers.add(registry.connections[up.to])
        receivers.discard(connection)
        payload = FileOffered(
            file=file,
            sender=connection.id,
            name=stored.path.name,
            size=stored.size,
            sha256=stored.sha256,
            mime=up.mime,
            room=up.room,
        )
        for receiver in receivers:
            receiver.send("file_offer", payload)

    def _expire(self, now: float) -> None:
        """End uploads that are not continued, and give back the room of those that pause."""
        for file, up in list(self._ups.items()):
            idle = now - up.used
            if idle <= limits.FILE_RESERVED:
                continue
            if up.upload.received == 0 or idle > limits.FILE_IDLE:
                del self._ups[file]
                up.upload.abort()
            elif up.upload.received < up.upload.reserved:
                up.upload.lapse()
            else:
                continue
            self._lapsed.put(up.source, True)


def _source(connection: Connection) -> str:
    """Return what an upload's sender cannot change at will: its user, or else its address."""
    if connection.identity is not None:
        return f"user {connection.identity.id}"
    return f"address {connection.address}"
