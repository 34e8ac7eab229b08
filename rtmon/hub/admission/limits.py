"""Who is let in, how many at once, and how much they may say together."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...core.addresses import network
from ...core.token_bucket import Bucket, Buckets
from ...errors import OptionError, ProtocolError
from ...protocol import catalog, close, limits
from ..channels import Rooms
from .authentication import Auth, Credentials, User, checked, left

if TYPE_CHECKING:
    from ..connection import Session
    from ..hub import Hub
    from ..transports.base import Peer

__all__ = ["Door", "close_code"]

logger = logging.getLogger("rtmon.hub")

_CODES = {
    "full": close.TRY_AGAIN_LATER,
    "internal": close.INTERNAL_ERROR,
    "overloaded": close.TRY_AGAIN_LATER,
    "rate_limited": close.TRY_AGAIN_LATER,
    "token_expired": close.TOKEN_EXPIRED,
    "too_many_connections": close.TRY_AGAIN_LATER,
    "unavailable": close.TRY_AGAIN_LATER,
}
"""Error code → the close code of who is not let in for it; for all others UNAUTHORIZED."""


_COUNTED = frozenset(
    {*_CODES, "forbidden", "invalid_message", "invalid_payload", "invalid_token", "unauthorized"}
)
"""Error codes that are counted each by itself."""


def close_code(error: ProtocolError) -> int:
    """The code that a connection is closed with which is not let in."""
    return _CODES.get(error.code, close.UNAUTHORIZED)


class Door:
    """The one way into a hub.

    Args:
        hub: whose.
        auth: says who somebody is; None takes their word.

    Attributes:
        auth: the same.
        shares: whether connections share :meth:`buckets`.
        refused: error code → how many were not let in for it; codes of an application's own are
            counted together, as ``other``.

    Raises:
        OptionError: what users may do is to be bounded, and nobody says who they are.
    """

    def __init__(self, hub: Hub, auth: Auth | None) -> None:
        options = hub.options
        if auth is None and (options.connections_per_user or options.user_rate):
            # A client's own word would bound others, and not those who choose another name.
            raise OptionError(
                "connections_per_user and user_rate need auth: without it, who somebody is is only "
                "their word."
            )
        self.auth = auth
        self.refused: dict[str, int] = {}
        self._hub = hub
        self._here: Rooms[Session] = Rooms()
        self._all: set[Session] = set()
        self._knocking = 0
        self._by_user = _buckets(options.user_rate, options.user_burst)
        self._by_address = _buckets(options.address_rate, options.address_burst)
        self.shares = not (self._by_user is None and self._by_address is None)

    def __iter__(self) -> Any:
        return iter(list(self._all))

    # In and out

    def knock(self, remote: str | None) -> None:
        """Somebody wants to come: before they are asked anything, which costs the server.

        Raises:
            ProtocolError: too much comes from their address.
        """
        address = network(remote)
        if address is None or self._by_address is None:
            return
        now = self._hub.clock()
        bucket = self._by_address.get(address, now)
        if wait := bucket.wait(now):
            raise ProtocolError(
                "rate_limited",
                "Too much comes from your address: come back later.",
                retry=True,
                retry_after=wait,
            )
        bucket.take()

    @contextlib.contextmanager
    def knocking(self, remote: str | None) -> Iterator[None]:
        """The same for a transport that has no connection yet while it asks who somebody is.

        Raises:
            ProtocolError: too much comes from their address, or there is no room.
        """
        self.knock(remote)
        self._unless_full(self._knocking)
        self._knocking += 1
        try:
            yield
        finally:
            self._knocking -= 1

    def _unless_full(self, more: int = 0) -> None:
        if len(self._all) + more >= self._hub.options.max_connections:
            raise ProtocolError("full", "The server is full; come back later.", retry=True)

    def come(self, session: Session) -> None:
        """A connection is here; who it is, is not known yet.

        Raises:
            ProtocolError: there is no room.
        """
        self._unless_full()
        session.address = network(session.peer.remote)
        if session.address is not None:
            most = self._hub.options.connections_per_address
            self._room(f"address {session.address}", most)
            self._here.join(session, f"address {session.address}")
        self._all.add(session)

    def know(self, session: Session, user: User) -> None:
        """It is known who somebody is.

        Raises:
            ProtocolError: there is no room.
        """
        self._room(f"user {user.id}", self._hub.options.connections_per_user)
        self._here.join(session, f"user {user.id}")
        session.identity = user

    def go(self, session: Session) -> None:
        """A connection has ended, or never began."""
        self._all.discard(session)
        self._here.leave_all(session)

    def _room(self, key: str, most: int | None) -> None:
        members = self._here.members(key)
        if most is None or len(members) < most:
            return
        if self._hub.options.at_limit == "refuse":
            raise ProtocolError(
                "too_many_connections",
                f"Your {key.partition(' ')[0]} has {len(members)} connections, the most there may "
                "be: close one first.",
                retry=True,
            )
        # Who has not said who they are does not take the place of who has.
        oldest = next((one for one in members if not one.here), None) or next(iter(members))
        self._here.leave_all(oldest)
        oldest.peer.close(close.REPLACED, "you have newer connections, the most there may be")

    # Who somebody is

    async def identify(self, credentials: Credentials) -> User:
        """Who shows this.

        Raises:
            ProtocolError: nobody who is known.
        """
        checked(credentials.token)
        found: Any = None
        try:
            # What takes longer than a client has to say who it is would never let anybody in.
            async with asyncio.timeout(self._hub.options.auth_timeout):
                found = self.auth(credentials) if self.auth else None
                if inspect.isawaitable(found):
                    found = await found
        except ProtocolError:
            raise
        except Exception as error:  # noqa: BLE001 - of anybody's function
            # Without its words, which may quote what was shown.
            _log(error)
            raise ProtocolError(
                "internal", "The server failed to find out who you are; come back.", retry=True
            ) from None
        if isinstance(found, User):
            if left(found, self._hub.wall()) == 0:
                raise ProtocolError("token_expired", "What you show has expired.")
            return found
        if credentials.token is None:
            raise ProtocolError("unauthorized", "Say who you are: show a token.")
        raise ProtocolError("invalid_token", "The token is not one that is taken here.")

    async def refresh(self, session: Session, token: str) -> None:
        """Somebody who is here shows another token; without ``auth`` nobody looks at it.

        Raises:
            ProtocolError: it is not taken; they stay for as long as the one before holds.
        """
        known = session.identity
        if known is None:
            return
        shown = Credentials(
            token=token, address=session.peer.remote, transport=session.peer.transport
        )
        user = await self.identify(shown)
        if user.id != known.id:
            raise ProtocolError(
                "forbidden", "This token is somebody else's: open another connection for them."
            )
        if known.permissions - user.permissions:
            # What was allowed before goes on otherwise: only who comes anew is asked everywhere.
            session.peer.close(close.TOKEN_EXPIRED, "you may do less than before: come anew")
            return
        session.identity = replace(user, name=known.name)
        session.stay.begin()

    def turn_away(self, peer: Peer, error: ProtocolError) -> int:
        """Tell somebody why they are not let in. Returns the code to close with.

        A full server says so by that code alone.
        """
        if error.code != "full":
            payload = catalog.Error(
                code=error.code,
                message=error.message,
                retry=error.retry,
                retry_after=error.retry_after,
            )
            peer.send(peer.codec.encode(self._hub.message("error", payload)))
        return close_code(error)

    def note(self, peer: Peer, error: ProtocolError) -> None:
        """Somebody is not let in: it is counted, and the Monitor told."""
        reason = error.code if error.code in _COUNTED else "other"
        self.refused[reason] = self.refused.get(reason, 0) + 1
        peer.refused(close_code(error), f"{error.code}: {error.message}")

    # How much is said

    def buckets(self, session: Session, now: float) -> tuple[Bucket, ...]:
        """What a connection's messages are taken from, beside its own bucket."""
        found = []
        if self._by_user is not None and session.identity is not None:
            found.append(self._by_user.get(session.identity.id, now))
        if self._by_address is not None and session.address is not None:
            found.append(self._by_address.get(session.address, now))
        return tuple(found)


def _buckets(rate: float | None, burst: int) -> Buckets | None:
    if rate is None:
        return None
    return Buckets(rate=rate, burst=burst, capacity=limits.KEYS_LIMITED)


def _log(error: BaseException) -> None:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else f" in {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
    logger.error("auth raised %s%s; the client is not let in", type(error).__name__, where)
