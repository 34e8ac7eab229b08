"""Files: offered, sent in pieces, done or given up; and taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol import limits
from ...protocol.catalog import Accept, FileAbort, FileChunk, FileDone, FileOffer
from ...protocol.codecs import Codec
from ...protocol.compat import FileMetadata
from ...protocol.envelope import Envelope
from ..places import FILES, client_key, room_key

if TYPE_CHECKING:
    from ..connection import Session

__all__ = ["HANDLERS"]


async def file_offer(session: Session, payload: FileOffer, envelope: Envelope, _: Codec) -> None:
    await _allowed(session, payload)
    file, received = session.hub.transfers.offer(session, payload)
    session.ack(envelope, file=file, received=received, chunk=limits.FILE_CHUNK_MAX)


async def _allowed(session: Session, offer: FileOffer) -> None:
    access = session.hub.access
    if offer.to is not None:
        await access.check(session, "send", client_key(offer.to))
    if offer.room is not None:
        await access.check(session, "publish", room_key(offer.room))
    if offer.to is None and offer.room is None:
        await access.check(session, "upload", FILES)


async def file_metadata(
    session: Session, payload: FileMetadata, envelope: Envelope, _: Codec
) -> None:
    offer = FileOffer(name=payload.name, size=payload.size, mime=payload.type or None)
    await _allowed(session, offer)
    file, received = session.hub.transfers.offer(session, offer)
    session.hub.transfers.remember(session, file)
    session.ack(envelope, file=file, received=received, chunk=limits.FILE_CHUNK_MAX)
    if payload.size == 0:
        # Of an empty file there is no last chunk.
        note = await session.hub.transfers.done(session, file, None)
        session.send("file_done", note, reply_to=envelope.id)


async def file_chunk(session: Session, payload: FileChunk, envelope: Envelope, _: Codec) -> None:
    transfers = session.hub.transfers
    data = bytes(payload.data)
    if payload.index is None:
        await transfers.chunk(session, payload.file or "", payload.offset, data)
        return
    complete = await transfers.indexed(session, payload.index, payload.total or 0, data)
    if complete is not None:
        note = await transfers.done(session, complete, None)
        session.send("file_done", note, reply_to=envelope.id)


async def file_done(session: Session, payload: FileDone, envelope: Envelope, _: Codec) -> None:
    note = await session.hub.transfers.done(session, payload.file, payload.sha256)
    session.send("file_done", note, reply_to=envelope.id)


async def file_abort(session: Session, payload: FileAbort, envelope: Envelope, _: Codec) -> None:
    session.hub.transfers.abort(session, payload.file)
    session.ack(envelope, file=payload.file)


async def ack(session: Session, payload: Accept, _: Envelope, __: Codec) -> None:
    session.hub.transfers.downloads.take(session, payload.file, payload.offset)


HANDLERS = {
    "ack": ack,
    "file_abort": file_abort,
    "file_chunk": file_chunk,
    "file_done": file_done,
    "file_metadata": file_metadata,
    "file_offer": file_offer,
}
