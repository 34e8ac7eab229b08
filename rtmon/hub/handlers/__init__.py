"""Handlers of the protocol's message types.

A handler takes the connection, the typed payload, the envelope, and the codec of the payload. It
raises ProtocolError for a mistake of the client.
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


def with_payload_types(handlers: Mapping[str, Handler]) -> dict[str, tuple[Any, Handler]]:
    """Return message type → (payload type, handler)."""
    # A type that is not in the catalog is another spelling of one that is, with any payload.
    return {kind: (INCOMING.get(kind, Any), handler) for kind, handler in handlers.items()}
