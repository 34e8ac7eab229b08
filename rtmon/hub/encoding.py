"""From one message to many connections: encoded once for each codec, written to each peer."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..core.backpressure import Policy, together
from ..protocol import limits
from ..protocol.catalog import Batch
from ..protocol.codecs import JSON, Codec
from ..protocol.envelope import Message
from .stats import ChannelStats

if TYPE_CHECKING:
    from .connection import Session

__all__ = ["Outgoing", "OutgoingBatch", "deliver", "fitting", "size_of"]

T = TypeVar("T")

logger = logging.getLogger("rtmon.hub")


class Outgoing:
    """A message on its way out, encoded when first asked for, once for each codec.

    Attributes:
        message: what is sent.
        count: how many publications it stands for; none if it tells who came, went, or types.
        parts: what it is made of, in order; only itself unless it is a batch.
        policy: what is given up for those who read too slowly.
        key: what it is the latest of, where only that is kept.
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
        """The message as it goes on the wire, and its size in bytes."""
        found = self._encoded.get(codec)
        if found is None:
            data = codec.encode(self._for(codec))
            found = self._encoded[codec] = (data, size_of(data))
        return found

    def _for(self, _: Codec) -> Message:
        return self.message


class OutgoingBatch(Outgoing):
    """Several messages as one, made of their encoded forms."""

    __slots__ = ()

    def __init__(self, parts: list[Outgoing]) -> None:
        policy = together([part.policy for part in parts])
        super().__init__(parts[0].message, policy=policy)
        self.count = len(parts)
        self.parts = parts

    @classmethod
    def fitting(cls, parts: list[Outgoing]) -> list[Outgoing]:
        """As few batches as their size allows; a message alone goes as it is."""
        # JSON is the larger form of the two, so what fits there fits everywhere.
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
    """Bytes of an encoded message."""
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())


def fitting(sized: Iterable[tuple[T, int]]) -> list[list[T]]:
    """Group what has sizes so that no group of several passes what one message may carry."""
    groups: list[list[T]] = []
    room = 0
    for item, size in sized:
        if size > room or not groups:
            groups.append([])
            room = limits.REPLY_BYTES
        groups[-1].append(item)
        room -= size
    return groups


def deliver(
    sessions: Iterable[Session],
    outgoing: Outgoing,
    *,
    stats: ChannelStats | None = None,
) -> int:
    """Hand a message to connections one by one; those that are ending do not miss it.

    Args:
        sessions: who; a copy is walked, so that they may come and go meanwhile.
        outgoing: what.
        stats: where to count what was handed over, and what was not; what waits is counted when
            either has come to pass.

    Returns:
        How many took it.
    """
    took = 0
    for session in list(sessions):
        if not session.peer.open:
            continue
        # Who collects batches of its own makes them of single messages.
        parts = outgoing.parts if session.batching else [outgoing]
        taken = [_deliver_one(session, part, stats) for part in parts]
        took += all(taken)
    return took


def _deliver_one(session: Session, outgoing: Outgoing, stats: ChannelStats | None) -> bool:
    data, size = outgoing.encoded(session.codec)
    settled = None if stats is None else partial(stats.settled, outgoing.count, size)
    try:
        taken = session.put(data, policy=outgoing.policy, key=outgoing.key, settled=settled)
    except Exception:
        # A transport must not raise; one that does must not take the others with it.
        logger.exception("the transport of %r failed", session)
        taken = False
    if settled is not None and taken is not None:
        settled(taken)
    return taken is not False
