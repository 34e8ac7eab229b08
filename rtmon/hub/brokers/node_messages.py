"""What nodes ask each other for: acts on a client of another node, and counts of clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from ...protocol.payload_bases import DataOut, PayloadOut

__all__ = ["NODES", "NODE_MESSAGES", "Act", "NodeReply", "NodeRequest"]

NODES: Final = "nodes"
"""The key of notes to all nodes."""

Act: TypeAlias = Literal["broadcast", "close", "count", "describe", "join", "leave", "send"]
"""What a node can be asked for."""


class NodeRequest(DataOut, frozen=True, kw_only=True):
    """Asks all other nodes, or the node of one client, for something.

    Attributes:
        id: of the request; the reply names it.
        node: the hub's node that asks.
        act: what is asked for.
        client_id: the client that it is about; empty if it is about all.
        since: when that client connected, so that no other client that has its id by now is meant;
            0 for any client with the id.
        kind: message type to send; ``data`` is the payload.
        room: room to join or leave.
        place: key of the place whose receivers are counted.
        code, reason: to close with.
        exclude: ids of clients that it does not reach.
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
    """Answers a request.

    Attributes:
        id: of the request.
        node: the hub's node that asked.
        sender: the broker's node that answers.
        value: the answer; None if the act has none or failed.
        code: error code if it failed; empty if it did not.
        message: of the error.
        retry: whether it may succeed later.
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
"""Type of a note between nodes → its payload."""
