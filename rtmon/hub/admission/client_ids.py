"""Client ids that clients choose themselves: validation, ownership, and uniqueness on all nodes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator

from ...errors import ProtocolError
from ..connection import Connection
from ..connection_registry import ConnectionRegistry
from ..hub_context import HubContext

__all__ = ["ClientIds", "owner"]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@+-]{0,63}")
"""Syntax of a client id. It has no spaces, because the Lua scripts in Redis separate ids from keys
by a space."""


def owner(client_id: str) -> str:
    """Return the id of the user who owns a client id.

    This is the part before the last colon, or the whole client id if it has no colon.

    The owner depends only on the client id, so no two users can claim the same client id.
    """
    return client_id.rpartition(":")[0] or client_id


class ClientIds:
    """Assigns clients the ids that they ask for, if the option ``client_ids`` allows it.

    Args:
        context: the hub's shared context.
        registry: the connections of this node.
    """

    def __init__(self, context: HubContext, registry: ConnectionRegistry) -> None:
        self._context = context
        self._registry = registry
        self._claimed: set[str] = set()

    @contextlib.asynccontextmanager
    async def claimed(self, connection: Connection) -> AsyncIterator[None]:
        """Context manager: assign a connection the client id that its client asks for.

        While the body runs, the id is reserved on all nodes. If the client asks for no id, or the
        option ``client_ids`` is off, nothing is assigned.

        Raises:
            ProtocolError: the id is malformed (``invalid_client_id``), belongs to another user
                (``forbidden``) or is in use (``client_id_in_use``), or the broker cannot be
                reached.
        """
        wanted = connection.wanted_id
        if wanted is None or not self._context.options.client_ids:
            yield
            return
        self._check(connection, wanted)
        if wanted in self._registry.connections or wanted in self._claimed:
            raise _in_use(wanted)
        self._claimed.add(wanted)
        broker = self._context.broker
        try:
            if not await broker.claim(wanted):
                raise _in_use(wanted)
            connection.id = wanted
            connection.name = wanted
            yield
        finally:
            self._claimed.remove(wanted)
            await broker.unclaim(wanted)

    def _check(self, connection: Connection, wanted: str) -> None:
        """Check the syntax and the owner of a client id.

        Raises:
            ProtocolError: the client may not have this id.
        """
        if not _ID.fullmatch(wanted):
            raise ProtocolError(
                "invalid_client_id",
                "A client id has 1 to 64 letters, digits and ._~:@+-, and begins with a letter or "
                "digit.",
            )
        known = connection.identity
        if known is not None and owner(wanted) != known.id:
            raise ProtocolError(
                "forbidden",
                f"The client id {wanted!r} is not yours: ask for your user id, or for your user id "
                "with a colon and a word behind it.",
            )


def _in_use(wanted: str) -> ProtocolError:
    return ProtocolError(
        "client_id_in_use",
        f"The client id {wanted!r} is in use: come back when that client has gone.",
        retry=True,
    )
