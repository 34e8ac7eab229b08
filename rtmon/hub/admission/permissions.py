"""Permissions: checks whether a client may subscribe, publish, join, send or upload."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from ...errors import ProtocolError
from ...protocol.channel_patterns import covers, is_pattern, matches, overlaps
from ..connection import Connection
from ..hub_context import HubContext
from ..options import ChannelOptions

__all__ = ["Action", "Allow", "Permissions"]

logger = logging.getLogger("rtmon.hub")

Action = Literal["subscribe", "publish", "join", "presence", "send", "upload"]
"""An action that a client requests. ``publish`` includes messages and typing indicators in a room
or the chat. ``subscribe`` includes reading a channel's history."""

Allow: TypeAlias = Callable[[Connection, Action, str], "bool | Awaitable[bool]"]
"""Function or coroutine function that returns True if a client may perform an action. The third
argument is a key: ``channel:news.sport``, ``room:lobby``, ``chat``, ``client:ID`` for a message to
one client, or ``files`` for an upload to the server. The key of a subscription may contain a
pattern, which stands for all channels that it matches."""


class Permissions:
    """Checks permissions by :class:`~rtmon.hub.ChannelOptions`, then by the application's function.

    Args:
        context: the hub's shared context.
        allow: the application's function; None allows what the channel options allow.
    """

    def __init__(self, context: HubContext, allow: Allow | None) -> None:
        self._context = context
        self._allow = allow

    async def check(self, connection: Connection, action: Action, place: str) -> None:
        """Check that a client may perform an action.

        Args:
            connection: the client's connection.
            action: the action.
            place: key of the room, channel, chat or client that the action is about.

        Raises:
            ProtocolError: the client may not perform the action (``forbidden``).
        """
        kind, _, name = place.partition(":")
        if kind == "channel" and self._context.options.channels:
            self._check_rules(connection, action, name)
        if self._allow is None:
            return
        try:
            allowed: Any = self._allow(connection, action, place)
            if inspect.isawaitable(allowed):
                allowed = await allowed
                # Refuse the action if the connection ended during the await.
                if connection.peer.closing or not connection.open:
                    allowed = False
        except ProtocolError:
            raise
        except Exception:
            logger.exception("allow failed for %s; it is not allowed", action)
            allowed = False
        if allowed is not True:
            raise _forbidden(action, place)

    def _check_rules(self, connection: Connection, action: Action, name: str) -> None:
        """Check the permissions that the channel options require for a channel or pattern."""
        for pattern, rule in self._context.options.channels.items():
            if is_pattern(name):
                # A subscription to a pattern receives all channels that match. So all rules whose
                # pattern overlaps apply, up to the first rule whose pattern covers the subscription
                # entirely.
                if overlaps(pattern, name):
                    _check_rule(connection, action, name, rule)
                if covers(pattern, name):
                    return
            elif matches(pattern, name):
                _check_rule(connection, action, name, rule)
                return


def _check_rule(connection: Connection, action: Action, name: str, rule: ChannelOptions) -> None:
    """Check that a client has the permission that the options of a channel require.

    Raises:
        ProtocolError: the client does not have the permission.
    """
    needed: str | None = getattr(rule, action, None)
    known = connection.identity
    if needed is not None and (known is None or needed not in known.permissions):
        raise _forbidden(action, f"channel:{name}")


def _forbidden(action: str, place: str) -> ProtocolError:
    return ProtocolError("forbidden", f"You may not {_WORDS[action]} {place}.")


_WORDS = {
    "subscribe": "hear what is published to",
    "publish": "publish to",
    "join": "join",
    "presence": "see who is in",
    "send": "send to",
    "upload": "send",
}
