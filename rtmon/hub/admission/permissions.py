"""Permissions: what a client may do, and where."""

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
"""What a client asks to do. ``publish`` includes messages and typing indicators in a room or the
chat; ``subscribe`` includes a channel's history."""

Allow: TypeAlias = Callable[[Connection, Action, str], "bool | Awaitable[bool]"]
"""Returns whether a client may do something in a place: ``channel:news.sport``, ``room:lobby``,
``chat``, ``client:ID`` for a message to one client, ``files`` for an upload to the server. The
place of a subscription may be a pattern, which stands for all channels that it matches."""


class Permissions:
    """Checks the rules of :class:`~rtmon.hub.ChannelOptions`, then asks the application.

    Args:
        context: of the hub.
        allow: a function of the application; None allows what the rules allow.
    """

    def __init__(self, context: HubContext, allow: Allow | None) -> None:
        self._context = context
        self._allow = allow

    async def check(self, connection: Connection, action: Action, place: str) -> None:
        """Check that a client may do something.

        Args:
            connection: the client's.
            action: what it asks to do.
            place: the key of the place.

        Raises:
            ProtocolError: the client may not.
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
                if connection.peer.closing or not connection.open:  # it ended meanwhile
                    allowed = False
        except ProtocolError:
            raise
        except Exception:
            logger.exception("allow failed for %s; it is not allowed", action)
            allowed = False
        if allowed is not True:
            raise _forbidden(action, place)

    def _check_rules(self, connection: Connection, action: Action, name: str) -> None:
        for pattern, rule in self._context.options.channels.items():
            if is_pattern(name):
                # A subscription to a pattern gets all channels it matches, so each rule that
                # overlaps it applies, up to the first rule that covers it entirely.
                if overlaps(pattern, name):
                    _check_rule(connection, action, name, rule)
                if covers(pattern, name):
                    return
            elif matches(pattern, name):
                _check_rule(connection, action, name, rule)
                return


def _check_rule(connection: Connection, action: Action, name: str, rule: ChannelOptions) -> None:
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
