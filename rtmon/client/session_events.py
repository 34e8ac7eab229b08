"""Events of a client's session, to be delivered: messages, state changes, and chunks of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .result_types import Change, Message

__all__ = ["Chunk", "Event", "Replayed"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A received chunk of a file.

    Attributes:
        file: id of the transfer.
        offset: position of the chunk's first byte in the file.
        data: the bytes.
    """

    file: str
    offset: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Replayed:
    """A message that was received a second time, for a subscription that had dropped it.

    It is delivered only to subscriptions, not to callbacks and iterations over the client.
    """

    message: Message


Event: TypeAlias = Message | Replayed | Change | Chunk
