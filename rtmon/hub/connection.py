"""One client's connection to a hub: its identity, its state, and sending to the client."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core.backpressure import Policy, together
from ..core.batch_buffer import Batch
from ..core.batcher import Batcher
from ..core.reusable_timer import Timer
from ..core.token_bucket import Bucket
from ..errors import ProtocolError
from ..protocol import catalog
from ..protocol.codecs import Codec
from ..protocol.envelope import Envelope
from .admission.connection_rate_limit import ConnectionRate
from .outgoing_messages import fitting, size_of
from .ping_sender import PingSender

if TYPE_CHECKING:
    from .admission.authentication import User
    from .brokers.base import PublishResult
    from .hook_queue import HookQueue
    from .hub_context import HubContext
    from .transports.base import Peer, Settled

__all__ = ["BeforeWelcome", "Connection"]

_Collected: TypeAlias = "tuple[str | bytes, Policy, Settled | None]"


@dataclass(slots=True)
class BeforeWelcome:
    """Messages and rooms of a client that wait until ``on_connect`` has returned.

    The hub sends the messages and joins the rooms after it has welcomed the client.

    Attributes:
        messages: encoded messages that the application has sent to the client.
        rooms: dict whose keys are the rooms that the application has added the client to. The
            values are always None.
    """

    messages: list[str | bytes] = field(default_factory=list)
    rooms: dict[str, None] = field(default_factory=dict)


class Connection:
    """One client's connection: its identity, its state and its output.

    Attributes:
        id: the client id, the same as long as the connection lasts.
        identity: the authenticated user; None if the hub does not authenticate clients.
        name: the display name: the client's own claim, or the name of ``identity``.
        user: the user id: the client's own claim, or the id of ``identity``; None if neither.
        info: the client's description of itself, shown to other clients.
        secret: a client that sends this in a later ``connect`` counts as the same :attr:`sender`.
        position: epoch and offset of the chat at the time of the welcome.
        peer: the transport's side of the connection.
        limiter: rate limit of the client's messages.
        unpaced: bytes received to which the byte rate limit has not been applied yet.
        byte_bucket: token bucket of the byte rate limit; None until the client has sent many bytes.
        open: False once the connection has ended.
        admitted: True once the application's ``on_connect`` hooks have accepted the client.
        hooks: queue of calls of the application's hooks for this client; None before the first
            call.
        held: messages and rooms that wait for the welcome, while ``on_connect`` runs; else None.
        welcomed: True once the client was sent its ``welcome``.
        intercept: receives the client's messages instead of the dispatcher, until the client is
            authenticated; else None.
        auth_deadline: timer that closes the connection if the client does not authenticate in time.
        wanted_id: the client id that the client asks for; None if it asks for none.
        address: the client's IPv4 address or IPv6 /64 network, the key of limits; None if unknown.
        heard: time of the last received message, by the hub's clock.
        active: time of the last received message other than a heartbeat, by the hub's clock.
        since: time when the client connected, in Unix seconds.
    """

    # A default value on the class takes no memory in each of thousands of connections.
    identity: User | None = None
    intercept: Callable[[str | bytes], Awaitable[None]] | None = None
    auth_deadline: Timer | None = None
    address: str | None = None
    wanted_id: str | None = None
    welcomed = False
    admitted = False
    hooks: HookQueue | None = None
    held: BeforeWelcome | None = None
    unpaced = 0
    byte_bucket: Bucket | None = None
    # The PingSender is created at first use, which saves memory.
    _heartbeat: PingSender | None = None
    _batcher: Batcher[_Collected] | None = None

    def __init__(self, context: HubContext, peer: Peer) -> None:
        self._context = context
        self.peer = peer
        self.id = secrets.token_hex(8)
        self.secret = secrets.token_urlsafe(18)
        self.name = f"guest-{self.id[:4]}"
        self.user: str | None = None
        self.info: Any = None
        self.position = ("", 0)
        self.open = True
        self.since = context.wall()
        options = context.options
        self.active = self.heard = context.clock()
        self.limiter = ConnectionRate(rate=options.rate, burst=options.burst, now=self.heard)

    def __repr__(self) -> str:
        return f"<Connection {self.id} {self.name!r} {self.peer.transport}>"

    @property
    def codec(self) -> Codec:
        """The codec of the client's messages."""
        return self.peer.codec

    @property
    def member(self) -> catalog.Member:
        """The client as other clients see it."""
        return catalog.Member(client_id=self.id, name=self.name, user=self.user, info=self.info)

    @property
    def batching(self) -> bool:
        """True if the client asked for batches."""
        return self._batcher is not None

    @property
    def heartbeat(self) -> PingSender:
        """The sender of ``ping`` messages to this client, created at first use."""
        if self._heartbeat is None:
            self._heartbeat = PingSender(self._context, self.peer)
        return self._heartbeat

    @property
    def sender(self) -> str:
        """Sender key for deduplication: the client's secret, with the user id as prefix if known.

        With the prefix, a user who sends another user's secret does not become the same sender.
        """
        known = self.identity
        return self.secret if known is None else f"{len(known.id)}:{known.id}:{self.secret}"

    def send_encoded(
        self,
        data: str | bytes,
        *,
        policy: Policy = "disconnect",
        key: Hashable = None,
        settled: Settled | None = None,
    ) -> bool | None:
        """Send an encoded message, or add it to a batch if the client asked for batches.

        Args:
            data: the encoded message.
            policy: what to drop if the client reads too slowly.
            key: for the policy ``keep_latest``: a later message with the same key replaces this
                one.
            settled: for a message that has to wait: called with True when the message is handed to
                the transport, or with False when the message is dropped.

        Returns:
            The result of :meth:`rtmon.hub.transports.base.Peer.send`.
        """
        if self.held is not None:
            self.held.messages.append(data)
            return True
        if self._batcher is None:
            return self.peer.send(data, policy=policy, key=key, settled=settled)
        taken: bool | None = self._batcher.add((data, policy, settled))
        if settled is not None:
            return None
        return self.open if taken is None else taken

    def send(
        self, kind: str, payload: Any, *, reply_to: str | None = None, at_once: bool = False
    ) -> bool:
        """Send a message to the client.

        Args:
            kind: the message type.
            payload: the payload struct of that type.
            reply_to: id of the client's message that this message answers.
            at_once: True to send the message outside batches.

        Returns:
            False if the connection did not accept the message.
        """
        data = self.codec.encode(self._context.messages.message(kind, payload, reply_to=reply_to))
        return (self.peer.send(data) if at_once else self.send_encoded(data)) is not False

    def welcome(self, payload: catalog.Welcome, *, reply_to: str | None = None) -> None:
        """Send the welcome, then the messages that the application sent during ``on_connect``."""
        held, self.held = self.held, None
        self.send("welcome", payload, reply_to=reply_to)
        for data in () if held is None else held.messages:
            self.send_encoded(data)

    def ack(self, envelope: Envelope, **fields: Any) -> None:
        """Acknowledge a message of the client.

        Args:
            envelope: the client's message.
            fields: fields of :class:`~rtmon.protocol.catalog.Ack`.
        """
        self.send("ack", catalog.Ack(**fields), reply_to=envelope.id)

    def published(self, envelope: Envelope, receipt: PublishResult) -> None:
        """Acknowledge a publication of the client, with its position."""
        self.ack(
            envelope,
            epoch=receipt.epoch,
            offset=receipt.offset,
            duplicate=receipt.duplicate or None,
        )

    def error(self, error: ProtocolError, *, reply_to: str | None = None) -> None:
        """Answer a message of the client with an error."""
        self.peer.errored()
        self.send_encoded(self.codec.encode(self._context.messages.error(error, reply_to=reply_to)))

    def batch(self, batching: Batch | None) -> None:
        """From now on, send messages in batches with these options, or one by one if None."""
        self.flush()
        self._batcher = (
            None
            if batching is None
            else Batcher(self._send_batch, size=batching.size, delay=batching.delay)
        )

    def flush(self) -> None:
        """Send the messages that are collected for a batch."""
        if self._batcher is not None:
            self._batcher.flush()

    def end(self) -> None:
        """Mark the connection as ended: stop its timers, drop messages collected for a batch."""
        self.open = False
        self.intercept = None
        if self.auth_deadline is not None:
            self.auth_deadline.cancel()
        if self._batcher is not None:
            _settle(self._batcher.take(), handed=False)
        if self._heartbeat is not None:
            self._heartbeat.stop()

    def _send_batch(self, collected: list[_Collected]) -> bool:
        """Send collected messages as one or more batches. Returns False if one was not accepted."""
        taken: bool | None = True
        for group in fitting([(each, size_of(each[0])) for each in collected]):
            data, policy = group[0][0], together([policy for _, policy, _ in group])
            if len(group) > 1:
                payload = catalog.Batch(messages=[self.codec.raw(data) for data, *_ in group])
                data = self.codec.encode(self._context.messages.message("batch", payload))
            settled = partial(_settle, group)
            taken = self.peer.send(data, policy=policy, settled=settled)
            if taken is not None:
                settled(taken)
        return taken is not False


def _settle(collected: list[_Collected], handed: bool) -> None:  # noqa: FBT001 - a callback
    """Call each collected message's ``settled`` callback with ``handed``."""
    for _, _, settled in collected:
        if settled is not None:
            settled(handed)
