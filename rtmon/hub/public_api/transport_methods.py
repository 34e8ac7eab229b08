"""What transports ask of a hub."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ...core.frame_sharing import FrameGroupFactory
from ...errors import ProtocolError
from ...protocol.catalog import Position
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..admission.authentication import Credentials, User
from ..connection import Connection
from ..hub_assembly import HubAssembly
from ..message_dispatch import Dispatcher
from ..transports.base import Peer

__all__ = ["TransportMethods"]


class TransportMethods:
    """Takes connections and what comes on them."""

    _dispatcher: Dispatcher
    _parts: HubAssembly

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
