"""The hub's public face."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ..core.backpressure import Policy
from ..core.frame_sharing import FrameGroupFactory
from ..errors import OptionError, ProtocolError
from ..metrics.labels import LabelledDurations
from ..metrics.meter import Meter
from ..metrics.records import ChannelInfo
from ..protocol import close
from ..protocol.catalog import Position
from ..protocol.codecs import Codec
from ..protocol.envelope import Envelope
from .admission.authentication import Auth, Credentials, User
from .admission.permissions import Allow
from .brokers.base import Broker
from .brokers.memory import MemoryBroker
from .callbacks import Callback, CallbackSubscription
from .client import Client
from .connection import Connection
from .context import HubContext
from .handlers.custom import HandlerFunction, custom_handler
from .hook_decorators import HookDecorators
from .options import CHANGEABLE, HubOptions
from .parts import HubParts
from .program_input import AnyClient
from .receipts import PublicationReceipt, Receipt
from .stats import ChannelStats, HubStats
from .transports.base import Peer

__all__ = ["Hub"]


class Hub(HookDecorators):
    """A real-time server without a socket: give it to ``rtmon.serve``.

    Args:
        options: the options; the defaults if None.
        auth: authenticates clients, such as :class:`rtmon.hub.JWT`; None accepts what they claim.
        allow: decides what a client may do, beside :class:`ChannelOptions`: see
            :mod:`rtmon.hub.admission.permissions`.
        broker: carries publications; in memory if None.
        clock: monotonic seconds.
        wall: Unix seconds, for timestamps.
        changes: fields of :class:`HubOptions` that differ from ``options``:
            ``Hub(history=100)``.

    Attributes:
        context: what the parts of the hub share; for transports.
        registry: the connections, their rooms and subscriptions; read it, do not change it.

    Raises:
        OptionError: an option makes no sense.
    """

    def __init__(
        self,
        options: HubOptions | None = None,
        *,
        auth: Auth | None = None,
        allow: Allow | None = None,
        broker: Broker | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        **changes: Any,
    ) -> None:
        self.context = context = HubContext(
            options=HubOptions.of(options, changes),
            broker=MemoryBroker(clock=clock) if broker is None else broker,
            clock=clock,
            wall=wall,
        )
        self._parts = parts = HubParts(context, auth=auth, allow=allow)
        self.registry = parts.registry
        self._dispatcher = parts.dispatcher
        context.broker.attach(parts.broadcast.deliver, events=parts.events)

    def __repr__(self) -> str:
        return f"<Hub {self.options.name!r} {len(self.connections)} connections>"

    # For programs that run a hub

    @property
    def options(self) -> HubOptions:
        """The options; :meth:`change` replaces them."""
        return self.context.options

    @property
    def node(self) -> str:
        """Id of this hub among those that share its broker."""
        return self.context.node

    @property
    def connections(self) -> Mapping[str, Connection]:
        """Client id → connection of each welcomed client, live and read-only."""
        return MappingProxyType(self.registry.connections)

    @property
    def refused(self) -> Mapping[str, int]:
        """Error code → number of refused clients, live and read-only.

        Error codes of an application's own are counted together, as ``other``.
        """
        return MappingProxyType(self._parts.refusals.counts)

    # Clients, rooms, and messages to them: see docs/hub.md

    def clients(self) -> list[Client]:
        """Return the clients of this node, in the order of their welcome."""
        return self._parts.clients.all()

    def client(self, client_id: str) -> Client | None:
        """Return a client of this node; None if there is none with this id."""
        return self._parts.clients.find(client_id)

    async def find(self, client_id: str) -> Client | None:
        """Return a client of any node; None if no node has it.

        Raises:
            ProtocolError: the client's node does not answer (``no_answer``), or the broker cannot
                be reached (``unavailable``).
        """
        return await self._parts.finder.find(client_id)

    def rooms(self) -> list[str]:
        """Return the rooms that have a member on this node."""
        return self.registry.rooms.names()

    def members(self, room: str) -> list[Client]:
        """Return the clients of this node that are in a room, in the order of joining."""
        return self._parts.clients.members(room)

    def stats(self) -> HubStats:
        """Return counts of this node."""
        return self._parts.stats()

    def close_idle(self, seconds: float) -> int:
        """Close the clients of this node that have sent nothing but heartbeats, with 4502.

        Args:
            seconds: for how long at least.

        Returns:
            How many were closed.

        Raises:
            OptionError: this is no number of seconds.
        """
        return self._parts.clients.close_idle(seconds)

    async def broadcast(
        self,
        kind: str,
        payload: Any = None,
        *,
        exclude: AnyClient | Iterable[AnyClient] = (),
    ) -> Receipt:
        """Send a message to all clients that are connected, on all nodes.

        It has no position and is not kept: a client that is away does not get it. While the broker
        cannot be reached, only clients of this node do.

        Args:
            kind: a message type of your own: none of the protocol's, as clients would take it for
                another message. For those see :meth:`say`, :meth:`publish`, :meth:`notify`.
            payload: what JSON can hold, as for :meth:`publish` but not bytes; an empty object if
                None.
            exclude: a client or several, or their ids, that do not get it; up to 1,000.

        Returns:
            How many clients it was sent to; other nodes have a second to say so.

        Raises:
            OptionError: this cannot be sent.
        """
        return await self._parts.messages.to_everybody(kind, payload, exclude=exclude)

    async def send(self, client: AnyClient, kind: str, payload: Any = None) -> Receipt:
        """Send a message to one client, on any node.

        Args:
            client: the client, or its id.
            kind: a message type of your own, as for :meth:`broadcast`.
            payload: as for :meth:`broadcast`.

        Raises:
            OptionError: this cannot be sent.
            ProtocolError: the client is gone (``unknown_client``), its node did not answer within
                five seconds (``no_answer``; it may have got it), or the broker cannot be reached
                (``unavailable``).
        """
        return await self._parts.messages.send(client, kind, payload)

    async def say(
        self,
        room: str | None,
        message: Any,
        *,
        name: str | None = None,
        exclude: AnyClient | Iterable[AnyClient] = (),
    ) -> PublicationReceipt:
        """Say something in a room, as the server; it is kept in the room's history.

        Args:
            room: the room; None for the chat with everybody.
            message: text, or, in a room, other data as for :meth:`publish`.
            name: the sender's name that clients show; the hub's own name if None.
            exclude: a client or several, or their ids, that do not get it now; up to 1,000. One
                that is away and comes back gets it from the history.

        Returns:
            Its position, and how many clients it was sent to; other nodes have a second to say so.

        Raises:
            OptionError: this cannot be said.
            ProtocolError: the broker cannot be reached.
        """
        return await self._parts.messages.say(room, message, name=name, exclude=exclude)

    async def publish(
        self,
        channel: str,
        data: Any,
        *,
        message_id: str | None = None,
        slow: Policy | None = None,
        key: str | None = None,
        total: bool = False,
    ) -> PublicationReceipt:
        """Publish to a channel, as the server.

        Args:
            channel: a name, not a pattern.
            data: bytes, or what JSON can hold: None, bool, str, finite float, int of up to 64 bits,
                and lists and dicts of these, subclasses included; of up to
                :data:`rtmon.protocol.limits.DATA_SIZE` bytes. It is encoded at once, so it
                may be changed and published again.
            message_id: a new id if None.
            slow: policy for slow consumers, if not the channel's or the hub's; see
                :data:`rtmon.core.backpressure.Policy`. With ``block`` this waits until all
                subscribers on this node have room.
            key: with ``keep_latest``, what of the channel this is the latest of, such as the
                symbol of a price.
            total: ask other nodes how many of their clients it was sent to; this waits for up to a
                second.

        Returns:
            Its position, and how many clients it was sent to.

        Raises:
            OptionError: the channel, the data or the id is not one that can be published, the
                policy is none, or the key is no text.
            ProtocolError: the broker cannot be reached; publish it again later, with the same
                ``message_id``. It may arrive twice, as servers have no ids of their own.
        """
        return await self._parts.messages.publish(
            channel, data, message_id=message_id, slow=slow, key=key, total=total
        )

    def change(self, **changes: Any) -> None:
        """Change options while the hub runs, at once and for all connections.

        Args:
            changes: fields of :class:`HubOptions`: those for slow consumers (``slow``,
                ``max_waiting…``, ``stalled``), ``channels``, ``history``, ``history_age``,
                ``max_connections``, ``connections_per_address``, ``at_limit``, ``auth_timeout``,
                ``expiry_notice``, ``idle_timeout``, ``hook_timeout``.

        Raises:
            OptionError: a field cannot be changed while the hub runs, or makes no sense.
        """
        fixed = sorted(set(changes) - CHANGEABLE)
        if fixed:
            raise OptionError(
                f"{fixed[0]!r} cannot be changed while a hub runs; "
                f"what can is {', '.join(sorted(CHANGEABLE))}."
            )
        self.context.options = HubOptions.of(self.options, changes)
        if "idle_timeout" in changes:
            self._parts.expiry.check_all(self.connections.values())

    def subscribe(self, channel: str, callback: Callback) -> CallbackSubscription:
        """Call a function, or a coroutine function, with each publication.

        Args:
            channel: a channel, or a pattern such as ``news.*``.
            callback: what it raises is logged.

        Returns:
            The subscription; ``cancel()`` ends it.
        """
        return self._parts.broadcast.subscribe(channel, callback)

    def on(self, kind: str) -> Callable[[HandlerFunction], HandlerFunction]:
        """Decorate the handler of a message type of your own.

        ``async def handler(session, payload: T)``: the payload is decoded as T, for example a
        ``msgspec.Struct``; what the handler returns, unless None, is the ``data`` of the ``ack``
        that answers; ProtocolError is answered as an error.

        Raises:
            OptionError: the type is one of the protocol's own.
        """

        def decorate(function: HandlerFunction) -> HandlerFunction:
            reserved = self._dispatcher.protocol_types
            self._parts.custom[kind] = custom_handler(kind, function, reserved=reserved)
            return function

        return decorate

    def notify(
        self, user: str, title: str, text: str = "", *, level: str = "info", data: Any = None
    ) -> Receipt:
        """Send a notification to all connections of a user, on all nodes.

        Args:
            user: the user id.
            title: a few words.
            text: the rest; :data:`rtmon.protocol.limits.TEXT_LENGTH` characters with the title.
            level: for the client to show it by, such as ``info`` or ``warning``.
            data: as for :meth:`publish`.

        Returns:
            How many connections it was sent to; ``total`` is None if there are other nodes, which
            are not waited for.

        Raises:
            OptionError: this is not what every client can be sent.
        """
        return self._parts.messages.notify(user, title, text, level=level, data=data)

    def channel_stats(self) -> dict[str, ChannelStats]:
        """Channel → its counters, live.

        Names begin with ``channel:`` or ``room:``; the chat with everybody is ``chat``.
        """
        return self._parts.broadcast.counted()

    @property
    def fanout(self) -> LabelledDurations:
        """Duration of each fan-out by room, for a Monitor."""
        return self._parts.broadcast.stats.fanout

    @property
    def by_type(self) -> list[LabelledDurations]:
        """Durations of handling each message, and of each fan-out, by type, for a Monitor."""
        return [self._parts.dispatcher.handling, self._parts.broadcast.stats.fanout_by_type]

    def channels(self, limit: int | None = None) -> list[ChannelInfo]:
        """Return the same counters as :meth:`channel_stats`, as records.

        Args:
            limit: return only so many, those with the most deliveries.
        """
        counted = self._parts.broadcast.counted(limit)
        return [stats.info(channel) for channel, stats in counted.items()]

    def places_of(self, meter: Meter) -> list[str] | None:
        """Return the channels and rooms that a connection is in, by its meter, for a Monitor.

        None if the connection is not one of this hub's, or has gone. May be called on any thread.
        """
        for connection in list(self.connections.values()):
            if connection.peer.meter is meter:
                return self.registry.places(connection)
        return None

    def members_of(self, place: str) -> list[Meter]:
        """Return the meters of the connections that get what is published to a place.

        May be called on any thread.
        """
        meters = (connection.peer.meter for connection in self.registry.members(place))
        return [meter for meter in meters if meter is not None]

    def channel_series(self) -> list[ChannelInfo]:
        """Return the counters of the first channels, and of all others together as ``other``.

        Their number is bounded, whatever clients subscribe to, and no counter ever falls.
        """
        self._parts.broadcast.counted()
        return self._parts.broadcast.stats.series()

    @property
    def away(self) -> str | None:
        """Why the broker, and so other nodes, cannot be reached; None if it can."""
        return self.context.broker.away

    @property
    def health(self) -> tuple[int, str]:
        """HTTP status and body for load balancers; they reveal nothing of the inside."""
        return (200, "ok\n") if self.away is None else (503, "the other nodes are out of reach\n")

    def report_to(self, report: Callable[[str, str], object]) -> None:
        """Report when other nodes go out of reach and when they are back, and failed hooks.

        Args:
            report: called with a few words and a sentence; it replaces the one given before.
        """
        self._parts.events.report = self._parts.hook_calls.report = report

    async def start(self) -> None:
        """Connect to other nodes, if the broker has any; servers call this."""
        await self.context.broker.start()

    async def aclose(self) -> None:
        """Close all connections with 1001, and finish background work."""
        for connection in list(self._parts.connection_limits.connections):
            connection.peer.close(close.GOING_AWAY, "the server stops")
            self.closed(connection)
        await self.context.tasks.wait()
        await self._parts.hooks.aclose()
        self._parts.join_leave.flush()
        self._parts.uploads.close()
        await self.context.broker.aclose()

    # For transports

    async def open(
        self,
        peer: Peer,
        *,
        name: str | None = None,
        user: str | None = None,
        client_id: str | None = None,
        since: Position | None = None,
        credentials: Credentials | None = None,
        identity: User | None = None,
    ) -> Connection:
        """Take a connection from a transport, and welcome the client.

        If the hub authenticates clients and this one has presented nothing yet, it is welcomed
        after its first message, which must authenticate it.

        Args:
            peer: the transport's side of the connection.
            name: the display name that the client claims, if the transport knows.
            user: the user id that the client claims, if the transport knows.
            client_id: the client id that it asks for; ignored without the option ``client_ids``.
            since: the position in the chat that the client returns with.
            credentials: what the client presents, if the transport knows.
            identity: the user, if :meth:`authenticate` was called before.

        Raises:
            ProtocolError: the client is refused; :meth:`refuse` tells it so.
        """
        return await self._parts.lifecycle.connect(
            peer,
            name=name,
            user=user,
            client_id=client_id,
            since=since,
            credentials=credentials,
            identity=identity,
        )

    def receive(self, connection: Connection, data: str | bytes) -> Coroutine[Any, Any, None]:
        """Take a message from a connection; await it before the next one.

        It never raises for what the message contains.
        """
        return self._dispatcher.receive(connection, data)

    def handle(
        self, connection: Connection, envelope: Envelope, codec: Codec
    ) -> Coroutine[Any, Any, None]:
        """Handle a message that a transport has made itself; the rate limit does not apply."""
        return self._dispatcher.handle(connection, envelope, codec)

    def closed(self, connection: Connection) -> None:
        """Remove a connection that has ended. Idempotent."""
        self._parts.lifecycle.disconnect(connection)

    @property
    def authenticates(self) -> bool:
        """Whether clients must authenticate."""
        return self._parts.authentication.required

    async def authenticate(self, peer: Peer, credentials: Credentials) -> User:
        """Authenticate a client before its connection is opened.

        Raises:
            ProtocolError: the client is refused.
        """
        return await self._parts.lifecycle.authenticate(peer, credentials)

    def refuse(self, peer: Peer, error: ProtocolError) -> int:
        """Send a client the reason of its refusal. Returns the code to close with."""
        return self._parts.refusals.answer(peer, error)

    def share_frames(self, group: FrameGroupFactory) -> None:
        """Frame messages once for all connections of a transport that can share frames.

        Args:
            group: makes groups of ``Peer.connection`` objects.
        """
        self._parts.broadcast.receivers.frame_group = group
