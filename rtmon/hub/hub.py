"""The hub: who is connected, and what reaches whom."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from ..core.backpressure import Policy, checked_policy
from ..errors import OptionError, ProtocolError
from ..metrics.histogram import Recorder
from ..metrics.records import ChannelInfo
from ..protocol import catalog, close
from ..protocol.catalog import Position
from ..protocol.envelope import Message
from ..protocol.values import Name, check_data
from .admission.authentication import Auth, Credentials, User
from .admission.limits import Door
from .admission.permissions import Access, Allow
from .broadcast import Audience
from .broker_events import Exchange
from .brokers.base import Broker, Draft, Note, Receipt, user_key
from .brokers.memory import MemoryBroker
from .callbacks import Callback, Listener
from .channels import checked_channel
from .connection import Session
from .files.store import FileStore
from .files.uploads import Transfers
from .handlers import custom
from .lifecycle import Reception
from .options import CHANGEABLE, HubOptions
from .places import channel_key
from .stats import ChannelStats
from .transports.base import Peer
from .typing_indicator import TypingPlaces

__all__ = ["Hub"]


class Hub:
    """A real-time server without a socket: give it to ``rtmon.serve``.

    Args:
        options: how it behaves; the default options if None.
        auth: says who clients are, such as :class:`rtmon.hub.JWT`; None takes their word.
        allow: decides what a client may do, beside :class:`ChannelOptions`: see
            :mod:`rtmon.hub.admission.permissions`.
        broker: what carries publications; memory if None.
        clock: seconds that only grow.
        wall: Unix seconds, for timestamps.
        changes: fields of :class:`HubOptions` that differ from ``options``:
            ``Hub(history=100)``.

    Attributes:
        audience: who is here, and gets what.
        door: who is let in.
        node: what tells this hub from others that share its broker.

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
        self.options = HubOptions.of(options, changes)
        self.clock = clock
        self.broker = MemoryBroker(clock=clock) if broker is None else broker
        self.audience = Audience(self.options)
        self.wall = wall
        self.door = Door(self, auth)
        self.access = Access(self, allow)
        self.reception = Reception(self)
        self.typing = TypingPlaces(self)
        self.exchange = Exchange(self)
        files = self.options.files
        self.transfers = Transfers(
            self,
            None
            if files is None
            else FileStore(Path(files), size=self.options.file_size, quota=self.options.file_quota),
        )
        self.application: dict[str, custom.Handler] = {}
        self._ids = itertools.count(1)
        self.node = secrets.token_hex(4)
        self._tasks: set[asyncio.Task[None]] = set()
        self.broker.attach(self.audience.deliver, events=self.exchange)

    def __repr__(self) -> str:
        return f"<Hub {self.options.name!r} {len(self.audience.sessions)} connections>"

    # For those who write servers

    async def publish(
        self,
        channel: str,
        data: Any,
        *,
        message_id: str | None = None,
        slow: Policy | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Publish to a channel, as the server.

        Args:
            channel: a name, not a pattern.
            data: what is published; bytes, or anything JSON can hold.
            message_id: a new id if None.
            slow: what is given up for subscribers that read too slowly, if not what the channel
                or the hub has; see :data:`rtmon.core.backpressure.Policy`. With ``block`` this
                waits until all subscribers here have room.
            key: with ``keep_latest``, what of the channel this is the latest of, such as the
                symbol of a price.

        Returns:
            Its position.

        Raises:
            OptionError: the channel or the data is not one that can be published, the policy is
                none, or the key is no string.
            ProtocolError: the broker cannot be reached; publish it again later, with the same
                ``message_id``. It may arrive twice, as servers have no ids of their own.
        """
        try:
            checked_channel(msgspec.convert(channel, Name))
            if not isinstance(data, bytes):
                check_data(data)
            policy = None if slow is None else checked_policy(slow)
            msgspec.convert(key, str | None)
        except (ProtocolError, TypeError, ValueError) as error:
            raise OptionError(f"This cannot be published to {channel!r}: {error}") from None
        place = channel_key(channel)
        waits = self.audience.policy(place, policy) == "block"
        async with self.audience.room(place) if waits else contextlib.nullcontext():
            draft = self.draft(
                "publication", channel=channel, data=data, own_id=message_id, slow=policy, key=key
            )
            return await self.put(place, draft)

    def change(self, **changes: Any) -> None:
        """Change how the hub behaves while it runs, at once and for everybody connected.

        Args:
            changes: fields of :class:`HubOptions`; those that say what becomes of slow
                receivers (``slow``, ``max_waiting…``, ``stalled``), ``channels``, ``history``,
                ``history_age``, ``max_connections``, ``connections_per_address``, ``at_limit``,
                ``auth_timeout``, ``expiry_notice``.

        Raises:
            OptionError: a field cannot be changed while the hub runs, or makes no sense.
        """
        fixed = sorted(set(changes) - CHANGEABLE)
        if fixed:
            raise OptionError(
                f"{fixed[0]!r} cannot be changed while a hub runs; "
                f"what can is {', '.join(sorted(CHANGEABLE))}."
            )
        self.options = self.audience.options = HubOptions.of(self.options, changes)

    def subscribe(self, channel: str, callback: Callback) -> Listener:
        """Have a function, or a coroutine function, called with each publication.

        Args:
            channel: a channel, or a pattern such as ``news.*``.
            callback: what it raises is logged and disturbs nobody.

        Returns:
            The subscription; ``cancel()`` ends it.
        """
        return self.audience.listen(channel, callback)

    def on(self, kind: str) -> Callable[[custom.Function], custom.Function]:
        """Decorate the handler of a message type of your own.

        ``async def handler(session, payload: T)``: the payload is decoded as T, for example a
        ``msgspec.Struct``; what the handler returns, unless None, is the ``data`` of the ``ack``
        that answers; ProtocolError is answered as an error.

        Raises:
            OptionError: the type is one of the protocol's own.
        """

        def decorate(function: custom.Function) -> custom.Function:
            self.application[kind] = custom.handler(kind, function)
            return function

        return decorate

    def notify(
        self, user: str, title: str, text: str = "", *, level: str = "info", data: Any = None
    ) -> int:
        """Tell a user something on all their connections. Returns how many there are here.

        Raises:
            OptionError: the data is not one that every client can be sent.
        """
        try:
            check_data(data)
        except (TypeError, ValueError) as error:
            raise OptionError(f"This cannot be told to {user!r}: {error}") from None
        payload = catalog.Notification(title=title, text=text, level=level, data=data)
        # Here at once, and on other nodes, if there are any.
        note = Note(type="notification", payload=payload, skip=self.node)
        self.broker.tell(user_key(user), note)
        return self.exchange.notify(user, payload)

    def channel_stats(self) -> dict[str, ChannelStats]:
        """Channel → its counters, live.

        Names begin with ``channel:`` or ``room:``; the chat with everybody is ``chat``.
        """
        return self.audience.counted()

    @property
    def fanout(self) -> Recorder:
        """How long each fan-out took, for a Monitor to take."""
        return self.audience.stats.fanout

    def channels(self, limit: int | None = None) -> list[ChannelInfo]:
        """The same counters as :meth:`channel_stats`, as records.

        Args:
            limit: give only so many, those with the most deliveries.
        """
        counted = self.audience.counted(limit)
        return [stats.info(channel) for channel, stats in counted.items()]

    def channel_series(self) -> list[ChannelInfo]:
        """The first channels, and what all others have done together as ``other``.

        Their number is bounded, whatever clients make up, and no counter ever falls.
        """
        self.audience.counted()
        return self.audience.stats.series()

    @property
    def away(self) -> str | None:
        """Why what the hub shares with other nodes cannot be reached; None if all is well."""
        return self.broker.away

    @property
    def health(self) -> tuple[int, str]:
        """An HTTP status and a line for load balancers, which say nothing of the inside."""
        return (200, "ok\n") if self.away is None else (503, "the other nodes are out of reach\n")

    def report_to(self, report: Callable[[str, str], object]) -> None:
        """Have somebody told when other nodes go out of reach and when they are back.

        Args:
            report: called with a few words and a sentence; who is given here first is told no
                more.
        """
        self.exchange.report = report

    async def start(self) -> None:
        """Begin to reach other nodes, if there are any; servers do this."""
        await self.broker.start()

    async def aclose(self) -> None:
        """End all connections with 1001, and what is still going on."""
        for session in self.door:
            session.peer.close(close.GOING_AWAY, "the server stops")
            session.closed()
        await asyncio.gather(*self._tasks)
        self.reception.arrivals.flush()
        self.transfers.close()
        await self.broker.aclose()

    # For transports

    async def open(
        self,
        peer: Peer,
        *,
        name: str | None = None,
        user: str | None = None,
        since: Position | None = None,
        credentials: Credentials | None = None,
        identity: User | None = None,
    ) -> Session:
        """Take a connection from a transport; it is welcomed at once.

        Where the hub asks who somebody is, and that was not shown yet, it waits for the first
        message to say it, and welcomes then.

        Args:
            peer: the connection.
            name: what the client calls itself, if the transport knows.
            user: whose connection it says it is, if the transport knows.
            since: the position in the chat that the client returns with.
            credentials: what the client shows, if the transport knows.
            identity: who it is, if the transport has knocked at :attr:`door` and asked already.

        Raises:
            ProtocolError: it is not let in; :meth:`Door.turn_away` says so to who can be told.
        """
        return await self.reception.open(
            peer, name=name, user=user, since=since, credentials=credentials, identity=identity
        )

    # For handlers

    async def put(self, key: str, draft: Draft, *, sender: str | None = None) -> Receipt:
        """Publish under a key: stored and delivered in one step."""
        if draft.client_id is not None:
            # Nobody speaks before they are told as here.
            self.reception.arrivals.introduce(key, draft.client_id)
        size, age = self.keep(key)
        return await self.broker.publish(key, draft, size=size, age=age, sender=sender)

    def keep(self, key: str) -> tuple[int, float]:
        """How many publications of a place are kept, and for how many seconds."""
        rule = self.audience.rule(key)
        size = None if rule is None else rule.history
        age = None if rule is None else rule.history_age
        return (
            self.options.history if size is None else size,
            self.options.history_age if age is None else age,
        )

    def draft(
        self,
        kind: str,
        *,
        own_id: str | None = None,
        session: Session | None = None,
        **fields: Any,
    ) -> Draft:
        """Something to publish; by the server, or by a client."""
        return Draft(
            type=kind,
            id=own_id or self.new_id(),
            timestamp=self.milliseconds(),
            client_id=None if session is None else session.id,
            name=None if session is None else session.name,
            **fields,
        )

    def milliseconds(self) -> int:
        """The server's time, as messages carry it."""
        return int(self.wall() * 1000)

    def new_id(self) -> str:
        """An id that no other message of this hub has."""
        return f"{self.node}-{next(self._ids):x}"

    def message(self, kind: str, payload: Any, *, reply_to: str | None = None) -> Message:
        """A message of the server, with an id and the time."""
        return Message(
            id=self.new_id(),
            type=kind,
            timestamp=self.milliseconds(),
            payload=payload,
            reply_to=reply_to,
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside; :meth:`aclose` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
