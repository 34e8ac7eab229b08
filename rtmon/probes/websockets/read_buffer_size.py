"""The read buffer size of asyncio's transports, which costs CPU time for each message.

For each read, asyncio allocates 256 KiB and shrinks it to the received size. Where the kernel
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
    """Set the read size to :data:`READ_AT_ONCE` bytes, where the transport allows it.

    Transports for TLS, and those of uvloop and Windows, lack the attribute and do not need it.
    """
    if hasattr(transport, "max_size"):
        transport.max_size = READ_AT_ONCE


def read_much(transport: asyncio.BaseTransport) -> None:
    """Restore the transport's own read size, which is better for long messages."""
    if hasattr(transport, "max_size"):
        transport.max_size = type(transport).max_size
