"""One client of a hub: its identity, its state, and what it is sent."""

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
from .admission.connection_rate import ConnectionRate
from .encoding import fitting, size_of
from .heartbeat import Heartbeat

if TYPE_CHECKING:
    from .admission.authentication import User
    from .brokers.base import Receipt
    from .context import HubContext
    from .hook_queue import HookQueue
    from .transports.base import Peer, Settled

__all__ = ["BeforeWelcome", "Connection"]

_Collected: TypeAlias = "tuple[str | bytes, Policy, Settled | None]"


@dataclass(slots=True)
class BeforeWelcome:
    """What the program does with a client in on_connect, which is done after its welcome.

    Attributes:
        messages: encoded.
        rooms: the rooms that it joins; the values mean nothing.
    """

    messages: list[str | bytes] = field(default_factory=list)
    rooms: dict[str, None] = field(default_factory=dict)


class Connection:
    """One client's connection: its identity, its state and its output.

    Attributes:
        id: the client's id, for as long as this connection lives.
        identity: the authenticated user; None if the hub does not authenticate.
        name: the display name: the client's own claim, or the identity's name.
        user: the user id: the client's own claim, None if it made none, or the identity's id.
        info: the client's description of itself, shown to others.
        secret: a client that presents it in ``connect`` is the same :attr:`sender` as before.
        position: of the chat, when this connection was welcomed.
        peer: the transport's side of the connection.
        limiter: rate limit of this connection's messages.
        unpaced: bytes of its messages that its byte rate has not been applied to yet.
        byte_bucket: of its byte rate; None until it has sent much.
        open: False once the connection has ended.
        admitted: True once the program's hooks have let the client in.
        hooks: calls the program's hooks for this client; None until the first is called.
        held: what waits for the welcome, while on_connect runs; else None.
        welcomed: True once the client was sent its welcome.
        intercept: takes messages in place of the dispatcher until the client is authenticated.
        auth_deadline: closes the connection unless it is canceled.
        wanted_id: the id that the client asks for; None if it asks for none.
        address: the network that the client connects from; None if unknown.
        heard: when a message last arrived, by the hub's clock.
        active: when a message other than a heartbeat last arrived.
        since: when the client connected, Unix seconds.
    """

    # Defaults on the class cost no memory in the thousands of connections that never change them.
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
    # Made when first used, for the same reason.
    _heartbeat: Heartbeat | None = None
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
        """Whether the client asked for its messages in batches."""
        return self._batcher is not None

    @property
    def heartbeat(self) -> Heartbeat:
        """The ``ping`` messages that the client asked for."""
        if self._heartbeat is None:
            self._heartbeat = Heartbeat(self._context, self.peer)
        return self._heartbeat

    @property
    def sender(self) -> str:
        """Sender key for deduplication: the client's secret, within the user if authenticated.

        A user that presents another user's secret does not become the same sender.
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
        """Send an encoded message, in a batch if the client asked for batches.

        Args:
            data: the message.
            policy: what is dropped if the client reads too slowly.
            key: what the message is the latest of, for the policy ``keep_latest``.
            settled: called later, if the message has to wait.

        Returns:
            As :meth:`rtmon.hub.transports.base.Peer.send`.
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
            payload: of that type.
            reply_to: the id of the message that this one answers.
            at_once: do not collect it for a batch.

        Returns:
            False if the connection did not take it.
        """
        data = self.codec.encode(self._context.messages.message(kind, payload, reply_to=reply_to))
        return (self.peer.send(data) if at_once else self.send_encoded(data)) is not False

    def welcome(self, payload: catalog.Welcome, *, reply_to: str | None = None) -> None:
        """Send the welcome, then what the program has sent the client before."""
        held, self.held = self.held, None
        self.send("welcome", payload, reply_to=reply_to)
        for data in () if held is None else held.messages:
            self.send_encoded(data)

    def ack(self, envelope: Envelope, **fields: Any) -> None:
        """Acknowledge a message of the client."""
        self.send("ack", catalog.Ack(**fields), reply_to=envelope.id)

    def published(self, envelope: Envelope, receipt: Receipt) -> None:
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
        """Send later messages in batches of this kind, or one by one if None."""
        self.flush()
        self._batcher = (
            None
            if batching is None
            else Batcher(self._send_batch, size=batching.size, delay=batching.delay)
        )

    def flush(self) -> None:
        """Send the messages collected for a batch."""
        if self._batcher is not None:
            self._batcher.flush()

    def end(self) -> None:
        """Mark the connection as ended: stop its timers, drop what is collected for a batch."""
        self.open = False
        self.intercept = None
        if self.auth_deadline is not None:
            self.auth_deadline.cancel()
        if self._batcher is not None:
            _settle(self._batcher.take(), handed=False)
        if self._heartbeat is not None:
            self._heartbeat.stop()

    def _send_batch(self, collected: list[_Collected]) -> bool:
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
    for _, _, settled in collected:
        if settled is not None:
            settled(handed)
