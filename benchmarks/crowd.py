"""Load generator: many subscribers and one publisher, in their own process on their own core.

The load generator must not be slower than the servers. So it uses no event loop and no parser, but
epoll, one buffer, and one search for a byte in each received piece.
"""

from __future__ import annotations

import array
import contextlib
import gc
import os
import select
import signal
import socket
import time
import zlib
from multiprocessing.connection import Connection
from typing import Any

from dialects import ANSWERED, DIALECTS, MARK, frame, payload
from frames import FrameCounter, pings_in
from opening import Opening, connect

__all__ = ["crowd_process", "pin"]

PATIENCE = 20.0
"""Seconds without any received byte after which a server counts as failed."""

QUIET = 0.02
"""Seconds without further bytes after which everything counts as received."""
IN_FLIGHT = 200
"""Largest number of connections that are opened at the same time, unless a storm is measured."""


def pin(core: int) -> None:
    """Run this process on one core; on the last core if there are fewer."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[min(core, len(cores) - 1)]})


def crowd_process(dialect: str, port: int, pipe: Connection) -> None:
    """Execute commands from the pipe until it closes.

    Each command is (method, arguments); the answer is (result, error).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process decides when to end
    pin(1)
    crowd = Crowd(dialect, port, pipe)
    with contextlib.suppress(EOFError):
        while True:
            with contextlib.suppress(OSError):  # the next measurement raises the same error
                crowd.go_on_polling()
            name, arguments = pipe.recv()
            try:
                pipe.send((getattr(crowd, name)(**arguments), None))
            except (OSError, AssertionError) as error:
                pipe.send((None, f"{type(error).__name__}: {error}"))


class Crowd:
    """Subscribers and the publisher of one server.

    Args:
        dialect: Name of a client protocol in `DIALECTS`.
        port: Port of the server on 127.0.0.1.
        pipe: Pipe for commands; :meth:`idle` and :meth:`go_on_polling` wait for one.
    """

    def __init__(self, dialect: str, port: int, pipe: Connection) -> None:
        self._pipe = pipe
        self._dialect = DIALECTS[dialect]
        self._port = port
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._receive: dict[int, Any] = {}
        self._counts: dict[int, int] = {}
        self._counters: dict[int, FrameCounter] = {}
        self._polls: dict[int, bytes] = {}
        self._ends: dict[int, bytes] = {}
        self._rests: dict[int, bytes] = {}
        self._publisher: socket.socket | None = None
        self._number = 0
        self._octets = 0
        self._buffer = bytearray(1 << 18)

    # Commands that connect and disconnect clients.

    def open(
        self, to: int, at_once: int = IN_FLIGHT, *, answering: bool = False
    ) -> dict[str, float]:
        """Connect subscribers up to this number.

        Earlier subscribers read meanwhile, and answer pings if ``answering`` is true.

        Returns:
            Seconds that it took, and the number of failed attempts.
        """
        began = time.perf_counter()
        failed = connect(
            self._port,
            self._dialect.subscribe,
            to - len(self._sockets),
            at_once=at_once,
            opened=self._join,
            meanwhile=self._answer if answering else self._skim,
        )
        took = time.perf_counter() - began
        self._counts = dict.fromkeys(self._counts, 0)
        gc.collect()
        gc.freeze()  # no garbage collection of this process during measurements
        return {"seconds": took, "failed": failed}

    def drop(self) -> float:
        """Close all subscribers at once; return the seconds that it took."""
        began = time.perf_counter()
        for each in self._sockets.values():
            each.close()
        tables = (self._sockets, self._receive, self._counts, self._counters, self._polls)
        for table in (*tables, self._rests):
            table.clear()
        return time.perf_counter() - began

    def leave(self) -> None:
        """Close the publisher's connection."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _skim(self) -> None:
        """Read and drop the input of connected subscribers."""
        for fd, _ in self._poll.poll(0):
            self._take(fd)

    def _join(self, one: Opening) -> None:
        made = one.socket
        fd = made.fileno()
        self._sockets[fd] = made
        self._receive[fd] = made.recv_into
        self._counts[fd] = 0
        if self._dialect.frames:
            self._counters[fd] = FrameCounter()
        if self._dialect.poll:
            self._polls[fd] = self._dialect.poll.replace(b"@SID@", one.sid)
            self._ask_again(fd)
        self._poll.register(made, select.EPOLLIN)

    def _ask_again(self, fd: int) -> None:
        self._sockets[fd].sendall(self._polls[fd])
        self._octets += len(self._polls[fd])
        self._ends[fd] = b""

    def go_on_polling(self) -> None:
        """Poll until a command arrives, as polling clients do.

        A server disconnects a client that does not read an answer; uvicorn does so after five
        seconds.
        """
        if not self._polls:
            return
        self._poll.register(self._pipe, select.EPOLLIN)
        try:
            while not self._pipe.poll():
                for fd, _ in self._poll.poll():
                    if fd != self._pipe.fileno():
                        self._take(fd)
        finally:
            self._poll.unregister(self._pipe)

    def publisher(self) -> None:
        """Open the publisher's connection."""
        made = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one = Opening(made, self._dialect.publisher)
        one.speak()
        while not one.hear():
            pass
        self._publisher = made
        # Messages to the publisher are read and dropped, so that no buffer fills.
        self._receive[made.fileno()] = made.recv_into
        self._poll.register(made, select.EPOLLIN)

    def greet(self, times: int) -> list[float]:
        """Connect clients one after the other; return the seconds to each first message."""
        took = []
        for _ in range(times):
            began = time.perf_counter()
            with socket.create_connection(("127.0.0.1", self._port), PATIENCE) as made:
                one = Opening(made, self._dialect.subscribe[: self._dialect.greeting])
                one.speak()
                while not one.hear():
                    pass
                took.append(time.perf_counter() - began)
        return took

    # Commands that measure.

    def check(self) -> bytes:
        """Publish a message; return the bytes that the first subscriber received."""
        first = next(iter(self._sockets.values()))
        self._poll.unregister(first)
        self._publish(1)
        heard = b""
        counter = FrameCounter()
        first.settimeout(PATIENCE)
        while not (counter.feed(heard) if self._dialect.frames else heard.count(MARK)) or (
            self._polls and not heard.endswith(ANSWERED)
        ):
            counter = FrameCounter()
            heard += first.recv(1 << 16)
        first.setblocking(False)
        if self._polls:
            self._ask_again(first.fileno())
        self._poll.register(first, select.EPOLLIN)
        self._read(len(self._sockets) - 1)
        self._counts = dict.fromkeys(self._counts, 0)
        body = heard
        if self._dialect.frames:
            assert heard[0] == 0xC1, f"not a compressed text frame: {heard[:16]!r}"
            body = zlib.decompressobj(-15).decompress(
                heard[2 if heard[1] < 126 else 4 :] + b"\0\0\xff\xff"
            )
        assert payload(self._number - 1) in body, f"another message: {body!r}"
        return heard

    def closed_loop(self, burst: int, seconds: float) -> dict[str, float]:
        """Publish a burst, and the next one once all subscribers have received it."""
        start = self._number
        self._octets = 0
        began = time.perf_counter()
        until = began + seconds
        while (now := time.perf_counter()) < until:
            self._publish(burst)
            self._read(burst * len(self._sockets))
        messages = self._number - start
        return self._result(messages, now - began)

    def open_loop(self, rate: float, seconds: float) -> dict[str, float]:
        """Publish at a fixed rate, whatever the server does.

        Latency is measured from the time at which a message was due, not from the time it was sent.
        """
        messages = int(rate * seconds)
        numbers = range(self._number, self._number + messages)
        said = [self._dialect.publish(payload(number)) for number in numbers]
        self._octets = 0
        took = array.array("d")
        began = time.perf_counter() + 0.01
        due = [began + number / rate for number in range(messages)]
        sent = arrived = 0
        while sent < messages or arrived < messages * len(self._sockets):
            now = time.perf_counter()
            while sent < messages and due[sent] <= now:
                self._say(said[sent])
                sent += 1
            wait = max(0.0, due[sent] - now) if sent < messages else PATIENCE
            ready = self._poll.poll(wait)
            assert ready or sent < messages, "nothing arrives any more"
            for fd, _ in ready:
                before = self._counts.get(fd, 0)
                found = self._take(fd)
                now = time.perf_counter()
                for each in due[before : before + found]:
                    took.append(now - each)
                arrived += found
        self._number += messages
        took = array.array("d", sorted(took))
        result = self._result(messages, time.perf_counter() - began)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            result[name] = took[min(len(took) - 1, int(share * len(took)))]
        return result

    def idle(self) -> dict[str, float]:
        """Answer pings until the next command; return pings per second."""
        pings = 0
        began = time.monotonic()
        self._poll.register(self._pipe, select.EPOLLIN)
        while not self._pipe.poll():
            pings += self._answer(None)
        self._poll.unregister(self._pipe)
        return {"pings": pings / (time.monotonic() - began)}

    def _answer(self, wait: float | None = 0) -> int:
        """Read received bytes, and answer the pings in them; return the number of pings."""
        pings = 0
        for fd, _ in self._poll.poll(wait):
            if fd == self._pipe.fileno():
                continue
            heard = self._sockets[fd].recv(1 << 16)
            if not heard:
                raise ConnectionResetError("the server closed an idle connection")
            # A ping may follow messages, or arrive in two pieces.
            found, rest = pings_in(self._rests.pop(fd, b"") + heard)
            if rest:
                self._rests[fd] = rest
            pings += len(found)
            if found:
                self._sockets[fd].sendall(b"".join(frame(each, opcode=10) for each in found))
        return pings

    def nothing(self) -> None:
        """Do nothing. This command ends :meth:`idle`."""

    def _publish(self, burst: int) -> None:
        first = self._number
        self._number += burst
        publish = self._dialect.publish
        self._say(b"".join([publish(payload(n)) for n in range(first, first + burst)]))

    def _say(self, data: bytes) -> None:
        assert self._publisher is not None, "publisher() first"
        self._publisher.sendall(data)

    def _take(self, fd: int) -> int:
        """Read received bytes of a connection; return the number of deliveries in them."""
        size = self._receive[fd](self._buffer)
        if not size:
            raise ConnectionResetError("the server closed a connection")
        if fd not in self._counts:
            return 0
        if self._dialect.frames:
            found = self._counters[fd].feed(bytes(self._buffer[:size]))
        else:
            found = self._buffer.count(MARK, 0, size)
        self._counts[fd] += found
        self._octets += size
        if self._polls:
            end = self._ends[fd] = (self._ends[fd] + self._buffer[max(0, size - 5) : size])[-5:]
            if end == ANSWERED:
                self._ask_again(fd)
        return found

    def _read(self, deliveries: int) -> None:
        poll, take = self._poll.poll, self._take
        while deliveries > 0:
            ready = poll(PATIENCE)
            assert ready, f"nothing arrives any more, {deliveries} deliveries are missing"
            for fd, _ in ready:
                deliveries -= take(fd)

    def _result(self, messages: int, seconds: float) -> dict[str, float]:
        """Return the counts. Each subscriber must have received exactly the published messages."""
        while ready := self._poll.poll(QUIET):
            for fd, _ in ready:
                self._take(fd)
        wrong = sum(count != messages for count in self._counts.values())
        assert not wrong, f"{wrong} subscribers did not get {messages} messages each"
        deliveries = sum(self._counts.values())
        self._counts = dict.fromkeys(self._counts, 0)
        return {
            "messages": messages,
            "deliveries": deliveries,
            "seconds": seconds,
            "octets": self._octets / deliveries,
        }
