"""Handler of requests from other nodes: acts on this node's clients, and counts them."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import msgspec

from ..errors import ProtocolError
from ..protocol.data_encoding import decode_data
from .application_messages import ApplicationMessages
from .brokers.node_messages import NodeRequest
from .client_handle import Client
from .connection_registry import ConnectionRegistry
from .local_clients import LocalClients
from .remote_clients import Description

__all__ = ["NodeRequestHandler"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeRequestHandler:
    """Carries out the requests of other nodes.

    Attributes:
        registry: the connections of this node.
        clients: handles of the clients of this node.
        messages: sends messages to all clients of this node.
    """

    registry: ConnectionRegistry
    clients: LocalClients
    messages: ApplicationMessages

    def act(self, request: NodeRequest) -> Awaitable[Any] | None:
        """Start to carry out a request. Returns an awaitable of the result.

        Returns None if the request is about a client that is not connected to this node.
        """
        if not request.client_id:
            return self._count(request)
        client = self.clients.find(request.client_id)
        return None if client is None else self._with(client, request)

    async def _count(self, request: NodeRequest) -> int:
        """Send another node's broadcast to this node's clients, or only count receivers.

        Returns:
            For a broadcast, the number of clients on this node that were sent the message. For a
            count, the number of clients on this node that receive publications to the place.
        """
        if request.act == "broadcast":
            return self.messages.to_local(request.kind, request.data, request.exclude)
        receivers = self.registry.receivers(request.place)
        excluded = {self.registry.connections.get(each) for each in request.exclude}
        return sum(connection not in excluded for connection in receivers)

    async def _with(self, client: Client, request: NodeRequest) -> Any:
        """Carry out a request about one client: send, close, join, leave or describe.

        Returns:
            The result for the requesting node; None if the action has no result.
        """
        if request.since not in {0.0, client.since}:
            raise ProtocolError(
                "unknown_client",
                f"The client {client.id!r} has disconnected. Another client has its id now.",
            )
        match request.act:
            case "send":
                await client.send(request.kind, decode_data(request.data))
            case "close":
                await client.close(request.code, request.reason)
            case "join":
                return await client.join(request.room)
            case "leave":
                return await client.leave(request.room)
            case "describe":
                return msgspec.to_builtins(Description.of(client))
        return None
