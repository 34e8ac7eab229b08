"""Methods of ``Hub`` that transports call: open a connection, pass on a message, close."""

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
    """Accepts connections and messages from transports."""

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
        """Open a connection and welcome its client.

        If the hub authenticates clients and this client has sent no token yet, the client's first
        message must authenticate it. The welcome follows after that.

        Args:
            peer: the transport's side of the connection.
            name: display name that the client claims; None if unknown.
            user: user id that the client claims; None if unknown.
            client_id: client id that the client asks for; ignored without the option
                ``client_ids``.
            since: position in the chat that the client returns with.
            credentials: what the client has sent to authenticate itself; None if unknown.
            identity: the user, if :meth:`authenticate` was called before.

        Raises:
            ProtocolError: the client is refused. Pass the error to :meth:`refuse`.
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
        """Process a message from a client. Await it before passing on the client's next message.

        It never raises because of the message's content.
        """
        return self._dispatcher.receive(connection, data)

    def handle(
        self, connection: Connection, envelope: Envelope, codec: Codec
    ) -> Coroutine[Any, Any, None]:
        """Handle a message that the transport itself has built. The rate limit does not apply."""
        return self._dispatcher.handle(connection, envelope, codec)

    def handles(self, kind: str) -> bool:
        """Return True if the hub has a handler of this message type."""
        return self._dispatcher.handles(kind)

    def closed(self, connection: Connection) -> None:
        """Remove an ended connection. May be called twice."""
        self._parts.lifecycle.disconnect(connection)

    @property
    def authenticates(self) -> bool:
        """True if the hub requires clients to authenticate."""
        return self._parts.authentication.required

    async def authenticate(self, peer: Peer, credentials: Credentials) -> User:
        """Authenticate a client before its connection is opened.

        Raises:
            ProtocolError: the client is refused.
        """
        return await self._parts.lifecycle.authenticate(peer, credentials)

    def refuse(self, peer: Peer, error: ProtocolError) -> int:
        """Send a refused client the error. Returns the close code for the connection."""
        return self._parts.refusals.answer(peer, error)

    def share_frames(self, group: FrameGroupFactory) -> None:
        """Let connections of a transport share frames: each message is framed once for a group.

        Args:
            group: creates groups of ``Peer.connection`` objects.
        """
        self._parts.broadcast.receivers.frame_group = group
