"""One client of a hub, from its welcome to its end."""

from __future__ import annotations

import contextlib
import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ..core.backpressure import Policy, together
from ..core.batching import Batch, Batcher
from ..core.timers import Alarm
from ..errors import ProtocolError
from ..protocol import binary, catalog, close, limits
from ..protocol.catalog import HEARTBEATS
from ..protocol.codecs import JSON, Codec
from ..protocol.envelope import Envelope
from ..protocol.payload import DataIn
from .admission.expiry import Stay
from .admission.flood import Limiter
from .encoding import fitting, size_of
from .handlers import HANDLERS
from .heartbeat import Heartbeat

if TYPE_CHECKING:
    from .admission.authentication import User
    from .brokers.base import Receipt
    from .hub import Hub
    from .transports.base import Peer, Settled

__all__ = ["Session"]

logger = logging.getLogger("rtmon.hub")

_Collected: TypeAlias = "tuple[str | bytes, Policy, Settled | None]"


class Session:
    """What the hub knows about one connection.

    Attributes:
        id: the client's id, for as long as this connection lives.
        identity: who the client is, where the hub asks; None if it does not.
        name: what the client calls itself: its word, not to be trusted; with an identity, what
            that one is shown as.
        user: whose connection it says it is; None if it did not say. With an identity, its id.
        info: the client's own words about itself, shown to others.
        secret: whoever presents it in ``connect`` is the same :attr:`sender` as before.
        position: of the chat, when this connection was opened.
        peer: the connection.
        open: until the connection has ended.
        here: once it is welcomed.
        first: takes the first message of a client that has not said yet who it is.
        deadline: until when that must have come.
        address: the network that it comes from; None if that is not known.
        active: when it last said something, by the hub's clock; heartbeats do not count.
    """

    # What few have stands here until they have it: thousands do nothing but stay.
    identity: User | None = None
    first: Callable[[str | bytes], Awaitable[None]] | None = None
    deadline: Alarm | None = None
    address: str | None = None
    here = False
    _stay: Stay | None = None

    def __init__(self, hub: Hub, peer: Peer) -> None:
        self.hub = hub
        self.peer = peer
        self.id = secrets.token_hex(8)
        self.secret = secrets.token_urlsafe(18)
        self.name = f"guest-{self.id[:4]}"
        self.user: str | None = None
        self.info: Any = None
        self.position = ("", 0)
        self.open = True
        self.active = self._heard = hub.clock()
        self._limiter = Limiter(rate=hub.options.rate, burst=hub.options.burst, now=self.active)
        self._batcher: Batcher[_Collected] | None = None
        # What few clients ask for is made when they do: thousands do nothing but stay.
        self._heartbeat: Heartbeat | None = None
        self._alarm: Alarm | None = None

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.name!r} {self.peer.transport}>"

    @property
    def codec(self) -> Codec:
        """What the connection speaks."""
        return self.peer.codec

    @property
    def member(self) -> catalog.Member:
        """The client as others see it."""
        return catalog.Member(client_id=self.id, name=self.name, user=self.user, info=self.info)

    @property
    def batching(self) -> bool:
        """Whether the client gets its messages in batches of its own."""
        return self._batcher is not None

    @property
    def heartbeat(self) -> Heartbeat:
        """The ``ping`` messages that the client asked for."""
        if self._heartbeat is None:
            self._heartbeat = Heartbeat(self)
        return self._heartbeat

    @property
    def sender(self) -> str:
        """Whose messages these are, when ids are compared.

        Where it is known who somebody is, their secret says nothing of anybody else.
        """
        known = self.identity
        return self.secret if known is None else f"{len(known.id)}:{known.id}:{self.secret}"

    @property
    def stay(self) -> Stay:
        """How long it may stay."""
        if self._stay is None:
            self._stay = Stay(self)
        return self._stay

    # Out

    def put(
        self,
        data: str | bytes,
        *,
        policy: Policy = "disconnect",
        key: Hashable = None,
        settled: Settled | None = None,
    ) -> bool | None:
        """Hand an encoded message to the connection: see :meth:`Peer.send`.

        Args:
            data: the message.
            policy: what is given up if the client reads too slowly.
            key: what the message is the latest of, where only that is kept.
            settled: what to call later, if it is not certain yet what becomes of the message.
        """
        if self._batcher is None:
            return self.peer.send(data, policy=policy, key=key, settled=settled)
        full = self._batcher.add((data, policy, settled), now=0.0)
        taken = self.open
        if full:
            taken = self._send_batch(full)
        else:
            if self._alarm is None:
                self._alarm = Alarm(self.flush)
            self._alarm.set(self._batcher.delay)
        return taken if settled is None else None

    def send(
        self, kind: str, payload: Any, *, reply_to: str | None = None, at_once: bool = False
    ) -> bool:
        """Send a message to this client; False if the connection did not take it.

        Args:
            kind: the message type.
            payload: as the catalog has it.
            reply_to: the id of the message that this one answers.
            at_once: do not keep it for a batch.
        """
        data = self.codec.encode(self.hub.message(kind, payload, reply_to=reply_to))
        return (self.peer.send(data) if at_once else self.put(data)) is not False

    def ack(self, envelope: Envelope, **fields: Any) -> None:
        """Tell the client that what it asked for is done."""
        self.send("ack", catalog.Ack(**fields), reply_to=envelope.id)

    def published(self, envelope: Envelope, receipt: Receipt) -> None:
        """Tell the client where what it published has its place."""
        self.ack(
            envelope,
            epoch=receipt.epoch,
            offset=receipt.offset,
            duplicate=receipt.duplicate or None,
        )

    def error(self, error: ProtocolError, *, reply_to: str | None = None) -> None:
        """Tell the client that something it sent was not done."""
        self.peer.errored()
        payload = catalog.Error(
            code=error.code,
            message=error.message,
            retry=error.retry,
            retry_after=error.retry_after,
        )
        self.send("error", payload, reply_to=reply_to)

    def batch(self, batching: Batch | None) -> None:
        """Collect what is sent from now on into batches, or no longer."""
        self.flush()
        self._batcher = (
            None if batching is None else Batcher(size=batching.size, delay=batching.delay)
        )
        self.hub.audience.regroup(self)

    def flush(self) -> None:
        """Send what is collected."""
        if self._batcher is not None:
            collected = self._batcher.take()
            if collected:
                self._send_batch(collected)

    def _send_batch(self, collected: list[_Collected]) -> bool:
        taken: bool | None = True
        for group in fitting([(each, size_of(each[0])) for each in collected]):
            data, policy = group[0][0], together([policy for _, policy, _ in group])
            if len(group) > 1:
                payload = catalog.Batch(messages=[self.codec.raw(data) for data, *_ in group])
                data = self.codec.encode(self.hub.message("batch", payload))
            settled = partial(_settle, group)
            taken = self.peer.send(data, policy=policy, settled=settled)
            if taken is not None:
                settled(taken)
        return taken is not False

    # In

    async def receive(self, data: str | bytes) -> None:
        """Take a message from the connection. Never raises for what the message says."""
        if self.first is not None:
            await self.first(data)
            return
        if not self.admit(data):
            return
        codec = JSON if isinstance(data, str) else self.codec
        attached: bytes | None = None
        try:
            if isinstance(data, bytes) and data[:1] == bytes((binary.CHUNK,)):
                self.active = self._heard
                await self.hub.transfers.chunk(self, *binary.decode_chunk(data))
                return
            if isinstance(data, bytes) and data[:1] == bytes((binary.ATTACHED,)):
                data, attached = binary.decode_attached(data)
            envelope = codec.decode(data)
        except ProtocolError as error:
            self.error(error, reply_to=codec.salvage_id(data))
        else:
            await self.handle(envelope, codec, attached)

    def admit(self, data: str | bytes | msgspec.Raw) -> bool:
        """Whether the client may send a message now; if not, it is told, or closed."""
        now = self.hub.clock()
        self._heard = now
        door = self.hub.door
        wait = self._limiter.take(now, door.buckets(self, now) if door.shares else ())
        if not wait:
            return True
        if self._limiter.flooded:
            self.peer.close(close.POLICY, "flood: you went on sending far above your rate")
        else:
            refused = ProtocolError(
                "rate_limited",
                "You send too much, on this connection or all of yours: wait, then send it again.",
                retry=True,
                retry_after=math.ceil(wait * 1000) / 1000,
            )
            codec = JSON if isinstance(data, str) else self.codec
            if isinstance(data, bytes) and data[:1] == bytes((binary.ATTACHED,)):
                with contextlib.suppress(ProtocolError):
                    data, _ = binary.decode_attached(data)
            self.error(refused, reply_to=codec.salvage_id(data))
        return False

    def refund(self) -> None:
        """The message being handled does not count against the client's rate."""
        self._limiter.refund()
        if self.hub.door.shares:
            for bucket in self.hub.door.buckets(self, self._heard):
                bucket.put_back()

    async def handle(self, envelope: Envelope, codec: Codec, attached: bytes | None = None) -> None:
        """Do what a message asks for, and answer.

        Args:
            envelope: the message.
            codec: what its payload is encoded in.
            attached: bytes that came beside the envelope, and belong into its payload.
        """
        try:
            await self._dispatch(envelope, codec, attached)
        except ProtocolError as error:
            self.error(error, reply_to=envelope.id)
        except Exception:
            logger.exception("the handler of %r failed", envelope.type)
            failed = ProtocolError(
                "internal", "The server failed at this; it has been logged.", retry=True
            )
            self.error(failed, reply_to=envelope.id)

    async def _dispatch(self, envelope: Envelope, codec: Codec, attached: bytes | None) -> None:
        kind = envelope.type
        if kind not in HEARTBEATS:
            self.active = self._heard
        known = HANDLERS.get(kind)
        if known is not None:
            payload: Any = codec.payload(envelope.payload, known[0], of=kind)
            if attached is not None:
                payload = _with(attached, payload, kind)
            await known[1](self, payload, envelope, codec)
            return
        added = self.hub.application.get(kind)
        if added is None:
            raise ProtocolError(
                "unknown_type",
                f"There is no message type {kind[: limits.TYPE_LENGTH]!r} that a client may send.",
            )
        result = await added.function(self, added.decode(codec, envelope.payload, kind))
        if result is not None:
            self.ack(envelope, data=result)

    def closed(self) -> None:
        """The connection has ended; the transport calls this once."""
        if self.open:
            self.open = False
            self.first = None
            if self.deadline is not None:
                self.deadline.cancel()
            if self._stay is not None:
                self._stay.end()
            self.hub.door.go(self)
            if self._batcher is not None:
                _settle(self._batcher.take(), handed=False)
            if self._alarm is not None:
                self._alarm.cancel()
            if self._heartbeat is not None:
                self._heartbeat.stop()
            if self.here:
                self.hub.audience.forget(self)
                self.hub.reception.forget(self)


def _settle(collected: list[_Collected], handed: bool) -> None:  # noqa: FBT001 - a callback
    for _, _, settled in collected:
        if settled is not None:
            settled(handed)


def _with(attached: bytes, payload: Any, kind: str) -> Any:
    if not issubclass(type(payload), DataIn):
        raise ProtocolError(
            "invalid_message", f"{kind!r} has no data, so none can stand beside its envelope."
        )
    return msgspec.structs.replace(payload, data=attached, encoding=None)
