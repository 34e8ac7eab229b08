"""Parser of the messages that nodes publish to each other through Redis."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["NodeMessage"]

_MOST: Final = 2**53
"""Maximum count or offset: the largest integer that JavaScript clients hold exactly."""


class NodeMessage(NamedTuple):
    """A message from one node to all nodes; :mod:`.redis_scripts` describes its format.

    Attributes:
        published: True for a publication, False for a message without a position.
        epoch: id of the lifetime of the data in Redis.
        seq: number of publications in this epoch, including this one.
        number: offset of a publication; otherwise the number of the channel's members.
        key: key of the channel.
        body: the encoded :class:`.Draft` or :class:`.Note`.
    """

    published: bool
    epoch: str
    seq: int
    number: int
    key: str
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> NodeMessage:
        """Parse a message received from Redis.

        Raises:
            ValueError: the message was not written by a script of rtmon.
        """
        kind, epoch, seq, number, length, rest = data.split(b" ", 5)
        size = _count(length)
        if kind not in {b"p", b"t"} or size > len(rest):
            raise ValueError("it is no message of a node")
        return cls(
            published=kind == b"p",
            epoch=epoch.decode(),
            seq=_count(seq),
            number=_count(number),
            key=rest[:size].decode(),
            body=rest[size:],
        )


def _count(digits: bytes) -> int:
    # int() alone would also accept signs, spaces and underscores.
    """Parse a non-negative integer.

    Raises:
        ValueError: the digits are invalid, or the number is too large.
    """
    if not digits.isdigit() or len(digits) > 16 or int(digits) > _MOST:
        raise ValueError("it is no count")
    return int(digits)
