"""What clients and the server say about files."""

from __future__ import annotations

from typing import Annotated

import msgspec

from . import limits
from .values import Count, Id, Name, Sha256, Text

__all__ = [
    "Accept",
    "FileAbort",
    "FileChunk",
    "FileDone",
    "FileMetadata",
    "FileNote",
    "FileOffer",
    "FileOffered",
    "FilePart",
]


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says."""


class _Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server says."""


class FileOffer(_Said, frozen=True, kw_only=True):
    """Offers a file to the server, for itself, for one client or for a room.

    With the ``file`` id of an earlier offer the transfer goes on where it was.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.FILE_NAME_LENGTH)]
    size: Count
    sha256: Sha256 | None = None
    mime: Annotated[str, msgspec.Meta(max_length=limits.FILE_MIME_LENGTH)] | None = None
    file: Id | None = None
    to: Id | None = None
    room: Name | None = None


class FileChunk(_Said, frozen=True, kw_only=True):
    """A piece of a file, for those who cannot send the binary form.

    A piece in ``chunkIndex`` and ``totalChunks`` belongs to the latest ``file_metadata``.
    """

    file: Id | None = None
    offset: Count = 0
    data: bytes | list[Annotated[int, msgspec.Meta(ge=0, le=255)]]
    index: Count | None = msgspec.field(name="chunkIndex", default=None)
    total: Count | None = msgspec.field(name="totalChunks", default=None)

    def __post_init__(self) -> None:
        if self.index is None and self.file is None:
            raise ValueError("file is missing")
        if self.index is not None and (self.total is None or self.index >= self.total):
            raise ValueError("chunkIndex must be less than totalChunks")


class FileMetadata(_Said, frozen=True, kw_only=True):
    """Begins a file whose pieces come as ``chunkIndex`` of ``totalChunks``."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.FILE_NAME_LENGTH)]
    size: Count
    type: Annotated[str, msgspec.Meta(max_length=limits.FILE_MIME_LENGTH)] = ""


class FileDone(_Said, frozen=True, kw_only=True):
    """Says that all pieces were sent, or were received."""

    file: Id
    sha256: Sha256 | None = None


class FileAbort(_Said, frozen=True, kw_only=True):
    """Ends a transfer that is not complete."""

    file: Id
    reason: Text = ""


class Accept(_Said, frozen=True, kw_only=True):
    """Takes an offered file, from a place on, as far as ``offset`` was received already."""

    file: Id
    offset: Count = 0


class FileOffered(_Told, frozen=True, kw_only=True, omit_defaults=True):
    """A file that you may take: answer with ``ack {file, offset}``."""

    file: str
    name: str
    size: int
    sha256: str
    sender: str | None = msgspec.field(name="from", default=None)
    mime: str | None = None
    room: str | None = None


class FilePart(_Told, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a file, for those who cannot take the binary form."""

    file: str
    offset: int
    data: bytes


class FileNote(_Told, frozen=True, kw_only=True, omit_defaults=True):
    """``file_done``: all of it is there; ``file_abort``: the transfer has ended early."""

    file: str
    name: str | None = None
    size: int | None = None
    sha256: str | None = None
    reason: str | None = None
