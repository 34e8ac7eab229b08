"""``SocketIOPeer``: one client's connection to one namespace of the Socket.IO server."""

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
from ..outgoing_messages import size_of
from .async_sending_peer import LastResultCache, SendingPeer
from .client_positions import ClientPositions, moves
from .queued_peer import CLOSE_TIMEOUT

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

__all__ = ["ENVELOPE", "Event", "SocketIOPeer"]

_RESERVED = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Event names that socket.io-client refuses (socket.io-parser, RESERVED_EVENTS). Messages of these
types are sent as the event ``message``."""

ENVELOPE = "message"
"""Event that contains a whole message of any type."""

_ACK = b"\x00"
"""First byte of a queued answer to a callback. No message in MessagePack begins with it."""


_AT_ONCE = 12
"""Maximum number of packets queued for one poll. The client of python-engineio accepts 16, of which
some may be pings."""


@dataclass(frozen=True, slots=True)
class Event:
    """A message encoded as a Socket.IO event. All receivers share it.

    Attributes:
        text: the event as JSON, without the closing bracket.
        attachments: the binary parts.
        further: the positions that a client reaches by receiving the message.
    """

    text: str
    attachments: list[bytes]
    further: list[tuple[str, Position]]

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Encode a message as a Socket.IO event."""
        message = msgspec.msgpack.decode(data)
        kind = message["type"]
        attachments: list[bytes] = []
        arguments = [ENVELOPE if kind in _RESERVED else kind, _apart(message, attachments)]
        text = msgspec.json.encode(arguments).decode()
        return cls(text[:-1], attachments, moves(message))


def _apart(value: Any, attachments: list[bytes]) -> Any:
    """Return a value with placeholders for bytes. The bytes are added to ``attachments``."""
    if isinstance(value, bytes):
        attachments.append(value)
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, dict):
        return {key: _apart(item, attachments) for key, item in value.items()}
    if isinstance(value, list):
        return [_apart(item, attachments) for item in value]
    return value


def _encoded(message: dict[str, Any]) -> str | bytes:
    """Encode a client's message for the hub, which validates it."""
    try:
        return msgspec.msgpack.encode(message)
    except (ValueError, OverflowError):
        # Only JSON can represent half of a surrogate pair or a number beyond 64 bits. The hub then
        # answers with an error.
        return json.dumps(message)


def _answer(ack: int, message: bytes = b"") -> bytes:
    """Return the answer to a callback in its queued form, which begins with ``_ACK``.

    Args:
        ack: id of the acknowledgement.
        message: the encoded answer; empty for an answer without data.
    """
    return b"%b%d:%b" % (_ACK, ack, message)


class _Reply(msgspec.Struct):
    """The field of an answer that holds the id of the answered message."""

    reply_to: str | None = None


class SocketIOPeer(SendingPeer):
    """One client's connection to a namespace.

    Args:
        hub: the hub of the namespace.
        server: the server of python-socketio.
        sid: id of the connection in that server.
        namespace: the namespace.
        engine: the Engine.IO connection, which several namespaces share.
        cut: aborts the WebSocket of the Engine.IO connection.
        events: encodes messages as events.

    Attributes:
        member: the hub's connection, once the client is welcomed; else None.
        pid: the secret with which the client reconnects. It stays the same if no message was lost.
        errors: number of the client's messages that were answered with an error.
    """

    transport = "socketio"
    codec = MSGPACK
    authenticates_later = False  # the client authenticates in `auth`
    binary = False  # file chunks are sent as events

    def __init__(
        self,
        hub: Hub,
        server: Any,
        *,
        sid: str,
        namespace: str,
        engine: Any,
        cut: Callable[[], None],
        events: LastResultCache[bytes, Event],
    ) -> None:
        super().__init__(hub)
        self.member: Connection | None = None
        self.pid = ""
        self.errors = 0
        self._server, self._sid, self._namespace = server, sid, namespace
        self._engine, self._cut_wire = engine, cut
        self._events = events
        self._prefix = "" if namespace == "/" else f"{namespace},"
        self._positions = ClientPositions()
        self._recovered = True
        self._asked: tuple[str, int] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task that sends messages."""
        self._task = asyncio.get_running_loop().create_task(self._send_all())

    def welcomed(self, member: Connection, pid: str | None) -> None:
        """Record that the client was welcomed.

        Args:
            member: the hub's connection.
            pid: the secret that the client sent; None if it sent none.
        """
        self.member = member
        if pid and self._recovered:
            member.secret = pid[:128]
        self.pid = member.secret

    def gone(self) -> None:
        """Clean up after the connection has ended."""
        self.ended()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        if self.member is not None:
            self._hub.closed(self.member)

    def errored(self) -> None:
        self.errors += 1
        super().errored()

    # Inbound

    async def receive(self, event: str, arguments: Sequence[Any], ack: int | None) -> None:
        """Process an event from the client.

        Args:
            event: the message type, or ``message`` if the argument is a whole message.
            arguments: the event's arguments; the first is the payload.
            ack: id of the acknowledgement that the client asks for; None if it asks for none.
        """
        member = self.member
        if member is None or not self.open:  # no messages are handled after the close
            return
        first = arguments[0] if arguments else {}
        message = {"type": event, "payload": first}
        if event == ENVELOPE and isinstance(first, dict):
            message = dict(first)
        if ack is not None:
            message["id"] = message.get("id") or self._context.messages.new_id()
            self._asked = (str(message["id"]), ack)
            payload = message.get("payload")
            # A client with a callback expects an answer.
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

    # Outbound

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
        engine.queue.put_nowait(None)  # wakes the waiting poll

    async def _send_all(self) -> None:
        """Send queued messages until the connection is to be closed, then send the reason."""
        with contextlib.suppress(EngineIOError):
            while (messages := await self.round()) is not None:
                for data in messages:
                    await self._hand_over(data)
                await self._engine.queue.join()
            await self._say_goodbye(*(self.goodbye or (close.GOING_AWAY, "")))

    async def _hand_over(self, data: str | bytes) -> None:
        """Encode a message as packets, and add them to python-engineio's queue."""
        packets = self._packets(data if isinstance(data, bytes) else data.encode())
        # The queue of python-engineio has no limit. So wait until its packets were sent, if there
        # are many.
        if self._engine.queue.qsize() + len(packets) > _AT_ONCE:
            await self._engine.queue.join()
        for packet in packets:
            await self._server.eio.send(self._engine.sid, packet)

    def _packets(self, data: bytes) -> list[str | bytes]:
        """Return the Socket.IO packets of a message: event or acknowledgement, then binary data."""
        if data[:1] != _ACK:
            event = self._events(data)
            self._positions.sent(event.further)
            # The positions are percent-encoded, so they need no JSON escaping.
            return self._packet(2, f'{event.text},"{self._positions}"]', event.attachments)
        ack, _, answer = data[1:].partition(b":")
        attachments: list[bytes] = []
        arguments = [_apart(msgspec.msgpack.decode(answer), attachments)] if answer else []
        text = msgspec.json.encode(arguments).decode()
        return self._packet(3, f"{int(ack)}{text}", attachments)

    def _packet(self, kind: int, text: str, attachments: list[bytes]) -> list[str | bytes]:
        """Return a Socket.IO packet and its binary attachments."""
        if not attachments:
            return [f"{kind}{self._prefix}{text}"]
        return [f"{kind + 3}{len(attachments)}-{self._prefix}{text}", *attachments]

    async def _say_goodbye(self, code: int, reason: str) -> None:
        """Send the ``disconnect`` message, then end the connection.

        The connection is ended in one of two ways, depending on the close code: socket.io-client
        reconnects after one, and does not after the other.
        """
        retry = close.may_reconnect(code)
        payload = catalog.Goodbye(code=code, reason=reason, retry=retry)
        await self._hand_over(
            self.codec.encode(self._context.messages.message("disconnect", payload))
        )
        await self._engine.queue.join()
        if not retry:
            await self._server.disconnect(self._sid, self._namespace)
            return
        # socket.io-client reconnects only if the Engine.IO connection ends, not after a Socket.IO
        # disconnect.
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._server.eio.disconnect(self._engine.sid)
        except TimeoutError:
            self._cut_wire()
        # Over a WebSocket, the client waits for the end of the connection, not for the close
        # packet.
        self._engine.queue.put_nowait(None)
