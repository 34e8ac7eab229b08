"""A client's parameters at connect time: from its URL, or from ``auth`` of Socket.IO."""

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
from ..room_channel_keys import CHAT, channel_key, room_key
from .client_positions import ClientPositions

if TYPE_CHECKING:
    from ..connection import Connection
    from ..hub import Hub
    from .base import Peer

__all__ = ["ConnectRequest", "connect", "credentials_of"]

_PLACES = limits.ROOMS_PER_CLIENT + limits.CHANNELS_PER_CLIENT
"""Maximum number of rooms and channels in one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRequest:
    """A client's claimed names, and the rooms and channels that it asks to enter.

    Attributes:
        name: claimed display name.
        user: claimed user id.
        client_id: requested client id.
        since: position in the chat that the client returns with.
        shape: requested shape of publications, see :mod:`rtmon.protocol.pubsub_shape`.
        token: token in the URL; ignored unless the hub's options allow it.
        places: key of a room or channel → position that the client returns with.
        positions: all positions as one text, see :mod:`.client_positions`. They override
            ``places``.
    """

    name: str | None = None
    user: str | None = None
    client_id: str | None = None
    since: Position | None = None
    shape: str | None = None
    token: str | None = field(default=None, repr=False)
    places: dict[str, Position | None] = field(default_factory=dict)
    positions: str = ""

    @classmethod
    def of(cls, query: str) -> Self:
        """Parse a URL query: ``name=ada&user=…&epoch=…&offset=…&room=…&channel=…``.

        ``room`` and ``channel`` may repeat.
        """
        if not query:
            return cls()
        try:
            asked = parse_qs(query, max_num_fields=2 * _PLACES)
        except ValueError:  # more fields than any valid request has
            asked = {}
        rooms = dict.fromkeys(room_key(name) for name in asked.get("room", ()))
        channels = dict.fromkeys(channel_key(name) for name in asked.get("channel", ()))
        return cls(
            name=_first(asked, "name"),
            user=_first(asked, "user"),
            client_id=_first(asked, "client_id"),
            since=_position(_first(asked, "epoch"), _first(asked, "offset")),
            shape=_first(asked, "shape"),
            token=_first(asked, "token"),
            places={**rooms, **channels},
        )

    def at(self, hint: str) -> Self:
        """Return a copy for the path ``/ws/{hint}``: the hint is the default client id and name."""
        return replace(self, client_id=self.client_id or hint, name=self.name or hint)

    def with_positions(self, positions: str | None) -> Self:
        """Return a copy with the positions of a returning client."""
        return replace(self, positions=positions or "")


def credentials_of(
    hub: Hub,
    peer: Peer,
    wanted: ConnectRequest,
    headers: Iterable[tuple[str, str]],
    *,
    said: str | None = None,
) -> Credentials | None:
    """Return a client's credentials; None if the hub does not authenticate clients.

    The token comes from ``Authorization``, else from ``said``, else from the URL if the hub's
    options allow that.

    Args:
        hub: the hub.
        peer: the transport's side of the connection.
        wanted: the client's parameters from its URL.
        headers: headers of the request.
        said: token that the client sent in another way, such as ``auth`` of Socket.IO.
    """
    if not hub.authenticates:
        return None
    token, by_name = bearer(headers)
    token = token or said or (wanted.token if hub.options.token_in_query else None)
    return Credentials(
        token=token,
        ignored=token is None and wanted.token is not None,
        headers=by_name,
        address=peer.remote,
        transport=peer.transport,
    )


async def connect(
    hub: Hub,
    peer: Peer,
    wanted: ConnectRequest,
    *,
    credentials: Credentials | None = None,
    identity: User | None = None,
) -> Connection:
    """Open a client's connection, and enter the requested rooms and channels.

    If the client cannot enter one of them, it is sent an error.

    Raises:
        ProtocolError: the client is refused.
    """
    wrong: ProtocolError | None = None
    known: dict[str, Position | None] = {}
    try:
        known = ClientPositions.parse(wanted.positions)
    except ProtocolError as error:
        wrong = error
    since = known.pop(CHAT, None) or wanted.since
    connection = await hub.open(
        peer,
        name=wanted.name,
        user=wanted.user,
        client_id=wanted.client_id,
        since=since,
        credentials=credentials,
        identity=identity,
    )
    if wrong is not None:
        connection.error(wrong)
    try:
        for key, at in {**wanted.places, **known}.items():
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
"""Kind of key → type of the message by which a client enters a room or channel of this kind."""


def _first(asked: dict[str, list[str]], key: str) -> str | None:
    """Return the first value of a query parameter; None if it is missing."""
    values = asked.get(key)
    return values[0] if values else None


def _position(epoch: str | None, offset: str | None) -> Position | None:
    """Return the position with this epoch and offset; None if they are not valid."""
    with contextlib.suppress(ValueError):
        if epoch and offset and offset.isascii() and offset.isdigit():
            return Position(epoch=epoch, offset=int(offset[:18]))
    return None
