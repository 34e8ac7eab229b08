"""Addresses of clients and hosts: rate-limit keys, and which are loopback. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

__all__ = ["is_loopback", "network"]

_PREFIX = 64
"""Bits of an IPv6 address that name a network: its holder has all its addresses (RFC 6177)."""


def network(remote: str | None) -> str | None:
    """Return the rate-limit key of a client address: the IPv4 address, or the IPv6 /64 network.

    Args:
        remote: ``127.0.0.1:5000`` or ``[::1]:5000``.

    Returns:
        The key; None if the address is not known.
    """
    host = (remote or "").rpartition(":")[0].strip("[]").partition("%")[0]
    return host if _IPV4(host) else _of(host)


def is_loopback(host: str | None) -> bool:
    """Return whether a host names this machine itself, so that no other can be meant.

    Args:
        host: a name or an address without port: ``localhost``, a name below it (RFC 6761, 6.3), an
            IPv4 or IPv6 loopback address, also one mapped into IPv6, in brackets or without.
    """
    name = (host or "").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:  # another name, which may resolve to any address
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


_NUMBER = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{3}}").fullmatch
"""Matches an IPv4 address, in a tenth of the time that parsing one takes."""


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
