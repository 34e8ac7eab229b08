"""One connection to a namespace of a Socket.IO server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ...errors import MissingExtra, ProtocolError
from ...protocol import catalog, close
from ...protocol.catalog import ACKNOWLEDGED, Position
from ...protocol.codecs import MSGPACK
from ..encoding import size_of
from .async_sending_peer import Latest, SendingPeer
from .positions import Positions, moves
from .queued import CLOSE_TIMEOUT

try:
    from engineio.exceptions import EngineIOError  # type: ignore[import-untyped]
except ImportError:
    raise MissingExtra("The Socket.IO transport", "python-socketio", "asgi") from None

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ...core.backpressure import Policy
    from ..connection import Connection
    from ..hub import Hub
    from .base import Settled

__all__ = ["Event", "SocketIOPeer"]

_RESERVED = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Events that socket.io-client refuses (socket.io-parser, RESERVED_EVENTS): messages of these
types come as ``message``, which holds any."""

_ENVELOPE = "message"
"""The event that holds a whole message, of any type."""

_ACK = b"\x00"
"""The first byte of what answers a callback: no message in MessagePack begins so."""


_AT_ONCE = 12
"""Packets that may wait for one poll: python-engineio's client takes 16, and there are pings."""


@dataclass(frozen=True, slots=True)
class Event:
    """A message as an event, with the position it takes its reader to; shared by all receivers."""

    text: str
    attachments: list[bytes]
    further: list[tuple[str, Position]]

    @classmethod
    def of(cls, data: bytes) -> Self:
        message = msgspec.msgpack.decode(data)
        kind = message["type"]
        attachments: list[bytes] = []
        arguments = [_ENVELOPE if kind in _RESERVED else kind, _apart(message, attachments)]
        text = msgspec.json.encode(arguments).decode()
        return cls(text[:-1], attachments, moves(message))


def _apart(value: Any, attachments: list[bytes]) -> Any:
    """A value with placeholders for the bytes in it, which are added to the attachments."""
    if isinstance(value, bytes):
        attachments.append(value)
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, dict):
        return {key: _apart(item, attachments) for key, item in value.items()}
    if isinstance(value, list):
        return [_apart(item, attachments) for item in value]
    return value


def _encoded(message: dict[str, Any]) -> str | bytes:
    """A message as the hub takes it; the hub finds what is wrong with it, and in which part."""
    try:
        return msgspec.msgpack.encode(message)
    except (ValueError, OverflowError):
        # Half of a surrogate pair, or a number beyond 64 bits, which JSON can spell.
        return json.dumps(message)


def _answer(ack: int, message: bytes = b"") -> bytes:
    """A message that goes to a callback, as it waits to be sent; empty for one without words."""
    return b"%b%d:%b" % (_ACK, ack, message)


class _Reply(msgspec.Struct):
    """Which message another one answers."""

    reply_to: str | None = None


class SocketIOPeer(SendingPeer):
    """A connection to a namespace.

    Args:
        hub: behind the namespace.
        server: python-socketio's.
        sid: the connection, as that server names it.
        namespace: the namespace.
        engine: the Engine.IO connection below, which namespaces share.
        cut: drops the WebSocket below that.
        events: makes events of messages.

    Attributes:
        member: the hub's connection, once the client is welcomed.
        pid: the secret that the client returns with; the one it showed if it has missed nothing.
        errors: how many of its messages were answered with an error.
    """

    transport = "socketio"
    codec = MSGPACK
    authenticates_later = False  # what it says is in `auth`
    binary = False  # a piece of a file is an event like all others

    def __init__(
        self,
        hub: Hub,
        server: Any,
        *,
        sid: str,
        namespace: str,
        engine: Any,
        cut: Callable[[], None],
        events: Latest[bytes, Event],
    ) -> None:
        super().__init__(hub)
        self.member: Connection | None = None
        self.pid = ""
        self.errors = 0
        self._server, self._sid, self._namespace = server, sid, namespace
        self._engine, self._cut_wire = engine, cut
        self._events = events
        self._prefix = "" if namespace == "/" else f"{namespace},"
        self._positions = Positions()
        self._recovered = True
        self._asked: tuple[str, int] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.get_running_loop().create_task(self._send_all())

    def welcomed(self, member: Connection, pid: str | None) -> None:
        """The client is let in; it showed a secret, perhaps."""
        self.member = member
        if pid and self._recovered:
            member.secret = pid[:128]
        self.pid = member.secret

    def gone(self) -> None:
        """The connection has ended."""
        self.ended()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if self.member is not None:
            self._hub.closed(self.member)

    def errored(self) -> None:
        self.errors += 1
        super().errored()

    # In

    async def receive(self, event: str, arguments: Sequence[Any], ack: int | None) -> None:
        """The client has emitted something.

        Args:
            event: the message type, or ``message`` with a whole one as argument.
            arguments: the payload, if any.
            ack: the acknowledgement that the client asks for, if any.
        """
        member = self.member
        if member is None or not self.open:  # messages after the close are ignored
            return
        first = arguments[0] if arguments else {}
        message = {"type": event, "payload": first}
        if event == _ENVELOPE and isinstance(first, dict):
            message = dict(first)
        if ack is not None:
            message["id"] = message.get("id") or self._context.messages.new_id()
            self._asked = (str(message["id"]), ack)
            payload = message.get("payload")
            # A callback asks for an answer.
            if message.get("type") in ACKNOWLEDGED and isinstance(payload, dict):
                message["payload"] = {**payload, "ack": True}
        try:
            data = _encoded(message)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            refused = ProtocolError("invalid_message", f"This is not a message: {error}.")
            member.error(refused, reply_to=None if self._asked is None else self._asked[0])
        else:
            if size_of(data) > self._context.options.max_size:
                self.close(1009, f"a message may have {self._context.options.max_size} bytes")
                return
            await self._hub.receive(member, data)
        if self._asked is not None:
            ack, self._asked = self._asked[1], None
            self.send(_answer(ack))

    # Out

    def send(
        self,
        data: str | bytes,
        *,
        policy: Policy = "disconnect",
        key: Hashable = None,
        settled: Settled | None = None,
    ) -> bool | None:
        if self._asked is not None and isinstance(data, bytes):
            asked, ack = self._asked
            if msgspec.msgpack.decode(data, type=_Reply).reply_to == asked:
                self._asked = None
                data = _answer(ack, data)
        return super().send(data, policy=policy, key=key, settled=settled)

    def entered(self, key: str, at: Position | None, *, recovered: bool | None) -> None:
        self._positions.entered(key, at)
        self._recovered = self._recovered and recovered is True

    def left(self, key: str) -> None:
        self._positions.left(key)

    def abort(self) -> None:
        if self._over:
            return
        self._cut_wire()
        engine = self._engine
        reason = self._server.eio.reason.TRANSPORT_ERROR
        self._context.tasks.spawn(engine.close(wait=False, abort=True, reason=reason))
        engine.queue.put_nowait(None)  # for the poll that waits

    async def _send_all(self) -> None:
        with contextlib.suppress(EngineIOError):
            while (messages := await self.round()) is not None:
                for data in messages:
                    await self._hand_over(data)
                await self._engine.queue.join()
            await self._say_goodbye(*(self.goodbye or (close.GOING_AWAY, "")))

    async def _hand_over(self, data: str | bytes) -> None:
        packets = self._packets(data if isinstance(data, bytes) else data.encode())
        # What is handed over waits there without bound: so only a little is, until it was taken.
        if self._engine.queue.qsize() + len(packets) > _AT_ONCE:
            await self._engine.queue.join()
        for packet in packets:
            await self._server.eio.send(self._engine.sid, packet)

    def _packets(self, data: bytes) -> list[str | bytes]:
        """A message as Socket.IO's packets: the event or acknowledgement, then what is binary."""
        if data[:1] != _ACK:
            event = self._events(data)
            self._positions.sent(event.further)
            # Quoted, so it is JSON as it stands.
            return self._packet(2, f'{event.text},"{self._positions}"]', event.attachments)
        ack, _, answer = data[1:].partition(b":")
        attachments: list[bytes] = []
        arguments = [_apart(msgspec.msgpack.decode(answer), attachments)] if answer else []
        text = msgspec.json.encode(arguments).decode()
        return self._packet(3, f"{int(ack)}{text}", attachments)

    def _packet(self, kind: int, text: str, attachments: list[bytes]) -> list[str | bytes]:
        if not attachments:
            return [f"{kind}{self._prefix}{text}"]
        return [f"{kind + 3}{len(attachments)}-{self._prefix}{text}", *attachments]

    async def _say_goodbye(self, code: int, reason: str) -> None:
        retry = close.may_reconnect(code)
        payload = catalog.Goodbye(code=code, reason=reason, retry=retry)
        await self._hand_over(
            self.codec.encode(self._context.messages.message("disconnect", payload))
        )
        await self._engine.queue.join()
        if not retry:
            await self._server.disconnect(self._sid, self._namespace)
            return
        # socket.io-client returns by itself when what is below ends, but not after the above.
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._server.eio.disconnect(self._engine.sid)
        except TimeoutError:
            self._cut_wire()
        # Over a WebSocket the client waits for its end, not for the packet that announces it.
        self._engine.queue.put_nowait(None)
