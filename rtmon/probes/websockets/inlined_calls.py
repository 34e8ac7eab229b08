"""Inlined calls: the steps of `websockets` for ordinary messages, with fewer function calls.

This module does each step of `websockets`, but in one function instead of many that call each
other. Counting costs less time than the omitted calls, so the probe adds no measurable cost.

This code depends on internals of ``websockets``. So it is used only with tested versions, for
connection classes that do not override the inlined methods, and after a self-test. Otherwise
:class:`~rtmon.probes.websockets.counting_connection.CountingConnection` counts the same by wrapping
the library's methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.version import version as installed_version

from .counting_connection import CountingConnection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.protocol import Event

__all__ = ["FRONT", "TESTED", "InlinedCalls", "obstacle"]

TESTED = frozenset({"17.4"})
"""Versions of ``websockets`` whose internals were tested with this code."""

REPLACED = ("data_received", "process_event", "recv", "send_data")
"""Methods of `websockets` whose code is inlined in this module."""

_TEXT, _BINARY, _CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


class InlinedCalls(CountingConnection):
    """Mix-in before a counting class, for either end of a connection."""

    def data_received(self, data: bytes) -> None:
        protocol = self.protocol
        if protocol._state is not OPEN or self.pings_at_once is not None:  # noqa: SLF001
            super().data_received(data)
            return
        self._count_wire(len(data))
        protocol.reader.feed_data(data)
        next(protocol.parser)
        if protocol.writes or protocol._state is not OPEN:  # noqa: SLF001
            self._base_data_received(b"")  # `websockets` handles the rest
            return
        events, protocol.events = protocol.events, []
        self._deliver(events)

    def _deliver(self, events: list[Event]) -> None:
        """Put frames into the queue of received messages. Count each before the next is put."""
        tally = self._tally
        messages = self.recv_messages
        queue = messages.frames
        for event in events:
            if type(event) is not Frame or (
                event.opcode is not _TEXT and event.opcode is not _BINARY
            ):
                self.process_event(event)
                continue
            queue.queue.append(event)
            waiter = queue.get_waiter
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
            high = messages.high
            if high is not None and len(queue.queue) > high and not messages.paused:
                messages.paused = True
                messages.pause()
            try:
                tally.frame_received(event)
            except Exception as exc:
                self.monitor.probe_failed(exc)

    def send_data(self) -> None:
        protocol = self.protocol
        writes = protocol.writes
        if len(writes) != 1 or not writes[0]:  # empty data means the end of the stream
            super().send_data()
            return
        data = writes[0]
        protocol.writes = []
        try:
            size = len(data)
            meter = self._tally.meter
            meter.own_wire_out += size
            meter.ledger.wire_out += size
            if not meter.dirty:
                meter.mark()
        except Exception as exc:
            self.monitor.probe_failed(exc)
        self.transport.write(data)

    async def recv(self, decode: bool | None = None) -> Any:  # noqa: C901, FBT001 - one function, for speed
        tally = self._tally
        times = tally.times
        if times:
            try:
                tally.asked()
            except Exception as exc:
                self.monitor.probe_failed(exc)
        messages = self.recv_messages
        queue = messages.frames
        frames = queue.queue
        if not messages.get_in_progress:
            if not frames and not messages.closed:
                messages.get_in_progress = True
                queue.get_waiter = waiter = queue.loop.create_future()
                try:
                    await waiter
                except EOFError:
                    pass  # the stream has ended; the library's recv() below raises
                finally:
                    waiter.cancel()
                    queue.get_waiter = None
                    messages.get_in_progress = False
                    # The waiter's exception has this frame in its traceback: a reference cycle that
                    # would keep the connection alive.
                    del waiter
            if frames:
                message = _message(frames[0], decode)
                if message is not None:
                    frames.popleft()
                    if messages.paused and messages.low is not None:
                        messages.maybe_resume()
                    if times:
                        try:
                            tally.handed()
                        except Exception as exc:
                            self.monitor.probe_failed(exc)
                    return message
        return await (super().recv(decode) if times else self._base_recv(decode))


FRONT = (InlinedCalls,)
"""Mix-ins that come before a counting class when calls are inlined."""


def _message(frame: Frame, decode: bool | None) -> str | bytes | None:  # noqa: FBT001
    """Return the message in a frame; None if it is a fragment or not valid UTF-8."""
    opcode = frame.opcode
    if not frame.fin or opcode is _CONT:
        return None
    data = frame.data if type(frame.data) is bytes else bytes(frame.data)
    if opcode is _TEXT if decode is None else decode:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None
    return data


def obstacle(base: type[Connection], *, replaced: Sequence[str] = REPLACED) -> str | None:
    """Return the reason why the calls in `websockets` cannot be inlined; None if they can.

    More is checked at run time by :mod:`~rtmon.probes.websockets.library_selftest`.

    Args:
        base: the connection class to derive from.
        replaced: names of the methods whose code is inlined or replaced.
    """
    if installed_version not in TESTED:
        tested = ", ".join(sorted(TESTED))
        return f"websockets {installed_version} is installed, and it was tested with {tested} only"
    stock = ClientConnection if issubclass(base, ClientConnection) else ServerConnection
    own = [name for name in replaced if getattr(base, name) is not getattr(stock, name)]
    if own:
        return f"{base.__name__} has methods of its own: {', '.join(own)}"
    foreign = [name for name in replaced if not _is_librarys(getattr(stock, name))]
    if foreign:
        return f"methods of {stock.__name__} were replaced: {', '.join(foreign)}"
    return None


def _is_librarys(member: Any) -> bool:
    """Return True if a method or property belongs to `websockets`, not to a tracer or test."""
    # Compare __globals__, because functools.wraps() copies the other attributes of a function.
    function = member.fget if isinstance(member, property) else member
    scope = getattr(function, "__globals__", {})
    return str(scope.get("__name__")).partition(".")[0] in ("websockets", "contextlib")
