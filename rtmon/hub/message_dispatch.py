"""Inbound messages: rate limit, decoding, the handler, and the answer when it fails."""

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
    """Takes the messages of clients, and calls their handlers.

    Args:
        context: of the hub.
        rates: limits how many messages are accepted.
        uploads: takes binary file chunks.
        handlers: message type → handler, of the protocol; ``batch`` is the dispatcher's own.
        custom: message type → handler, of the application.
        checks: of the program.

    Attributes:
        handling: how long it took for each message that was handled, by its type.
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
        """The message types of the protocol, which an application cannot redefine."""
        return self._handlers.keys()

    async def receive(self, connection: Connection, data: str | bytes) -> None:
        """Take a message from a client. It never raises for what the message contains."""
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
        # Afterwards, so that messages which several requests bring are handled in their order.
        connection.unpaced += size
        if connection.unpaced >= limits.TURN_BYTES:
            await self._rates.pace(connection)

    def admit(self, connection: Connection, data: str | bytes | msgspec.Raw) -> bool:
        """Return whether a client may send a message now; if not, answer or close it."""
        now = connection.heard = self._context.clock()
        wait = self._rates.take(connection, now)
        if not wait:
            return True
        if connection.limiter.flooded:
            connection.peer.close(close.POLICY, "flood: you went on sending far above your rate")
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
        """Call the handler of a message, and answer with an error if it fails.

        Args:
            connection: the client's.
            envelope: the message.
            codec: the codec of its payload.
            attached: bytes beside the envelope, which belong into its payload.
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
                "internal", "The server failed at this; it has been logged.", retry=True
            )
            connection.error(failed, reply_to=envelope.id)
        if connection.hooks is not None:
            # The client's next message waits, so that a slow hook cannot have a long queue.
            await connection.hooks.idle()

    async def _undecodable(
        self, connection: Connection, codec: Codec, data: str | bytes, error: ProtocolError
    ) -> None:
        """Answer what is no message; if one of a batch is to blame, handle the others."""
        salvaged = codec.salvage(data)
        if salvaged.messages:
            await self._take_each(connection, salvaged.messages, codec)
        else:
            connection.error(error, reply_to=salvaged.id)

    async def _batch(
        self, connection: Connection, payload: BatchIn, _: Envelope, codec: Codec
    ) -> None:
        await self._take_each(connection, payload.messages, codec)

    async def _take_each(
        self, connection: Connection, messages: list[msgspec.Raw], codec: Codec
    ) -> None:
        """Handle the messages of a batch."""
        for number, raw in enumerate(messages):
            if connection.peer.closing:
                return
            # The batch itself was counted as its first message.
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
    if not issubclass(type(payload), DataIn):
        raise ProtocolError(
            "invalid_message", f"{kind!r} has no data, so none can stand beside its envelope."
        )
    try:
        return msgspec.structs.replace(payload, data=attached, encoding=None)
    except (TypeError, ValueError) as error:
        raise ProtocolError("invalid_payload", f"The data of {kind!r}: {error}.") from None
