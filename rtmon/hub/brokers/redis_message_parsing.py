"""What nodes publish to each other through Redis: the head that the scripts write, and the body."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["NodeMessage"]

_MOST: Final = 2**53
"""No count or offset is larger: JavaScript clients could not tell such apart."""


class NodeMessage(NamedTuple):
    """A message of one node to all; see :mod:`.redis_scripts`.

    Attributes:
        published: True for a publication, False for a note.
        epoch, seq: the life of Redis and its count of publications, with this one.
        number: the offset of a publication; for a note, how many are in the channel.
        key: the channel.
        body: the Draft or Note, encoded.
    """

    published: bool
    epoch: str
    seq: int
    number: int
    key: str
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> NodeMessage:
        """Parse what came over the nodes' channel.

        Raises:
            ValueError: no script of rtmon's has written it.
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
    # int() alone takes signs, spaces and underscores, too.
    if not digits.isdigit() or len(digits) > 16 or int(digits) > _MOST:
        raise ValueError("it is no count")
    return int(digits)
