"""Set the read buffer size of asyncio's transports, which costs CPU time for each message.

For each read, asyncio allocates 256 KiB and shrinks the buffer to the received size. glibc's malloc
requests each block of that size from the kernel, as long as the process has never freed such a
large block (mallopt(3), M_MMAP_THRESHOLD). Each message then costs three system calls and a page
fault, which can be half of the total cost of a short message.
"""

from __future__ import annotations

import asyncio

__all__ = ["READ_AT_ONCE", "read_little", "read_much"]

READ_AT_ONCE = 65_536
"""Smaller read buffer size, in bytes. For 128 KiB and more, glibc's malloc calls the kernel."""


def read_little(transport: asyncio.BaseTransport) -> None:
    """Set the read buffer size to :data:`READ_AT_ONCE`, if the transport has this setting.

    Transports for TLS, and those of uvloop and Windows, do not have it and do not need it.
    """
    if hasattr(transport, "max_size"):
        transport.max_size = READ_AT_ONCE


def read_much(transport: asyncio.BaseTransport) -> None:
    """Restore the transport's default read buffer size, which is better for long messages."""
    if hasattr(transport, "max_size"):
        transport.max_size = type(transport).max_size
