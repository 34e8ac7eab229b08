"""Messages between nodes: requests about clients of another node, and the replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from ...protocol.payload_bases import DataOut, PayloadOut

__all__ = ["NODES", "NODE_MESSAGES", "Act", "NodeReply", "NodeRequest"]

NODES: Final = "nodes"
"""Key of messages to all nodes."""

Act: TypeAlias = Literal["broadcast", "close", "count", "describe", "join", "leave", "send"]
"""Actions that one node can request of another."""


class NodeRequest(DataOut, frozen=True, kw_only=True):
    """A request to all other nodes, or to the node of one client.

    Attributes:
        id: id of the request; the reply repeats it.
        node: id of the requesting hub, see :attr:`rtmon.hub.Hub.node`.
        act: the requested action.
        client_id: the client that the request is about; empty if it is about all clients.
        since: time when that client connected, in Unix seconds. It excludes a later client with the
            same id. 0 means any client with the id.
        kind: type of the message to send, whose payload is ``data``.
        room: room to join or leave.
        place: key of the room, channel or chat whose receivers are counted.
        code, reason: close code and reason for the client's connection.
        exclude: ids of clients that do not receive the message.
    """

    id: str
    node: str
    act: Act
    client_id: str = ""
    since: float = 0.0
    kind: str = ""
    room: str = ""
    place: str = ""
    code: int = 0
    reason: str = ""
    exclude: tuple[str, ...] = ()


class NodeReply(PayloadOut, frozen=True, kw_only=True):
    """The reply to a request.

    Attributes:
        id: id of the request.
        node: id of the requesting hub, see :attr:`rtmon.hub.Hub.node`.
        sender: name of the replying node among the nodes that share the broker.
        value: the result; None if the action has none or failed.
        code: error code if the action failed, else empty.
        message: error text.
        retry: True if the action may succeed later.
    """

    id: str
    node: str
    sender: str
    value: Any = None
    code: str = ""
    message: str = ""
    retry: bool = False


NODE_MESSAGES: Final[Mapping[str, type[msgspec.Struct]]] = {
    "node_reply": NodeReply,
    "node_request": NodeRequest,
}
"""Type of a message between nodes → its payload struct."""
