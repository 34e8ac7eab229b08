"""Open connections in several steps, one after the other or thousands at once."""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import time
from collections.abc import Callable

from dialects import Steps

__all__ = ["Opening", "connect"]

SECONDS = 120.0
"""Seconds within which all connections must be open."""


class Opening:
    """A connection during its opening steps."""

    __slots__ = ("heard", "sid", "socket", "step", "steps")

    def __init__(self, made: socket.socket, steps: Steps) -> None:
        self.socket = made
        self.steps = steps
        self.step = 0
        self.heard = b""
        self.sid = b""

    def speak(self) -> None:
        """Send the bytes of the current step."""
        self.socket.sendall(self.steps[self.step][0].replace(b"@SID@", self.sid))

    def hear(self) -> bool:
        """Read received bytes; return True when the last step is done."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionResetError(f"closed while opening, after {self.heard[:300]!r}")
        self.heard += data
        found = re.search(self.steps[self.step][1], self.heard, re.DOTALL)
        if found:
            self.sid = found.groupdict().get("sid", self.sid)
            self.heard = b""
            self.step += 1
            if self.step == len(self.steps):
                return True
            self.speak()
        return False


def connect(
    port: int,
    steps: Steps,
    number: int,
    *,
    at_once: int,
    opened: Callable[[Opening], None],
    meanwhile: Callable[[], None],
) -> int:
    """Open connections.

    Args:
        port: Port of the server on 127.0.0.1.
        steps: Opening steps of each connection.
        number: Number of connections.
        at_once: Largest number of connections that are being opened at the same time.
        opened: Called with each open connection.
        meanwhile: Called repeatedly while connections are being opened.

    Returns:
        Number of failed attempts; each was repeated.
    """
    poll = select.epoll()
    opening: dict[int, Opening] = {}
    failed = done = 0
    deadline = time.monotonic() + SECONDS
    while done < number:
        if time.monotonic() > deadline:
            raise AssertionError(f"{done} of {number} connections in {SECONDS:g} s")
        while len(opening) < min(at_once, number - done):
            one = _begin(port, steps)
            opening[one.socket.fileno()] = one
            poll.register(one.socket, select.EPOLLOUT)
        for fd, events in poll.poll(1.0, 512):
            try:
                if events & select.EPOLLOUT:
                    _connected(opening[fd], poll)
                elif opening[fd].hear():
                    poll.unregister(fd)
                    opened(opening.pop(fd))
                    done += 1
            except OSError as error:
                failed += 1
                opening.pop(fd).socket.close()
                if failed > number:
                    raise ConnectionRefusedError(f"{failed} attempts failed: {error}") from error
        meanwhile()
    poll.close()
    return failed


def _begin(port: int, steps: Steps) -> Opening:
    made = socket.socket()
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code = made.connect_ex(("127.0.0.1", port))
    if code not in {0, errno.EINPROGRESS}:
        raise OSError(code, os.strerror(code))
    return Opening(made, steps)


def _connected(one: Opening, poll: select.epoll) -> None:
    code = one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    poll.modify(one.socket, select.EPOLLIN)
    one.speak()
