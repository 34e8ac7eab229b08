"""Message types of file transfers: offer, chunk, done, abort, and acknowledgements of downloads."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from .. import alternative_spellings, limits
from ..field_types import Count, Id, Name, Sha256, Text
from ..message_type import MessageType
from ..payload_bases import PayloadIn, PayloadOut

__all__ = [
    "Accept",
    "FileAbort",
    "FileChunk",
    "FileDone",
    "FileNote",
    "FileOffer",
    "FileOffered",
    "FilePart",
]


class FileOffer(PayloadIn, frozen=True, kw_only=True):
    """Offers a file to the server, to one client or to a room.

    With the ``file`` id of an earlier offer, the message resumes that transfer.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.FILE_NAME_LENGTH)]
    size: Count
    sha256: Sha256 | None = None
    mime: Annotated[str, msgspec.Meta(max_length=limits.FILE_MIME_LENGTH)] | None = None
    file: Id | None = None
    to: Id | None = None
    room: Name | None = None


class FileOffered(PayloadOut, frozen=True, kw_only=True):
    """Offers a file to the client. The client accepts it with ``ack {file, offset}``.

    Attributes:
        sender: client id of the sender.
    """

    file: str
    name: str
    size: int
    sha256: str
    sender: str | None = msgspec.field(name="from", default=None)
    mime: str | None = None
    room: str | None = None


class FileChunk(alternative_spellings.ChunkNumber, frozen=True, kw_only=True):
    """A chunk of a file, from a client that cannot send binary messages.

    A chunk with ``chunkIndex`` and ``totalChunks`` belongs to the client's latest
    ``file_metadata``.
    """

    spelled: ClassVar = ("file",)

    file: Id | None = None
    offset: Count = 0
    data: bytes | list[Annotated[int, msgspec.Meta(ge=0, le=255)]]

    def __post_init__(self) -> None:
        if self.index is None and self.file is None:
            raise ValueError("file is missing")
        super().__post_init__()


class FilePart(PayloadOut, frozen=True, kw_only=True):
    """A chunk of a file, for a client that cannot receive binary messages."""

    file: str
    offset: int
    data: bytes


class FileDone(PayloadIn, frozen=True, kw_only=True):
    """The client has sent all chunks of a file."""

    file: Id
    sha256: Sha256 | None = None


class FileAbort(PayloadIn, frozen=True, kw_only=True):
    """Aborts a transfer that is not complete."""

    file: Id
    reason: Text = ""


class FileNote(PayloadOut, frozen=True, kw_only=True):
    """The server has the whole file (``file_done``), or aborts its transfer (``file_abort``)."""

    file: str
    name: str | None = None
    size: int | None = None
    sha256: str | None = None
    reason: str | None = None


class Accept(PayloadIn, frozen=True, kw_only=True):
    """Accepts an offered file, and acknowledges received bytes.

    Attributes:
        file: the file id.
        offset: number of bytes of the file that the client has.
    """

    file: Id
    offset: Count = 0


MESSAGE_TYPES: Final = (
    MessageType(
        "file_offer", incoming=FileOffer, outgoing=FileOffered, reply="ack", unsolicited=True
    ),
    MessageType("file_chunk", incoming=FileChunk, outgoing=FilePart),
    MessageType("file_done", incoming=FileDone, outgoing=FileNote, reply="file_done"),
    MessageType("file_abort", incoming=FileAbort, outgoing=FileNote, reply="ack", unsolicited=True),
)
