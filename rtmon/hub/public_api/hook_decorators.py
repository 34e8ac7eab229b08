"""The decorators of a hub by which a program has its functions called; see docs/hub.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ...errors import OptionError
from ..hub_assembly import HubAssembly

__all__ = ["HookDecorators"]

F = TypeVar("F", bound=Callable[..., Any])


class HookDecorators:
    """Registers functions and coroutine functions of the program, called in the order given.

    A hook is called on the node that the client is connected to. Hooks of one client are called one
    after the other, in the order of what happened; while one runs, the client's next message waits,
    and no other client does. One that takes longer than ``hook_timeout``, raises, is cancelled or
    returns something else harms its own message only: the client is sent an error, the operator
    finds a log line and an Event, and :attr:`hook_failures` counts it.
    """

    _parts: HubAssembly

    def on_connect(self, function: F) -> F:
        """Decorate ``function(client)``, called before a client is welcomed.

        It lets the client in by returning None or True, and refuses it by returning False or
        raising ProtocolError; if it fails, the client is refused, too. What it sends to the client
        arrives after the welcome.

        Raises:
            OptionError: it cannot be called so.
        """
        self._parts.hooks.add("on_connect", function)
        return function

    def on_disconnect(self, function: F) -> F:
        """Decorate ``function(client, code, reason, cause)``, called when a client has gone.

        It is called once for each client that was let in, after ``on_leave`` for its rooms.
        ``code`` is None if the transport has no close codes; ``cause`` is one of
        :data:`rtmon.metrics.close_causes.Cause`, or ``unknown``.

        Raises:
            OptionError: it cannot be called so.
        """
        self._parts.hooks.add("on_disconnect", function)
        return function

    def on_join(self, function: F) -> F:
        """Decorate ``function(client, room)``, called when a client has joined a room.

        Raises:
            OptionError: it cannot be called so.
        """
        self._parts.hooks.add("on_join", function)
        return function

    def on_leave(self, function: F) -> F:
        """Decorate ``function(client, room)``, called when a client has left a room.

        Raises:
            OptionError: it cannot be called so.
        """
        self._parts.hooks.add("on_leave", function)
        return function

    def on_subscribe(self, function: F) -> F:
        """Decorate ``function(client, channel)``, called for a new subscription.

        ``channel`` may be a pattern.

        Raises:
            OptionError: it cannot be called so.
        """
        self._parts.hooks.add("on_subscribe", function)
        return function

    def on_publish(self, function: F) -> F:
        """Decorate ``function(client, channel, data)``, called when a client has published.

        Raises:
            OptionError: it cannot be called so.
        """
        self._parts.hooks.add("on_publish", function)
        return function

    def check(self, kind: str) -> Callable[[F], F]:
        """Decorate ``function(client, payload)``, which sees messages before the hub does.

        It returns the payload, or another one in its place (a payload of the same type, or a dict
        as a client would send it), or raises ProtocolError to refuse the message. The message has
        no position yet and is not encoded: what is returned is what all receivers get.

        Args:
            kind: the message type, of the protocol or registered with :meth:`rtmon.hub.Hub.on`.

        Raises:
            OptionError: clients send no messages of this type, or it cannot be called so.
        """
        if not isinstance(kind, str):
            raise OptionError(
                f"{kind!r:.100} is no message type: @hub.check takes one, in parentheses."
            )

        def decorate(function: F) -> F:
            self._parts.checks.add(kind, function)
            return function

        return decorate

    @property
    def hook_failures(self) -> Mapping[str, int]:
        """Hook or check → how often it failed, live and read-only."""
        return MappingProxyType(self._parts.hook_calls.failures)
