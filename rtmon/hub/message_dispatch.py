"""Inbound messages of clients: rate limit, decoding, call of the handler, error answers."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from ..errors import ProtocolError
from ..metrics.labelled_durations import LabelledDurations
from ..protocol import binary_messages, close, limits
from ..protocol.catalog import HEARTBEATS, BatchIn
from ..protocol.codecs import JSON, Codec
from ..protocol.envelope import Envelope
from ..protocol.payload_bases import DataIn
from .admission.user_and_address_limits import RateLimits
from .connection import Connection
from .files.uploads import Uploads
from .handlers import Handler, with_payload_types
from .handlers.custom_messages import CustomHandler
from .hub_context import HubContext
from .message_checks import MessageChecks

__all__ = ["Dispatcher"]

logger = logging.getLogger("rtmon.hub")


class Dispatcher:
    """Receives the messages of clients, and calls the handler of each.

    Args:
        context: the hub's shared context.
        rates: rate limits for messages.
        uploads: receives binary file chunks.
        handlers: message type → handler, for the protocol's types except ``batch``, which the
            dispatcher handles itself.
        custom: message type → handler, for the types that the application added.
        checks: checks of the application.

    Attributes:
        handling: duration of handling each message, by message type.
    """

    def __init__(
        self,
        context: HubContext,
        *,
        rates: RateLimits,
        uploads: Uploads,
        handlers: Mapping[str, Handler],
        custom: Mapping[str, CustomHandler],
        checks: MessageChecks,
    ) -> None:
        self._context = context
        self._rates = rates
        self._uploads = uploads
        self._handlers = with_payload_types({**handlers, "batch": self._batch})
        self._custom = custom
        self._checks = checks
        self.handling = LabelledDurations("handler", "type")

    @property
    def protocol_types(self) -> Collection[str]:
        """The protocol's message types, which an application cannot redefine."""
        return self._handlers.keys()

    def handles(self, kind: str) -> bool:
        """Return True if there is a handler of this message type."""
        return kind in self._handlers or kind in self._custom

    async def receive(self, connection: Connection, data: str | bytes) -> None:
        """Process one message from a client. Never raises because of the message's content."""
        size = len(data)
        if connection.intercept is not None:
            await connection.intercept(data)
        elif self.admit(connection, data):
            codec = JSON if isinstance(data, str) else connection.codec
            attached: bytes | None = None
            envelope: Envelope | None = None
            try:
                if isinstance(data, bytes) and data[:1] == bytes((binary_messages.CHUNK,)):
                    connection.active = connection.heard
                    await self._uploads.chunk(connection, *binary_messages.decode_chunk(data))
                else:
                    if isinstance(data, bytes) and data[:1] == bytes((binary_messages.ATTACHED,)):
                        data, attached = binary_messages.decode_attached(data)
                    envelope = codec.decode(data)
            except ProtocolError as error:
                await self._undecodable(connection, codec, data, error)
            if envelope is not None:
                await self.handle(connection, envelope, codec, attached)
        # Wait for the byte rate limit after handling the message, not before, so that messages from
        # several HTTP requests are handled in order.
        connection.unpaced += size
        if connection.unpaced >= limits.TURN_BYTES:
            await self._rates.pace(connection)

    def admit(self, connection: Connection, data: str | bytes | msgspec.Raw) -> bool:
        """Return True if the client's rate limit allows the message.

        Otherwise answer with an error, or close the connection if the client floods the server.
        """
        now = connection.heard = self._context.clock()
        wait = self._rates.take(connection, now)
        if not wait:
            return True
        if connection.limiter.flooded:
            connection.peer.close(close.POLICY, "flood: you kept sending far above your rate limit")
        else:
            budget = self._rates.budget(connection, now)
            refused = ProtocolError(
                "rate_limited",
                "You send too much, on this connection or all of yours: wait, then send it again. "
                "What you sent after it may be taken before it.",
                retry=True,
                retry_after=math.ceil(wait * 1000) / 1000,
                remaining=budget.remaining,
                reset=budget.reset,
            )
            codec = JSON if isinstance(data, str) else connection.codec
            if isinstance(data, bytes) and data[:1] == bytes((binary_messages.ATTACHED,)):
                with contextlib.suppress(ProtocolError):
                    data, _ = binary_messages.decode_attached(data)
            connection.error(refused, reply_to=codec.salvage_id(data))
        return False

    async def handle(
        self,
        connection: Connection,
        envelope: Envelope,
        codec: Codec,
        attached: bytes | None = None,
    ) -> None:
        """Call the handler of a message. If it fails, answer with an error.

        Args:
            connection: the client's connection.
            envelope: the message.
            codec: the codec of the message's payload.
            attached: bytes that followed the envelope. They become the payload's ``data``.
        """
        began = time.perf_counter()
        try:
            await self._dispatch(connection, envelope, codec, attached)
            handled = self.handling.recorder(envelope.type)
            handled.steps[int((time.perf_counter() - began) * 1e6)] += 1
        except ProtocolError as error:
            connection.error(error, reply_to=envelope.id)
        except Exception:
            logger.exception("the handler of %r failed", envelope.type)
            failed = ProtocolError(
                "internal",
                "The server failed to handle this message. The error was logged.",
                retry=True,
            )
            connection.error(failed, reply_to=envelope.id)
        if connection.hooks is not None:
            # The client's next message waits for the hooks, so a slow hook's queue stays short.
            await connection.hooks.idle()

    async def _undecodable(
        self, connection: Connection, codec: Codec, data: str | bytes, error: ProtocolError
    ) -> None:
        """Handle a message that could not be decoded.

        If it is a batch with a broken message, handle its other messages. Otherwise answer with the
        error.
        """
        salvaged = codec.salvage(data)
        if salvaged.messages:
            await self._take_each(connection, salvaged.messages, codec)
        else:
            connection.error(error, reply_to=salvaged.id)

    async def _batch(
        self, connection: Connection, payload: BatchIn, _: Envelope, codec: Codec
    ) -> None:
        """Handle a ``batch`` message."""
        await self._take_each(connection, payload.messages, codec)

    async def _take_each(
        self, connection: Connection, messages: list[msgspec.Raw], codec: Codec
    ) -> None:
        """Handle each message of a batch."""
        for number, raw in enumerate(messages):
            if connection.peer.closing:
                return
            # The rate limit has already counted the batch itself, so the first message in it is
            # not counted.
            if number and not self.admit(connection, raw):
                continue
            try:
                inner = codec.decode(raw)
            except ProtocolError as error:
                connection.error(error, reply_to=codec.salvage(raw).id)
                continue
            if inner.type == "batch":
                nested = ProtocolError("invalid_message", "A batch must not hold another batch.")
                connection.error(nested, reply_to=inner.id)
            else:
                await self.handle(connection, inner, codec)

    async def _dispatch(
        self, connection: Connection, envelope: Envelope, codec: Codec, attached: bytes | None
    ) -> None:
        """Decode the payload, call the checks, then the handler of the message type.

        Raises:
            ProtocolError: the message is malformed, refused or of an unknown type.
        """
        kind = envelope.type
        if kind not in HEARTBEATS:
            connection.active = connection.heard
        known = self._handlers.get(kind)
        if known is not None:
            payload: Any = codec.payload(envelope.payload, known[0], of=kind)
            if attached is not None:
                payload = _with_data(attached, payload, kind)
            if kind in self._checks.functions:
                payload = await self._checks.pass_through(connection, kind, payload)
            await known[1](connection, payload, envelope, codec)
            return
        custom = self._custom.get(kind)
        if custom is None:
            raise ProtocolError(
                "unknown_type",
                f"There is no message type {kind[: limits.TYPE_LENGTH]!r} that a client may send.",
            )
        payload = custom.decode(codec, envelope.payload, kind)
        if kind in self._checks.functions:
            payload = await self._checks.pass_through(connection, kind, payload)
        result = await custom.call(connection, payload, kind)
        if result is not None or envelope.ack is True:
            connection.ack(envelope, data=result)


def _with_data(attached: bytes, payload: Any, kind: str) -> Any:
    """Return the payload with the attached bytes as its ``data``.

    Raises:
        ProtocolError: payloads of this type have no ``data``.
    """
    if not issubclass(type(payload), DataIn):
        raise ProtocolError(
            "invalid_message", f"{kind!r} has no data, so no bytes may follow its envelope."
        )
    try:
        return msgspec.structs.replace(payload, data=attached, encoding=None)
    except (TypeError, ValueError) as error:
        raise ProtocolError("invalid_payload", f"The data of {kind!r}: {error}.") from None
