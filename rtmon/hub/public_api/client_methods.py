"""The clients and rooms of a hub, as a program sees them; see docs/hub.md."""

from __future__ import annotations

from ..application_input import AnyClient, checked_client_id
from ..client_handle import Client
from ..hub_assembly import HubAssembly
from ..stats import HubStats

__all__ = ["ClientMethods"]


class ClientMethods:
    """Answers for this node, at once; :meth:`find` for all nodes."""

    _parts: HubAssembly

    def clients(self) -> list[Client]:
        """Return the clients of this node, in the order of their welcome."""
        return self._parts.clients.all()

    def client(self, client: AnyClient) -> Client | None:
        """Return the client of this node with an id; None if there is none.

        Raises:
            OptionError: this is no id.
        """
        return self._parts.clients.find(checked_client_id(client))

    async def find(self, client: AnyClient) -> Client | None:
        """Return the client of any node with an id; None if no node has it.

        Raises:
            OptionError: this is no id.
            ProtocolError: the client's node does not answer (``no_answer``), or the broker cannot
                be reached (``unavailable``).
        """
        return await self._parts.finder.find(checked_client_id(client))

    def rooms(self) -> list[str]:
        """Return the rooms that have a member on this node."""
        return self._parts.registry.rooms.names()

    def members(self, room: str) -> list[Client]:
        """Return the clients of this node that are in a room, in the order of joining."""
        return self._parts.clients.members(room)

    def stats(self) -> HubStats:
        """Return counts of this node."""
        return self._parts.stats()

    def close_idle(self, seconds: float) -> int:
        """Close the clients of this node that have sent nothing but heartbeats, with 4502.

        Args:
            seconds: for how long at least.

        Returns:
            How many were closed.

        Raises:
            OptionError: this is no number of seconds.
        """
        return self._parts.clients.close_idle(seconds)
