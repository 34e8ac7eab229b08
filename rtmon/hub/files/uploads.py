"""Uploads: files that clients send to the server, and offers of these files to receivers."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from ...core.lru_cache import LRU
from ...errors import ProtocolError
from ...protocol import catalog, limits
from ...protocol.catalog import FileNote, FileOffer, FileOffered
from ..admission.user_and_address_limits import RateLimits
from ..connection import Connection
from ..connection_registry import ConnectionRegistry
from ..hub_context import HubContext
from ..room_channel_keys import room_key
from .downloads import Downloads
from .store import FileStore, Stored, Upload

__all__ = ["Uploads"]


_MIN_CHUNK = 1_024
"""Minimum size in bytes of a chunk that does not count for the rate limit. If smaller chunks were
exempt, too, a client could split a file into any number of messages."""


@dataclass(slots=True)
class _Transfer:
    """An upload with its sender and receivers.

    Attributes:
        upload: the file being received.
        sender: sender key of the client, see :attr:`rtmon.hub.Connection.sender`.
        source: user or address that sends the file.
        used: time of the last chunk.
        to: client id of the receiver; None if there is none.
        room: room whose members receive it; None if there is none.
        mime: media type of the file; None if the client sent none.
        acknowledged: number of bytes that the server has acknowledged.
        index: number of the next chunk, for uploads with numbered chunks.
    """

    upload: Upload
    sender: str
    source: str
    used: float
    to: str | None
    room: str | None
    mime: str | None
    acknowledged: int = 0
    index: int = 0


class Uploads:
    """All uploads of a hub.

    Args:
        context: the hub's shared context.
        registry: the clients and rooms that can receive files.
        rates: rate limits. Large chunks do not count, because the file's size limits them.
        store: stores the files; None refuses all uploads.

    Attributes:
        downloads: complete files on offer to their receivers.
    """

    def __init__(
        self,
        context: HubContext,
        registry: ConnectionRegistry,
        rates: RateLimits,
        store: FileStore | None,
    ) -> None:
        self._context = context
        self._registry = registry
        self._rates = rates
        self._store = store
        self._transfers: dict[str, _Transfer] = {}
        self._latest: dict[Connection, str] = {}
        # Users and addresses whose upload has paused for too long. Their next upload reserves quota
        # only when its first bytes arrive.
        self._lapsed: LRU[str, bool] = LRU(limits.KEYS_LIMITED)
        self.downloads = Downloads()

    def close(self) -> None:
        """Abort all uploads."""
        for transfer in self._transfers.values():
            transfer.upload.abort()
        self._transfers.clear()
        if self._store is not None:
            self._store.close()

    def drop(self, connection: Connection) -> None:
        """Stop the downloads of an ended connection. Its uploads can be resumed for a while."""
        self._latest.pop(connection, None)
        self.downloads.drop(connection)

    def offer(self, connection: Connection, offer: FileOffer) -> tuple[str, int]:
        """Start or resume an upload. Returns the upload's id, and the number of bytes received.

        Raises:
            ProtocolError: the upload is refused.
        """
        now = self._context.clock()
        self._expire(now)
        if self._store is None:
            raise ProtocolError("files_refused", "This server takes no files.")
        if offer.file is not None:
            transfer = self._transfers.get(offer.file)
            if transfer is None or (transfer.upload.size, transfer.upload.sha256) != (
                offer.size,
                offer.sha256,
            ):
                raise ProtocolError(
                    "unknown_file", "There is no such transfer to resume: offer it without file."
                )
            # The id cannot be guessed, so a client that knows it is the one that started the
            # upload.
            transfer.sender, transfer.used = connection.sender, now
            return offer.file, transfer.upload.received
        count = sum(transfer.sender == connection.sender for transfer in self._transfers.values())
        if count >= limits.FILES_PER_CLIENT:
            raise ProtocolError(
                "files_refused",
                f"You are sending {count} files, the most there may be: finish one first.",
                retry=True,
            )
        if len(self._transfers) >= limits.FILES_UNDER_WAY:
            # The limit for each sender is not enough, because each upload keeps a file open, and a
            # reconnected client counts as another sender.
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
        self._transfers[file] = _Transfer(
            upload, connection.sender, source, now, offer.to, offer.room, offer.mime
        )
        return file, 0

    def remember(self, connection: Connection, file: str) -> None:
        """Assign the following numbered chunks, which have no file id, to this upload."""
        self._latest[connection] = file

    async def chunk(
        self, connection: Connection, file: str, offset: int, data: bytes | memoryview
    ) -> None:
        """Store a chunk of a client's upload, and acknowledge the progress.

        Raises:
            ProtocolError: the client has no such upload, or the chunk is not the next one.
        """
        transfer = self._own(connection, file)
        if transfer.upload.reserved < transfer.upload.size:
            transfer.used = self._context.clock()
            self._expire(transfer.used)
        if len(data) > limits.FILE_CHUNK_MAX:
            raise ProtocolError(
                "too_large", f"A chunk carries up to {limits.FILE_CHUNK_MAX} bytes of data."
            )
        transfer.upload.write(offset, data)
        transfer.used = self._context.clock()
        received = transfer.upload.received
        if len(data) >= _MIN_CHUNK or (data and received == transfer.upload.size):
            # Do not count the chunk for the rate limit: the offer was counted, and the file's size
            # limits the number of chunks.
            self._rates.refund(connection, len(data))
        if (
            received - transfer.acknowledged >= limits.FILE_PROGRESS
            or received == transfer.upload.size
        ):
            transfer.acknowledged = received
            connection.send("ack", catalog.Ack(file=file, received=received))

    async def indexed(
        self, connection: Connection, index: int, total: int, data: bytes
    ) -> str | None:
        """Store a numbered chunk of the client's latest upload.

        Returns:
            The file id if this was the last chunk, else None.

        Raises:
            ProtocolError: the client has no such upload, or the chunk is not the next one.
        """
        file = self._latest.get(connection)
        if file is None:
            raise ProtocolError("unknown_file", "Send file_metadata first.")
        transfer = self._own(connection, file)
        if index != transfer.index:
            raise ProtocolError(
                "file_offset", f"The next chunkIndex is {transfer.index}, not {index}."
            )
        await self.chunk(connection, file, transfer.upload.received, data)
        transfer.index += 1
        return file if transfer.index == total else None

    async def done(self, connection: Connection, file: str, sha256: str | None) -> FileNote:
        """Complete an upload: verify the file, give it its name, and offer it to its receivers.

        Raises:
            ProtocolError: the file differs from the offer. The uploaded file is deleted.
        """
        transfer = self._own(connection, file)
        del self._transfers[file]
        try:
            stored = await asyncio.to_thread(transfer.upload.finish, sha256)
        except ProtocolError:
            transfer.upload.abort()
            raise
        if stored.size:
            self._lapsed.pop(transfer.source)
        if transfer.to is not None or transfer.room is not None:
            self.downloads.offer(file, stored)
            self._offer_to_receivers(connection, transfer, file, stored)
        return stored.note(file)

    def abort(self, connection: Connection, file: str) -> None:
        """Abort a client's download or upload.

        Raises:
            ProtocolError: there is no such transfer.
        """
        if self.downloads.stop(connection, file):
            return
        transfer = self._own(connection, file)
        transfer.upload.abort()
        del self._transfers[file]

    def _own(self, connection: Connection, file: str) -> _Transfer:
        """Return a client's own upload.

        Raises:
            ProtocolError: the client has no such upload.
        """
        transfer = self._transfers.get(file)
        if transfer is None or transfer.sender != connection.sender:
            raise ProtocolError("unknown_file", "There is no such transfer of yours: offer it.")
        return transfer

    def _addressable(self, connection: Connection, offer: FileOffer) -> None:
        """Check that the receivers of an offered file exist, and that the sender is in the room.

        Raises:
            ProtocolError: a receiver does not exist, or the sender is not in the room.
        """
        registry = self._registry
        if offer.to is not None and offer.to not in registry.connections:
            raise ProtocolError("unknown_client", f"Nobody here has the client id {offer.to!r}.")
        if offer.room is not None and not registry.rooms.has(connection, offer.room):
            raise ProtocolError("not_in_room", f"You are not in the room {offer.room!r}.")

    def _offer_to_receivers(
        self, connection: Connection, transfer: _Transfer, file: str, stored: Stored
    ) -> None:
        """Send an offer of a complete file to its receivers."""
        registry = self._registry
        receivers: set[Connection] = set()
        if transfer.room is not None:
            receivers.update(registry.receivers(room_key(transfer.room)))
        if transfer.to is not None and transfer.to in registry.connections:
            receivers.add(registry.connections[transfer.to])
        receivers.discard(connection)
        payload = FileOffered(
            file=file,
            sender=connection.id,
            name=stored.path.name,
            size=stored.size,
            sha256=stored.sha256,
            mime=transfer.mime,
            room=transfer.room,
        )
        for receiver in receivers:
            receiver.send("file_offer", payload)

    def _expire(self, now: float) -> None:
        """Abort uploads that have paused for too long.

        After a shorter pause, an upload that has received bytes is kept, but the quota reserved for
        its missing bytes is released.
        """
        for file, transfer in list(self._transfers.items()):
            idle = now - transfer.used
            if idle <= limits.FILE_RESERVED:
                continue
            if transfer.upload.received == 0 or idle > limits.FILE_IDLE:
                del self._transfers[file]
                transfer.upload.abort()
            elif transfer.upload.received < transfer.upload.reserved:
                transfer.upload.lapse()
            else:
                continue
            self._lapsed.put(transfer.source, True)


def _source(connection: Connection) -> str:
    """Return the user or, without authentication, the address that sends an upload.

    A client can change its sender key at will, but neither its user nor its address.
    """
    if connection.identity is not None:
        return f"user {connection.identity.id}"
    return f"address {connection.address}"
