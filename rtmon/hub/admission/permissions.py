"""Who may do what, once it is known who they are."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ...errors import ProtocolError
from ..channels import covers, is_pattern, matches, overlaps

if TYPE_CHECKING:
    from ..connection import Session
    from ..hub import Hub
    from ..options import ChannelOptions

__all__ = ["Access", "Action", "Allow"]

logger = logging.getLogger("rtmon.hub")

Action = Literal["subscribe", "publish", "join", "presence", "send", "upload"]
"""What a client wants to do. ``publish`` is to speak in a room or the chat, too, and to be seen to
type there; ``subscribe`` to ask for a channel's history, too."""

Allow: TypeAlias = Callable[["Session", Action, str], "bool | Awaitable[bool]"]
"""Whether a client may do something in a place: ``channel:news.sport``, ``room:lobby``, ``chat``,
``client:ID`` for what is for one client alone, ``files`` for a file for the server. The place of a
subscription may be a pattern: all that it matches."""


class Access:
    """Asks the rules of :class:`~rtmon.hub.ChannelOptions`, then a function of the application.

    Args:
        hub: whose rules.
        allow: the function; None allows what the rules do.
    """

    def __init__(self, hub: Hub, allow: Allow | None) -> None:
        self._hub = hub
        self._allow = allow

    async def check(self, session: Session, action: Action, place: str) -> None:
        """Whether a client may do something.

        Raises:
            ProtocolError: it may not.
        """
        kind, _, name = place.partition(":")
        if kind == "channel" and self._hub.options.channels:
            self._rules(session, action, name)
        if self._allow is None:
            return
        try:
            allowed: Any = self._allow(session, action, place)
            if inspect.isawaitable(allowed):
                allowed = await allowed
                if session.peer.shown_out or not session.open:  # it went while it was asked
                    allowed = False
        except ProtocolError:
            raise
        except Exception:
            logger.exception("allow failed for %s; it is not allowed", action)
            allowed = False
        if allowed is not True:
            raise _forbidden(action, place)

    def _rules(self, session: Session, action: Action, name: str) -> None:
        for pattern, rule in self._hub.options.channels.items():
            if is_pattern(name):
                # All that a pattern matches comes with it, so each rule that it touches counts;
                # up to one that it lies within, as the first that matches a channel does.
                if overlaps(pattern, name):
                    self._rule(session, action, name, rule)
                if covers(pattern, name):
                    return
            elif matches(pattern, name):
                self._rule(session, action, name, rule)
                return

    def _rule(self, session: Session, action: Action, name: str, rule: ChannelOptions) -> None:
        needed: str | None = getattr(rule, action, None)
        known = session.identity
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
