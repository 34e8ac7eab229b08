"""Count connections and reconnects by client address.

Each opened and each closed connection costs two dictionary operations. Each address takes 300 bytes
of memory. At most :data:`ADDRESSES` addresses are kept. When a further one is added, the least
recently used address is evicted.
"""

from __future__ import annotations

import threading
from heapq import nlargest

from ..core.ip_addresses import network
from ..core.lru_cache import LRU
from .records import AddressInfo

__all__ = ["Reconnects"]

ADDRESSES = 10_000
"""Maximum number of addresses kept."""

SOON = 60.0
"""A new connection counts as a reconnect if it opens within this many seconds after the last
connection from the same address closed."""

RATE_SECONDS = 60.0
"""Half-life, in seconds, of a reconnect's weight in the rate of reconnects."""


class _Address:
    """Connection counts of one address."""

    __slots__ = ("closed_at", "open", "opened", "peak", "rate", "rated_at", "reconnects")

    def __init__(self, now: float) -> None:
        self.open = self.peak = self.opened = self.reconnects = 0
        self.closed_at: float | None = None
        # Weighted number of reconnects at the time `rated_at`. The weight of each reconnect is 1 at
        # first, and halves every RATE_SECONDS.
        self.rate = 0.0
        self.rated_at = now

    def rate_at(self, now: float) -> float:
        return float(self.rate * 0.5 ** ((now - self.rated_at) / RATE_SECONDS))


class Reconnects:
    """Counts connections and reconnects by client address.

    An address is an IPv4 address without port, or an IPv6 /64 network.
    """

    def __init__(self) -> None:
        self._addresses: LRU[str, _Address] = LRU(ADDRESSES)
        self._lock = threading.Lock()

    def opened(self, remote: str | None, now: float) -> None:
        """Count a connection that has opened.

        Args:
            remote: address and port of the client; None if unknown.
            now: monotonic seconds.
        """
        key = network(remote)
        if key is None:
            return
        with self._lock:
            address = self._addresses.get(key)
            if address is None:
                address = _Address(now)
                self._addresses.put(key, address)
            address.opened += 1
            address.open += 1
            address.peak = max(address.peak, address.open)
            if address.closed_at is not None and now - address.closed_at <= SOON:
                address.reconnects += 1
                address.rate, address.rated_at = address.rate_at(now) + 1, now

    def closed(self, remote: str | None, now: float) -> None:
        """Count a connection that has closed.

        Args:
            remote: address and port of the client; None if unknown.
            now: monotonic seconds.
        """
        key = network(remote)
        address = None if key is None else self._addresses.get(key)
        if address is not None:
            address.open = max(0, address.open - 1)
            address.closed_at = now

    def rows(self, now: float, limit: int | None = None) -> list[AddressInfo]:
        """Return a record for each address. May be called on any thread.

        Args:
            now: time for which the rates of reconnects are computed.
            limit: maximum number of records: those with the most reconnects, then the most open
                connections. None for all.
        """
        with self._lock:
            known = list(self._addresses.items())
        if limit is not None and len(known) > limit:
            known = nlargest(limit, known, key=lambda item: (item[1].reconnects, item[1].open))
        return [
            AddressInfo(
                address=key,
                open=address.open,
                peak=address.peak,
                opened=address.opened,
                reconnects=address.reconnects,
                reconnect_rate=address.rate_at(now) / RATE_SECONDS,
            )
            for key, address in known
        ]
