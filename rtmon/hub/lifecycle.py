"""Comings and goings: who is welcomed, what they are called, who is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from ..core.timers import Alarm
from ..errors import ProtocolError
from ..protocol import catalog, close, limits
from ..protocol.catalog import Connect, Position
from ..protocol.codecs import JSON
from ..protocol.envelope import VERSION
from ..protocol.values import Name
from .admission.authentication import Credentials, User, left
from .brokers.base import Note, Recovery, user_key
from .connection import Session
from .handlers import HANDLERS
from .join_leave import Arrivals
from .join_leave_batch import Change
from .places import CHAT, room_key
from .presence import Users
from .recovery import enter
from .transports.base import Peer

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["USERS", "Reception"]

USERS = "users"
"""The place of users who come and go; those in the chat are told."""


class Reception:
    """Lets clients in and out of a hub.

    Attributes:
        users: whose connections there are.
        arrivals: what is still to be told about who came and went.
    """

    def __init__(self, hub: Hub) -> None:
        self.users = Users()
        self.arrivals = Arrivals(interval=hub.options.announce, tell=self._tell)
        self._hub = hub
        self._audience = hub.audience

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
        """See :meth:`rtmon.hub.Hub.open`."""
        door, session = self._hub.door, Session(self._hub, peer)
        try:
            if identity is None:
                door.knock(peer.remote)
            door.come(session)
            if door.auth is None:
                await self._let_in(session, since, name=name, user=user)
                return session
            shown = credentials or Credentials(address=peer.remote, transport=peer.transport)
            try:
                known = identity or await door.identify(shown)
            except ProtocolError as error:
                if shown.token is not None or error.code != "unauthorized" or not peer.asks_later:
                    raise
                self._ask(session, since, shown)
            else:
                _still_wanted(session)
                await self._let_in(session, since, known)
        except BaseException as error:
            session.closed()
            if isinstance(error, ProtocolError) and not peer.shown_out:
                door.note(peer, error)
            raise
        return session

    def _ask(self, session: Session, since: Position | None, shown: Credentials) -> None:
        """Wait for the first message of a client, which is to say who it is."""
        timeout = self._hub.options.auth_timeout
        words = f"you did not say who you are within {timeout:g} s"
        deadline = Alarm(lambda: session.peer.close(close.NO_TOKEN, words))

        async def first(data: str | bytes) -> None:
            session.first = _unheard
            deadline.cancel()
            try:
                await self._introduced(session, since, shown, data)
            except ProtocolError as error:
                self._hub.door.note(session.peer, error)
                code = self._hub.door.turn_away(session.peer, error)
                session.peer.close(code, error.message)

        session.first, session.deadline = first, deadline
        deadline.set(timeout)

    async def _introduced(
        self, session: Session, since: Position | None, shown: Credentials, data: str | bytes
    ) -> None:
        codec = JSON if isinstance(data, str) else session.codec
        envelope = codec.decode(data)
        if envelope.type != "connect":
            raise ProtocolError("unauthorized", "Say who you are first: send connect with a token.")
        payload = codec.payload(envelope.payload, Connect, of="connect")
        if payload.token is None:
            raise ProtocolError("unauthorized", "Say who you are: this connect has no token.")
        known = await self._hub.door.identify(replace(shown, token=payload.token))
        if not session.open or not session.peer.open:
            return
        session.first = None
        await self._let_in(session, since, known)
        rest = msgspec.structs.replace(payload, token=None)
        await HANDLERS["connect"][1](session, rest, envelope, codec)

    async def _let_in(
        self,
        session: Session,
        since: Position | None,
        known: User | None = None,
        *,
        name: str | None = None,
        user: str | None = None,
    ) -> None:
        wrong: ProtocolError | None = None
        if known is not None:
            self._hub.door.know(session, known)
            name, user = known.shown, known.id
        try:
            session.name = _checked(name, "name") or session.name
            session.user = _checked(user, "user")
        except ProtocolError as error:
            wrong = error
        session.peer.named(session.name)

        def add() -> None:
            session.here = True
            self._audience.sessions[session.id] = session

        def answer(recovery: Recovery) -> None:
            session.position = (recovery.epoch, recovery.offset)
            count = len(self._audience.sessions) + 1 + recovery.elsewhere
            session.send("welcome", self.welcome(session, count, recovered=recovery.recovered))

        try:
            await enter(session, CHAT, since, add=add, answer=answer)
        except ProtocolError as error:
            if error.code == "unavailable":
                raise  # without its position it would not get what it missed
            # Bad input closes nothing: welcomed as if it had no position, and told why.
            wrong = error
            await enter(session, CHAT, None, add=add, answer=answer)
        self.arrivals.add(CHAT, "came", session.id, session.member)
        await self.join(CHAT, session)
        await self._user(session)
        if wrong is not None:
            session.error(wrong)
        if known is not None or self._hub.options.idle_timeout is not None:
            session.stay.begin()

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        places = self._audience.places(session)
        del self._audience.sessions[session.id]
        self._hub.typing.drop(session)
        self._hub.transfers.drop(session)
        for room in self._audience.rooms.leave_all(session):
            self.arrivals.add(room_key(room), "went", session.id, session.member)
        self._audience.channels.drop(session)
        if session.user is not None:
            self.users.disconnected(session.user, session.id)
        self.arrivals.add(CHAT, "went", session.id, session.member)
        for place in places:
            self._audience.changed(place)
        self._hub.spawn(self._farewell(session, places))

    async def join(self, key: str, session: Session) -> int:
        """Have a client known to be in a place. Returns how many are."""
        count = await self._hub.broker.join(key, session.member)
        if not session.open:
            await self._hub.broker.leave(key, session.id)  # it has ended meanwhile
        return count

    def welcome(
        self, session: Session, user_count: int, *, recovered: bool | None = None
    ) -> catalog.Welcome:
        """What a client is told first, and when it introduced itself."""
        epoch, offset = session.position
        return catalog.Welcome(
            client_id=session.id,
            name=session.name,
            user=session.user,
            session=session.secret,
            user_count=user_count,
            protocol=VERSION,
            server=self._hub.options.name,
            epoch=epoch,
            offset=offset,
            recovered=recovered,
            ttl=left(session.identity, self._hub.wall()),
            limits=catalog.Limits(
                message_size=self._hub.options.max_size,
                file_chunk=limits.FILE_CHUNK_MAX,
                rate=self._hub.options.rate,
                burst=self._hub.options.burst,
            ),
        )

    async def introduce(
        self, session: Session, *, name: str | None, user: str | None, info: Any
    ) -> None:
        """A client says who it is; what it leaves out stays as it is.

        Where the hub knows who it is, only what it says of itself beside that counts.
        """
        if session.identity is not None:
            name = user = None
        before, session.user = session.user, user or session.user
        if before != session.user:
            if before is not None:
                self.users.disconnected(before, session.id)
                await self._user_gone(session, before)
            await self._user(session)
        session.name = name or session.name
        session.info = session.info if info is None else info
        session.peer.named(session.name)
        for place in self._audience.places(session):
            self.arrivals.rename(place, session.id, session.member)
            await self.join(place, session)

    def _tell(self, place: str, change: Change, payload: catalog.People) -> None:
        if place == USERS:
            kind = "user_online" if change == "came" else "user_offline"
        else:
            kind = "user_joined" if change == "came" else "user_left"
        self._hub.broker.tell(place, Note(type=kind, payload=payload))

    async def _user(self, session: Session) -> None:
        """A connection is its user's; others are told if it is the first anywhere."""
        user = session.user
        if user is None:
            return
        self.users.connected(user, session.id)
        if await self.join(user_key(user), session) == 1 and session.open:
            self.arrivals.add(USERS, "came", user, session.member)

    async def _user_gone(self, session: Session, user: str) -> None:
        """A connection is no longer a user's; others are told if it was the last anywhere."""
        if await self._hub.broker.leave(user_key(user), session.id) == 0:
            member = msgspec.structs.replace(session.member, user=user)
            self.arrivals.add(USERS, "went", user, member)

    async def _farewell(self, session: Session, places: list[str]) -> None:
        if session.user is not None:
            await self._user_gone(session, session.user)
        for place in places:
            await self._hub.broker.leave(place, session.id)
            await self._hub.broker.release(place)


async def _unheard(_: str | bytes) -> None:
    """While it is found out who somebody is, and when they are shown out, nothing is heard."""


def _still_wanted(session: Session) -> None:
    if session.peer.shown_out or not session.open:
        raise ProtocolError("unknown_client", "The connection was closed meanwhile.")


def _checked(value: str | None, what: str) -> str | None:
    if value is None:
        return None
    try:
        return msgspec.convert(value, Name)
    except msgspec.ValidationError as error:
        raise ProtocolError("invalid_name", f"The {what} in the address: {error}.") from None
