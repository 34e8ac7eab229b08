"""Outgoing messages for many connections, encoded once for each codec, and their batches."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

from ..core.backpressure import Policy, together
from ..protocol import limits
from ..protocol.catalog import Batch
from ..protocol.codecs import JSON, Codec
from ..protocol.envelope import Message

__all__ = ["Outgoing", "OutgoingBatch", "fitting", "size_of"]

T = TypeVar("T")


class Outgoing:
    """A message for many connections. Each codec encodes it once, at first use.

    Attributes:
        message: the message.
        count: number of publications in the message; 0 for joins, leaves and typing indicators.
        parts: the single messages of a batch, in order; otherwise only this message.
        policy: what to drop for slow consumers.
        key: for the policy ``keep_latest``: a later message with the same key replaces this one.
    """

    __slots__ = ("_encoded", "count", "key", "message", "parts", "policy")

    def __init__(
        self,
        message: Message,
        *,
        policy: Policy = "disconnect",
        key: Hashable = None,
        count: int = 1,
    ) -> None:
        self.message = message
        self.policy: Policy = policy
        self.key = key
        self.count = count
        self.parts: list[Outgoing] = [self]
        self._encoded: dict[Codec, tuple[str | bytes, int]] = {}

    def encoded(self, codec: Codec) -> tuple[str | bytes, int]:
        """Return the encoded message and its size in bytes."""
        found = self._encoded.get(codec)
        if found is None:
            data = codec.encode(self._for(codec))
            found = self._encoded[codec] = (data, size_of(data))
        return found

    def _for(self, _: Codec) -> Message:
        """Return the message to encode. A batch builds it for each codec."""
        return self.message


class OutgoingBatch(Outgoing):
    """A ``batch`` message that contains the encoded forms of several messages."""

    __slots__ = ()

    def __init__(self, parts: list[Outgoing]) -> None:
        policy = together([part.policy for part in parts])
        super().__init__(parts[0].message, policy=policy)
        self.count = len(parts)
        self.parts = parts

    @classmethod
    def fitting(cls, parts: list[Outgoing]) -> list[Outgoing]:
        """Combine messages into as few batches as the size limit allows.

        A message that is alone in its batch is returned unbatched.
        """
        # JSON is the larger encoding, so a batch that fits in JSON also fits in MessagePack.
        sized = [(part, part.encoded(JSON)[1]) for part in parts]
        return [cls(group) if len(group) > 1 else group[0] for group in fitting(sized)]

    def _for(self, codec: Codec) -> Message:
        raw = [codec.raw(part.encoded(codec)[0]) for part in self.parts]
        first = self.message
        return Message(
            id=f"batch-{first.id}",
            type="batch",
            timestamp=first.timestamp,
            payload=Batch(messages=raw),
        )


def size_of(data: str | bytes) -> int:
    """Return the size of an encoded message in bytes."""
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())


def fitting(sized: Iterable[tuple[T, int]]) -> list[list[T]]:
    """Split items into groups, so that the items of each group fit into one message.

    ``sized`` has pairs of an item and its size in bytes.

    An item that is larger than the limit forms a group of its own.
    """
    groups: list[list[T]] = []
    room = 0
    for item, size in sized:
        if size > room or not groups:
            groups.append([])
            room = limits.REPLY_BYTES
        groups[-1].append(item)
        room -= size
    return groups
