"""The life cycle of a connection: authentication, welcome and disconnect of a client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from ..core.ip_addresses import network
from ..core.reusable_timer import Timer
from ..errors import ProtocolError
from ..protocol import close
from ..protocol.catalog import Connect, Position
from ..protocol.codecs import JSON
from ..protocol.field_types import checked_name, explain
from .admission.authentication import Authentication, Credentials, User
from .admission.client_ids import ClientIds
from .admission.connection_expiry import Expiry
from .admission.refusals import Refusals
from .admission.user_and_address_limits import ConnectionLimits, RateLimits
from .broadcast import Broadcast
from .brokers.base import Recovery
from .connect_message import ConnectMessages
from .connection import Connection
from .connection_registry import ConnectionRegistry
from .files.uploads import Uploads
from .history_recovery import HistoryReplay
from .hooks import Hooks
from .hub_context import HubContext
from .join_leave_announcements import JoinLeaveAnnouncements
from .presence import PresenceRecorder
from .room_channel_keys import CHAT, room_key
from .room_membership import RoomMembership
from .transports.base import Peer
from .typing_indicator import TypingIndicators

__all__ = ["ConnectionLifecycle"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConnectionLifecycle:
    """Connects and disconnects clients, and updates all parts of the hub that track connections.

    Attributes:
        context: the hub's shared context.
        registry: the welcomed connections.
        broadcast: delivers publications to connections.
        replay: sends missed chat messages to returning clients.
        presence: records clients and their rooms at the broker.
        join_leave: announces joins and leaves.
        typing: ends the typing indicators of ended connections.
        uploads: stops the downloads of ended connections.
        authentication: authenticates clients.
        connection_limits: limits the number of connections.
        rate_limits: limits how often an address connects.
        refusals: counts and answers refused clients.
        expiry: closes connections whose token has expired or that are idle.
        client_ids: assigns the client ids that clients ask for.
        introductions: processes the first ``connect``, and builds the welcome.
        hooks: calls the application's hooks.
        membership: adds clients to the rooms that ``on_connect`` chose.
    """

    context: HubContext
    registry: ConnectionRegistry
    broadcast: Broadcast
    replay: HistoryReplay
    presence: PresenceRecorder
    join_leave: JoinLeaveAnnouncements
    typing: TypingIndicators
    uploads: Uploads
    authentication: Authentication
    connection_limits: ConnectionLimits
    rate_limits: RateLimits
    refusals: Refusals
    expiry: Expiry
    introductions: ConnectMessages
    client_ids: ClientIds
    hooks: Hooks
    membership: RoomMembership

    async def authenticate(self, peer: Peer, credentials: Credentials) -> User:
        """Authenticate a client before its connection exists; see :meth:`connect`.

        Args:
            peer: the transport's side of the connection.
            credentials: what the client has sent to authenticate itself.

        Raises:
            ProtocolError: the client is refused. The refusal is counted.
        """
        try:
            self.rate_limits.check_address(peer.remote)
            with self.connection_limits.reserve():
                return await self.authentication.identify(credentials)
        except ProtocolError as error:
            self.refusals.count(peer, error)
            raise

    async def connect(
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
        """Accept a connection from a transport; see :meth:`rtmon.hub.Hub.open`."""
        connection = Connection(self.context, peer)
        connection.wanted_id = client_id
        try:
            if identity is None:
                self.rate_limits.check_address(peer.remote)
            connection.address = network(peer.remote)
            self.connection_limits.add(connection)
            if not self.authentication.required:
                await self._welcome(connection, since, name=name, user=user)
                return connection
            shown = credentials or Credentials(address=peer.remote, transport=peer.transport)
            try:
                known = identity or await self.authentication.identify(shown)
            except ProtocolError as error:
                waits = error.code == "unauthorized" and shown.token is None
                if not (waits and peer.authenticates_later):
                    raise
                self._await_token(connection, since, shown)
            else:
                _check_wanted(connection)
                await self._welcome(connection, since, known)
        except BaseException as error:
            self.disconnect(connection)
            if isinstance(error, ProtocolError) and not peer.closing:
                self.refusals.count(peer, error)
            raise
        return connection

    def disconnect(self, connection: Connection) -> None:
        """Remove an ended connection from all parts of the hub. May be called twice."""
        if not connection.open:
            return
        connection.end()
        self.expiry.stop(connection)
        self.connection_limits.remove(connection)
        if not connection.welcomed:
            if connection.admitted:
                self.hooks.disconnected(connection, ())
            return
        self.broadcast.receivers.forget(connection)
        places = self.registry.places(connection)
        del self.registry.connections[connection.id]
        self.typing.drop(connection)
        self.uploads.drop(connection)
        rooms = self.registry.rooms.leave_all(connection)
        for room in rooms:
            self.join_leave.add(room_key(room), "left", connection.id, connection.member)
        self.registry.subscriptions.drop(connection)
        self.registry.users.leave_all(connection.id)
        self.join_leave.add(CHAT, "left", connection.id, connection.member)
        for place in places:
            self.broadcast.changed(place)
        self.context.tasks.spawn(self.presence.leave(connection, places))
        self.hooks.disconnected(connection, rooms)

    def _await_token(
        self, connection: Connection, since: Position | None, shown: Credentials
    ) -> None:
        """Wait for the client's first message, which must be ``connect`` with a token."""
        timeout, peer = self.context.options.auth_timeout, connection.peer

        def too_late() -> None:
            connection.intercept = _ignore
            words = f"You showed no token within {timeout:g} s. {shown.advice}"
            code = self.refusals.answer(peer, ProtocolError("unauthorized", words))
            reason = f"you showed no token within {timeout:g} s" + _IGNORED * shown.ignored
            peer.close(close.POLICY if code == close.POLICY else close.NO_TOKEN, reason)

        deadline = Timer(too_late)

        async def first_message(data: str | bytes) -> None:
            connection.intercept = _ignore
            deadline.cancel()
            try:
                await self._take_token(connection, since, shown, data)
            except ProtocolError as error:
                self.refusals.count(peer, error)
                peer.close(self.refusals.answer(peer, error), error.message)

        connection.intercept, connection.auth_deadline = first_message, deadline
        deadline.set(timeout)

    async def _take_token(
        self,
        connection: Connection,
        since: Position | None,
        shown: Credentials,
        data: str | bytes,
    ) -> None:
        """Authenticate a client by its first message, then welcome it.

        Raises:
            ProtocolError: the message is not a ``connect`` with a valid token.
        """
        codec = JSON if isinstance(data, str) else connection.codec
        envelope = codec.decode(data)
        if envelope.type != "connect":
            words = f"You sent {envelope.type[:64]!r} before you showed a token. {shown.advice}"
            raise ProtocolError("unauthorized", words)
        payload = codec.payload(envelope.payload, Connect, of="connect")
        if payload.token is None:
            raise ProtocolError("unauthorized", f"This connect has no token. {shown.advice}")
        known = await self.authentication.identify(replace(shown, token=payload.token))
        if not connection.open or not connection.peer.open:
            return
        connection.intercept = None
        await self._welcome(connection, since, known)
        rest = msgspec.structs.replace(payload, token=None)
        await self.introductions.introduce(connection, rest, envelope)

    async def _welcome(
        self,
        connection: Connection,
        since: Position | None,
        known: User | None = None,
        *,
        name: str | None = None,
        user: str | None = None,
    ) -> None:
        """Welcome a client: assign its id, name and user, call the hooks, add it to the chat.

        Raises:
            ProtocolError: a limit, a hook or the client id refuses the client, or the broker cannot
                be reached.
        """
        if known is not None:
            self.connection_limits.add_user(connection, known)
            connection.identity = known
            name, user = known.shown, known.id
        wrong: ProtocolError | None = None
        async with self.client_ids.claimed(connection):
            try:
                connection.name = _checked(name, "name") or connection.name
                connection.user = _checked(user, "user")
            except ProtocolError as error:
                wrong = error
            connection.peer.named(connection.name, connection.user)
            connection.peer.identified(connection.id)
            await self.hooks.admit(connection)
            rooms = () if connection.held is None else tuple(connection.held.rooms)
            wrong = await self._enter_chat(connection, since) or wrong
        await self.presence.add_user(connection)
        if wrong is not None:
            connection.error(wrong)
        await self._enter(connection, rooms)
        if known is not None or self.context.options.idle_timeout is not None:
            self.expiry.check(connection)

    async def _enter_chat(
        self, connection: Connection, since: Position | None
    ) -> ProtocolError | None:
        """Send the welcome and add the client to the chat.

        Returns:
            The error if the position that the client sent is invalid; None if it is valid or the
            client sent none.
        """
        wrong: ProtocolError | None = None

        def add() -> None:
            connection.welcomed = True
            self.registry.connections[connection.id] = connection

        def answer(recovery: Recovery) -> None:
            connection.position = (recovery.epoch, recovery.offset)
            count = len(self.registry.connections) + 1 + recovery.elsewhere
            payload = self.introductions.welcome(connection, count, recovered=recovery.recovered)
            connection.welcome(payload)

        try:
            await self.replay.enter(connection, CHAT, since, add=add, answer=answer)
        except ProtocolError as error:
            if error.code == "unavailable":
                raise  # without a position, the client would miss publications
            # An invalid position does not close the connection. The client starts without a
            # position.
            wrong = error
            await self.replay.enter(connection, CHAT, None, add=add, answer=answer)
        self.join_leave.add(CHAT, "joined", connection.id, connection.member)
        await self.presence.join(CHAT, connection)
        return wrong

    async def _enter(self, connection: Connection, rooms: Iterable[str]) -> None:
        """Add a client to the rooms that ``on_connect`` chose."""
        for room in rooms:
            try:
                await self.membership.join(connection, room)
            except ProtocolError as error:
                connection.error(error)


_IGNORED = "; the one in the address was ignored, see the error before"
"""Suffix of the close reason for a client whose token in the URL was ignored."""


async def _ignore(_: str | bytes) -> None:
    """Ignore messages that arrive while the client is being authenticated or refused."""


def _check_wanted(connection: Connection) -> None:
    """Check that the connection has not ended during authentication.

    Raises:
        ProtocolError: the connection has ended.
    """
    if connection.peer.closing or not connection.open:
        raise ProtocolError("unknown_client", "The connection was closed meanwhile.")


def _checked(value: str | None, what: str) -> str | None:
    """Return a name from the client's URL after validation; None if the URL has none.

    Raises:
        ProtocolError: the name is not valid.
    """
    if value is None:
        return None
    try:
        return checked_name(value)
    except (TypeError, ValueError) as error:
        words = f"The {what} in the address: {explain(error)}."
        raise ProtocolError("invalid_name", words) from None
