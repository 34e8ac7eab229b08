"""What a client says when it comes: in an address, or in Socket.IO's ``auth``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs

import msgspec

from ...errors import ProtocolError
from ...protocol import limits
from ...protocol.catalog import Position
from ...protocol.codecs import JSON
from ...protocol.envelope import Envelope
from ..admission.authentication import Credentials, User, bearer
from ..places import CHAT, channel_key, room_key
from .positions import Positions

if TYPE_CHECKING:
    from ..connection import Connection
    from ..hub import Hub
    from .base import Peer

__all__ = ["Arrival", "arrive", "shown"]

_PLACES = limits.ROOMS_PER_CLIENT + limits.CHANNELS_PER_CLIENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Who comes, and to which places.

    Attributes:
        name: what the client calls itself.
        user: whose connection it says it is.
        since: the position in the chat that it returns with.
        token: who it is; a hub looks at it only if its options say so.
        places: rooms and channels, as keys of the hub's → the position it returns with.
        returning: the positions as one text, see :mod:`.positions`; they win.
    """

    name: str | None = None
    user: str | None = None
    since: Position | None = None
    token: str | None = field(default=None, repr=False)
    places: dict[str, Position | None] = field(default_factory=dict)
    returning: str = ""

    @classmethod
    def of(cls, query: str) -> Self:
        """``name=ada&user=…&epoch=…&offset=…&room=…&channel=…``, the last two repeatedly."""
        if not query:
            return cls()
        try:
            asked = parse_qs(query, max_num_fields=2 * _PLACES)
        except ValueError:  # so many are nobody's who means well
            asked = {}
        rooms = dict.fromkeys(room_key(name) for name in asked.get("room", ()))
        channels = dict.fromkeys(channel_key(name) for name in asked.get("channel", ()))
        return cls(
            name=_first(asked, "name"),
            user=_first(asked, "user"),
            since=_position(_first(asked, "epoch"), _first(asked, "offset")),
            token=_first(asked, "token"),
            places={**rooms, **channels},
        )

    def hinted(self, name: str) -> Self:
        """The same for who did not give a name."""
        return self if self.name else replace(self, name=name)

    def returned(self, positions: str | None) -> Self:
        """The same for who was here before, with the positions it got last."""
        return replace(self, returning=positions or "")


def shown(
    hub: Hub,
    peer: Peer,
    arrival: Arrival,
    headers: Iterable[tuple[str, str]],
    *,
    said: str | None = None,
) -> Credentials | None:
    """What a client shows of who it is; None where nobody asks.

    The first token counts of those in ``Authorization``, in what is said beside the request, and,
    only where the hub's options allow it, in the address.

    Args:
        hub: where to.
        peer: the connection.
        arrival: what its address says.
        headers: of the request.
        said: a token that came beside it.
    """
    if not hub.authenticates:
        return None
    token, by_name = bearer(headers)
    return Credentials(
        token=token or said or (arrival.token if hub.options.token_in_query else None),
        headers=by_name,
        address=peer.remote,
        transport=peer.transport,
    )


async def arrive(
    hub: Hub,
    peer: Peer,
    arrival: Arrival,
    *,
    credentials: Credentials | None = None,
    identity: User | None = None,
) -> Connection:
    """Let a client into a hub and all the places it names; what cannot be done, it is told.

    Raises:
        ProtocolError: it is not let in.
    """
    wrong: ProtocolError | None = None
    known: dict[str, Position | None] = {}
    try:
        known = Positions.parse(arrival.returning)
    except ProtocolError as error:
        wrong = error
    since = known.pop(CHAT, None) or arrival.since
    connection = await hub.open(
        peer,
        name=arrival.name,
        user=arrival.user,
        since=since,
        credentials=credentials,
        identity=identity,
    )
    if wrong is not None:
        connection.error(wrong)
    try:
        for key, at in {**arrival.places, **known}.items():
            kind, _, name = key.partition(":")
            if kind in _ENTER:
                payload = msgspec.json.encode({kind: name, **({} if at is None else {"since": at})})
                envelope = Envelope(type=_ENTER[kind], payload=msgspec.Raw(payload))
                await hub.handle(connection, envelope, JSON)
    except BaseException:
        hub.closed(connection)
        raise
    return connection


_ENTER = {"room": "join_room", "channel": "subscribe"}
"""Kind of place → the message that enters it."""


def _first(asked: dict[str, list[str]], key: str) -> str | None:
    values = asked.get(key)
    return values[0] if values else None


def _position(epoch: str | None, offset: str | None) -> Position | None:
    with contextlib.suppress(ValueError):
        if epoch and offset and offset.isascii() and offset.isdigit():
            return Position(epoch=epoch, offset=int(offset[:18]))
    return None
