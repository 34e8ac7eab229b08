"""Handlers of inbound messages, one for each message type of the protocol.

A handler is called with the connection, the decoded payload, the envelope, and the codec of the
payload. It raises ProtocolError for a client's mistake.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from ...protocol.catalog import INCOMING
from ...protocol.codecs import Codec
from ...protocol.envelope import Envelope
from ..connection import Connection

__all__ = ["Handler", "with_payload_types"]

Handler: TypeAlias = Callable[[Connection, Any, Envelope, Codec], Awaitable[None]]
"""Handles a message: called with connection, payload, envelope and codec."""


def with_payload_types(handlers: Mapping[str, Handler]) -> dict[str, tuple[Any, Handler]]:
    """Return message type → (payload type, handler)."""
    # A type that is not in the catalog is an alternative name, whose payload may be any value.
    return {kind: (INCOMING.get(kind, Any), handler) for kind, handler in handlers.items()}
