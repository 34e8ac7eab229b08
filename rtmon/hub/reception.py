"""Comings and goings: who is welcomed, what they are called, who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ProtocolError
from ..protocol import limits, outgoing
from ..protocol.envelope import VERSION
from ..protocol.incoming import Position
from ..protocol.values import Name
from .announce import Change
from .arrivals import Arrivals
from .brokers.base import Recovery
from .entering import enter
from .messages import CHAT, room_key
from .presence import Users
from .session import Session
from .transports.base import Peer

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["Reception"]

_USERS = "users"


class Reception:
    """Lets clients in and out of a hub.

    Attributes:
        users: whose connections there are.
        arrivals: what is still to be told about who came and went.
    """

    def __init__(self, hub: Hub) -> None:
        self.users = Users()
        self.arrivals = Arrivals(interval=hub.options.announce, tell=self._tell, count=self._count)
        self._hub = hub
        self._audience = hub.audience

    async def open(
        self,
        peer: Peer,
        *,
        name: str | None = None,
        user: str | None = None,
        since: Position | None = None,
    ) -> Session:
        """See :meth:`rtmon.hub.Hub.open`."""
        if len(self._audience.sessions) >= self._hub.options.max_connections:
            raise ProtocolError("full", "The server is full; come back later.", retry=True)
        session = Session(self._hub, peer)
        wrong: ProtocolError | None = None
        try:
            session.name = _checked(name, "name") or session.name
            session.user = _checked(user, "user")
        except ProtocolError as error:
            wrong = error
        peer.named(session.name)

        def add() -> None:
            self._audience.sessions[session.id] = session

        def answer(recovery: Recovery) -> None:
            session.position = (recovery.epoch, recovery.offset)
            count = len(self._audience.sessions) + 1
            session.send("welcome", self.welcome(session, count, recovered=recovery.recovered))

        try:
            await enter(session, CHAT, since, add=add, answer=answer)
        except ProtocolError as error:
            # Bad input closes nothing: welcomed as if it had no position, and told why.
            wrong = error
            await enter(session, CHAT, None, add=add, answer=answer)
        try:
            await self._hub.broker.join(CHAT, session.member)
        except BaseException:
            session.closed()
            raise
        self.arrivals.add(CHAT, "came", session.id, session.member)
        self._user(session, "came")
        if wrong is not None:
            session.error(wrong)
        return session

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        places = self._audience.places(session)
        del self._audience.sessions[session.id]
        self._hub.typing.drop(session)
        self._hub.transfers.drop(session)
        for room in self._audience.rooms.leave_all(session):
            self.arrivals.add(room_key(room), "went", session.id, session.member)
        self._audience.channels.drop(session)
        self._user(session, "went")
        self.arrivals.add(CHAT, "went", session.id, session.member)
        for place in places:
            self._audience.changed(place)
        self._hub.spawn(self._farewell(session.id, places))

    def welcome(
        self, session: Session, user_count: int, *, recovered: bool | None = None
    ) -> outgoing.Welcome:
        """What a client is told first, and when it introduced itself."""
        epoch, offset = session.position
        return outgoing.Welcome(
            client_id=session.id,
            name=session.name,
            user=session.user,
            session=session.sender,
            user_count=user_count,
            protocol=VERSION,
            server=self._hub.options.name,
            epoch=epoch,
            offset=offset,
            recovered=recovered,
            limits=outgoing.Limits(
                message_size=self._hub.options.max_size,
                file_chunk=limits.FILE_CHUNK_MAX,
                rate=self._hub.options.rate,
                burst=self._hub.options.burst,
            ),
        )

    async def introduce(
        self, session: Session, *, name: str | None, user: str | None, info: Any
    ) -> None:
        """A client says who it is; what it leaves out stays as it is."""
        if user is not None and user != session.user:
            self._user(session, "went")
            session.user = user
            self._user(session, "came")
        session.name = name or session.name
        session.info = session.info if info is None else info
        session.peer.named(session.name)
        for place in self._audience.places(session):
            self.arrivals.rename(place, session.id, session.member)
            await self._hub.broker.join(place, session.member)

    def _tell(self, place: str, change: Change, payload: outgoing.People) -> None:
        if place == _USERS:
            place, kind = CHAT, "user_online" if change == "came" else "user_offline"
        else:
            kind = "user_joined" if change == "came" else "user_left"
        self._audience.tell(place, self._hub.message(kind, payload))

    def _count(self, place: str) -> int:
        return len(self.users) if place == _USERS else self._audience.count(place)

    def _user(self, session: Session, change: Change) -> None:
        if session.user is None:
            return
        move = self.users.connected if change == "came" else self.users.disconnected
        if move(session.user, session.id):
            self.arrivals.add(_USERS, change, session.user, session.member)

    async def _farewell(self, client_id: str, places: list[str]) -> None:
        for place in places:
            await self._hub.broker.leave(place, client_id)
            await self._hub.broker.release(place)


def _checked(value: str | None, what: str) -> str | None:
    if value is None:
        return None
    try:
        return msgspec.convert(value, Name)
    except msgspec.ValidationError as error:
        raise ProtocolError("invalid_name", f"The {what} in the address: {error}.") from None
