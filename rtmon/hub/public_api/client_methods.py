"""Methods of ``Hub`` by which the application finds clients, rooms and their members."""

from __future__ import annotations

from ..application_input import AnyClient, checked_client_id
from ..client_handle import Client
from ..hub_assembly import HubAssembly
from ..stats import HubStats

__all__ = ["ClientMethods"]


class ClientMethods:
    """Methods about clients and rooms. All except :meth:`find` answer for this node only."""

    _parts: HubAssembly

    def clients(self) -> list[Client]:
        """Return the clients of this node, in the order of their welcome."""
        return self._parts.clients.all()

    def client(self, client: AnyClient) -> Client | None:
        """Return the client with this id; None if no such client is connected to this node.

        Args:
            client: the client id, or a client or connection with this id.

        Raises:
            OptionError: the argument is neither a client nor a client id.
        """
        return self._parts.clients.find(checked_client_id(client))

    async def find(self, client: AnyClient) -> Client | None:
        """Return the client with this id, on any node; None if no such client is connected.

        Args:
            client: the client id, or a client or connection with this id.

        Raises:
            OptionError: the argument is neither a client nor a client id.
            ProtocolError: the client's node does not answer (``no_answer``), or the broker cannot
                be reached (``unavailable``).
        """
        return await self._parts.finder.find(checked_client_id(client))

    def rooms(self) -> list[str]:
        """Return the names of the rooms that have a member on this node."""
        return self._parts.registry.rooms.names()

    def members(self, room: str) -> list[Client]:
        """Return the clients of this node that are in a room, in the order of joining."""
        return self._parts.clients.members(room)

    def stats(self) -> HubStats:
        """Return the counters of this node."""
        return self._parts.stats()

    def close_idle(self, seconds: float) -> int:
        """Close the clients of this node that have sent nothing but heartbeats, with code 4502.

        Args:
            seconds: close clients that have been idle for at least this time.

        Returns:
            The number of closed clients.

        Raises:
            OptionError: ``seconds`` is not a number of at least 0.
        """
        return self._parts.clients.close_idle(seconds)
