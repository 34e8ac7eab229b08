"""What a program learns of a message that it has sent."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PublicationReceipt", "Receipt"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Receipt:
    """To how many clients a message was sent.

    It compares and converts like the number of clients on this node.

    Attributes:
        local: clients on this node that it was sent to. A client that reads too slowly may lose it
            all the same, by the policy for slow consumers.
        total: the same on all nodes; None if not all live nodes were asked and answered within
            :data:`rtmon.hub.node_requests.COUNT_TIMEOUT` seconds.
    """

    local: int
    total: int | None = None

    def __int__(self) -> int:
        return self.local

    def __bool__(self) -> bool:
        return self.local > 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Receipt):
            return (self.local, self.total) == (other.local, other.total)
        return self.local == other

    def __hash__(self) -> int:
        return hash(self.local)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PublicationReceipt(Receipt):
    """The receipt of a publication, with its position; it is true, however many got it.

    Attributes:
        epoch, offset: the position; for a duplicate, that of the first one.
        duplicate: whether it was published before, under the same id.
    """

    epoch: str
    offset: int
    duplicate: bool = False

    def __bool__(self) -> bool:
        return True
