"""Which addresses are one customer's. Pure."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Network, ip_address

__all__ = ["network"]

_PREFIX = 64
"""Bits of an IPv6 address that name a network: whoever has one has all its addresses (RFC 6177)."""


def network(remote: str | None) -> str | None:
    """What stands for all that come from where somebody does; None if that is not known.

    Args:
        remote: ``127.0.0.1:5000`` or ``[::1]:5000``.
    """
    return _of((remote or "").rpartition(":")[0].strip("[]").partition("%")[0])


@lru_cache(maxsize=1024)  # a crowd comes from few
def _of(host: str) -> str | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), _PREFIX), strict=False))
