"""How much a transport reads at once.

For each read, asyncio makes an object of 256 KiB, and cuts it down to what came. Where the kernel
maps blocks of that size one by one, as for glibc's malloc until the process has freed one as large
(mallopt(3), M_MMAP_THRESHOLD), that is three system calls and a page fault for every message, and
can be half of all that a short one costs.
"""

from __future__ import annotations

import asyncio

__all__ = ["READ_AT_ONCE", "read_little", "read_much"]

READ_AT_ONCE = 65_536
"""Bytes; glibc's malloc has blocks mapped from 128 KiB on."""


def read_little(transport: asyncio.BaseTransport) -> None:
    """Read :data:`READ_AT_ONCE` bytes at a time, where that can be said.

    Transports for TLS, and those of uvloop and of Windows, have no such attribute, nor the need.
    """
    if hasattr(transport, "max_size"):
        transport.max_size = READ_AT_ONCE


def read_much(transport: asyncio.BaseTransport) -> None:
    """Read as much at a time as the transport does by itself: better for long messages."""
    if hasattr(transport, "max_size"):
        transport.max_size = type(transport).max_size
