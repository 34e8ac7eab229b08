"""IP addresses: the rate-limit key of a client address, and the loopback test. No I/O."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

__all__ = ["is_loopback", "network"]

_PREFIX = 64
"""Prefix length of an IPv6 network that belongs to one subscriber (RFC 6177)."""


def network(remote: str | None) -> str | None:
    """Return the rate-limit key of a client address: the IPv4 address, or the IPv6 /64 network.

    Args:
        remote: the client's address with its port, ``127.0.0.1:5000`` or ``[::1]:5000``; None if
            the address is unknown.

    Returns:
        The key; None if ``remote`` is None or has no IP address.
    """
    host = (remote or "").rpartition(":")[0].strip("[]").partition("%")[0]
    return host if _IPV4(host) else _of(host)


def is_loopback(host: str | None) -> bool:
    """Return True if a host name or address always means this machine.

    Args:
        host: a host name or an IP address, without a port. Loopback hosts are ``localhost``, names
            that end in ``.localhost`` (RFC 6761, 6.3), and IPv4 and IPv6 loopback addresses. An
            IPv6 address may be in brackets and may contain an IPv4 address (``::ffff:127.0.0.1``).
    """
    name = (host or "").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:  # any other host name, which may resolve to any address
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


_NUMBER = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{3}}").fullmatch
"""Match an IPv4 address: ten times as fast as ``ipaddress.ip_address``."""


@lru_cache(maxsize=1024)  # many clients often connect from a few addresses
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
