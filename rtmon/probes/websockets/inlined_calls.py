"""Inlined calls: the library's steps for ordinary messages, in fewer function calls.

No step is left out; only the calls between them are. Counting costs less than the saved calls, so
that a probe adds no measurable cost to the library's own.

This depends on internals of ``websockets``. So it is used only with tested versions, for connection
classes that do not override these methods, and after a self-test;
otherwise :class:`~rtmon.probes.websockets.counting_connection.CountingConnection` does the same
around the library's methods.
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
"""Versions of ``websockets`` with tested internals."""

REPLACED = ("data_received", "process_event", "recv", "send_data")
"""Methods of the library that are inlined here."""

_TEXT, _BINARY, _CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


class InlinedCalls(CountingConnection):
    """Mix-in before a counting class, at either end of a connection."""

    def data_received(self, data: bytes) -> None:
        protocol = self.protocol
        if protocol._state is not OPEN or self.pings_at_once is not None:  # noqa: SLF001
            super().data_received(data)
            return
        self._count_wire(len(data))
        protocol.reader.feed_data(data)
        next(protocol.parser)
        if protocol.writes or protocol._state is not OPEN:  # noqa: SLF001
            self._base_data_received(b"")  # goes on from here
            return
        events, protocol.events = protocol.events, []
        self._deliver(events)

    def _deliver(self, events: list[Event]) -> None:
        """Hand frames to the queue of messages, each after the one before is counted."""
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
        if len(writes) != 1 or not writes[0]:  # an empty one ends the stream
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

    async def recv(self, decode: bool | None = None) -> Any:  # noqa: C901, FBT001 - flat; the library's
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
                    pass  # the library finds that the stream has ended, and says so
                finally:
                    waiter.cancel()
                    queue.get_waiter = None
                    messages.get_in_progress = False
                    # Its exception has this frame in its traceback: neither would go by itself,
                    # nor would the connection.
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
"""Mix-ins before a counting class on this path."""


def _message(frame: Frame, decode: bool | None) -> str | bytes | None:  # noqa: FBT001
    """Return the message in a frame; None for a fragment, and for invalid UTF-8."""
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
    """Return why the library's calls cannot be inlined; None if they can.

    :mod:`~rtmon.probes.websockets.library_selftest` checks at run time what this cannot.

    Args:
        base: the connection class below.
        replaced: methods that are replaced in other ways.
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
    """Return True if a method or property is the library's own, not one of a tracer or test."""
    # Compare __globals__: functools.wraps() copies the other attributes.
    function = member.fget if isinstance(member, property) else member
    scope = getattr(function, "__globals__", {})
    return str(scope.get("__name__")).partition(".")[0] in ("websockets", "contextlib")
