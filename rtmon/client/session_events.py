"""What a session reports to the engine: messages, changes of state, and parts of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .result_types import Change, Message

__all__ = ["Chunk", "Event", "Replayed"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a file from the server."""

    file: str
    offset: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Replayed:
    """A message delivered before, received again for a subscription that was behind."""

    message: Message


Event: TypeAlias = Message | Replayed | Change | Chunk
