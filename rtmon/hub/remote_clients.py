"""Clients that are connected to other nodes, as objects for the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import ProtocolError
from ..protocol import close
from ..protocol.close import checked_reason
from .application_input import own_message
from .brokers.node_messages import Act
from .client_handle import Client
from .local_clients import LocalClients, checked_room
from .node_requests import NodeRequests

__all__ = ["Description", "RemoteClient", "RemoteClients"]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of a :class:`Client` at one moment, sent from its node to another node."""

    name: str
    user: str | None
    address: str | None
    transport: str
    path: str | None
    rooms: list[str]
    subscriptions: list[str]
    since: float
    idle: float

    @classmethod
    def of(cls, client: Client) -> Description:
        """Return the current attributes of a client."""
        return cls(**{name: getattr(client, name) for name in cls.__struct_fields__})


class RemoteClient(Client):
    """Handle of a client that is connected to another node.

    Its attributes have the values at the time of :meth:`rtmon.hub.Hub.find`.

    Args:
        client_id: the client id.
        found: the client's attributes.
        calls: sends requests to the client's node.
    """

    __slots__ = ("_calls", "_found", "_gone")

    def __init__(self, client_id: str, found: Description, calls: NodeRequests) -> None:
        super().__init__(client_id)
        self._found = found
        self._calls = calls
        self._gone = False

    @property
    def name(self) -> str:
        return self._found.name

    @property
    def user(self) -> str | None:
        return self._found.user

    @property
    def address(self) -> str | None:
        return self._found.address

    @property
    def transport(self) -> str:
        return self._found.transport

    @property
    def path(self) -> str | None:
        return self._found.path

    @property
    def rooms(self) -> Sequence[str]:
        return self._found.rooms

    @property
    def subscriptions(self) -> Sequence[str]:
        return self._found.subscriptions

    @property
    def since(self) -> float:
        return self._found.since

    @property
    def idle(self) -> float:
        return self._found.idle

    @property
    def open(self) -> bool:
        return not self._gone

    async def send(self, type: str, payload: Any = None) -> None:  # noqa: A002
        kind, encoded = own_message(type, payload)
        await self._ask("send", kind=kind, data=encoded)

    async def close(self, code: int = close.NORMAL, reason: str = "") -> None:
        reason = checked_reason(code, reason)
        try:
            await self._ask("close", code=code, reason=reason)
        except ProtocolError as error:
            if error.code != "unknown_client":
                raise
        self._gone = True

    async def join(self, room: str) -> bool:
        return bool(await self._ask("join", room=checked_room(room)))

    async def leave(self, room: str) -> bool:
        return bool(await self._ask("leave", room=checked_room(room)))

    async def _ask(self, act: Act, **fields: Any) -> Any:
        """Send a request about the client to its node. Returns the answer."""
        try:
            return await self._calls.ask(self.id, act, since=self.since, **fields)
        except ProtocolError as error:
            self._gone = self._gone or error.code == "unknown_client"
            raise


class RemoteClients:
    """Finds clients on all nodes.

    Args:
        clients: the clients of this node.
        calls: sends requests to other nodes.
    """

    def __init__(self, clients: LocalClients, calls: NodeRequests) -> None:
        self._clients = clients
        self._calls = calls

    async def find(self, client_id: str) -> Client | None:
        """Return the client with this id, on any node; see :meth:`rtmon.hub.Hub.find`."""
        here = self._clients.find(client_id)
        if here is not None:
            return here
        try:
            found = await self._calls.ask(client_id, "describe")
        except ProtocolError as error:
            if error.code == "unknown_client":
                return None
            raise
        return RemoteClient(client_id, msgspec.convert(found, Description), self._calls)
