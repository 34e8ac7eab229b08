"""Handlers of file transfers: offer, chunk, done, abort, and acknowledgements of downloads."""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol import limits
from ...protocol.alternative_spellings import FileMetadata
from ...protocol.catalog import Accept, FileAbort, FileChunk, FileDone, FileOffer
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..admission.permissions import Permissions
from ..connection import Connection
from ..files.uploads import Uploads
from ..message_checks import MessageChecks
from ..room_channel_keys import FILES, client_key, room_key
from . import Handler

__all__ = ["FileHandlers"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileHandlers:
    """Handles messages of file transfers."""

    permissions: Permissions
    uploads: Uploads
    checks: MessageChecks

    def handlers(self) -> dict[str, Handler]:
        """Return message type → handler."""
        return {
            "ack": self.ack,
            "file_abort": self.file_abort,
            "file_chunk": self.file_chunk,
            "file_done": self.file_done,
            "file_metadata": self.file_metadata,
            "file_offer": self.file_offer,
        }

    async def file_offer(
        self, connection: Connection, payload: FileOffer, envelope: Envelope, _: Codec
    ) -> None:
        """Start or resume an upload."""
        await self._check(connection, payload)
        file, received = self.uploads.offer(connection, payload)
        connection.ack(envelope, file=file, received=received, chunk=limits.FILE_CHUNK_MAX)

    async def file_metadata(
        self, connection: Connection, payload: FileMetadata, envelope: Envelope, _: Codec
    ) -> None:
        """Start an upload whose chunks are numbered and have no file id."""
        offer = FileOffer(name=payload.name, size=payload.size, mime=payload.type or None)
        offer = await self.checks.pass_through(connection, "file_offer", offer)
        await self._check(connection, offer)
        file, received = self.uploads.offer(connection, offer)
        self.uploads.remember(connection, file)
        connection.ack(envelope, file=file, received=received, chunk=limits.FILE_CHUNK_MAX)
        if payload.size == 0:
            # An empty file has no chunks, so the upload is complete now.
            await self._finish(connection, file, None, envelope)

    async def file_chunk(
        self, connection: Connection, payload: FileChunk, envelope: Envelope, _: Codec
    ) -> None:
        """Store the next chunk of an upload."""
        data = bytes(payload.data)
        if payload.index is None:
            await self.uploads.chunk(connection, payload.file or "", payload.offset, data)
            return
        complete = await self.uploads.indexed(connection, payload.index, payload.total or 0, data)
        if complete is not None:
            await self._finish(connection, complete, None, envelope)

    async def file_done(
        self, connection: Connection, payload: FileDone, envelope: Envelope, _: Codec
    ) -> None:
        """Complete an upload."""
        await self._finish(connection, payload.file, payload.sha256, envelope)

    async def file_abort(
        self, connection: Connection, payload: FileAbort, envelope: Envelope, _: Codec
    ) -> None:
        """Abort an upload or a download."""
        self.uploads.abort(connection, payload.file)
        connection.ack(envelope, file=payload.file)

    async def ack(self, connection: Connection, payload: Accept, _: Envelope, __: Codec) -> None:
        """Start a download, or record how many bytes of it the client has received."""
        self.uploads.downloads.take(connection, payload.file, payload.offset)

    async def _check(self, connection: Connection, offer: FileOffer) -> None:
        """Check that the client may send a file to the receivers of its offer.

        Raises:
            ProtocolError: the client may not (``forbidden``).
        """
        if offer.to is not None:
            await self.permissions.check(connection, "send", client_key(offer.to))
        if offer.room is not None:
            await self.permissions.check(connection, "publish", room_key(offer.room))
        if offer.to is None and offer.room is None:
            await self.permissions.check(connection, "upload", FILES)

    async def _finish(
        self, connection: Connection, file: str, sha256: str | None, envelope: Envelope
    ) -> None:
        """Complete an upload, and answer with ``file_done``."""
        note = await self.uploads.done(connection, file, sha256)
        connection.send("file_done", note, reply_to=envelope.id)
