"""Receipts: to how many clients a message of the application was sent."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PublicationReceipt", "Receipt"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Receipt:
    """The number of clients that a message was sent to.

    ``int(receipt)`` returns ``local``. A receipt also equals the number ``local``, and is true in a
    condition if ``local`` is not 0.

    Attributes:
        local: number of clients on this node that the message was sent to. A slow consumer's policy
            may still drop the message.
        total: number of clients on all nodes; None if the other nodes were not asked, or did not
            all answer within :data:`rtmon.hub.node_requests.COUNT_TIMEOUT` seconds.
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
    """The receipt of a publication, with its position.

    Unlike other receipts, it is true in a condition even if ``local`` is 0.

    Attributes:
        epoch, offset: position of the publication. For a duplicate, position of the first
            publication.
        duplicate: True if a publication with the same id was published before.
    """

    epoch: str
    offset: int
    duplicate: bool = False

    def __bool__(self) -> bool:
        return True
