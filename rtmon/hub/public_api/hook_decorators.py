"""Decorators of ``Hub`` that register the application's hooks and checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ...errors import OptionError
from ..hub_assembly import HubAssembly

__all__ = ["HookDecorators"]

F = TypeVar("F", bound=Callable[..., Any])


class HookDecorators:
    """Registers hooks and checks: functions of the application that the hub calls.

    The functions of a hook are called in the order of registration, on the node that the client is
    connected to. They may be coroutine functions. The hooks of one client are called one after the
    other, in the order of the events. While a hook runs, that client's next message waits; other
    clients do not wait. If a hook takes longer than ``hook_timeout``, raises, is cancelled or
    returns an invalid value, the client gets an error. The failure is logged, reported as an Event,
    and counted in :attr:`hook_failures`.
    """

    _parts: HubAssembly

    def on_connect(self, function: F) -> F:
        """Decorate ``function(client)``, called before a client is welcomed.

        The function accepts the client by returning None or True. It refuses the client by
        returning False or raising ProtocolError. If the function fails, the client is refused.
        Messages that the function sends to the client arrive after the welcome.

        Raises:
            OptionError: the function cannot be called with these parameters.
        """
        self._parts.hooks.add("on_connect", function)
        return function

    def on_disconnect(self, function: F) -> F:
        """Decorate ``function(client, code, reason, cause)``, called when a client disconnects.

        It is called once for each client that ``on_connect`` has accepted, after ``on_leave`` for
        the client's rooms. ``code`` is None if the transport has no close codes. ``cause`` is one
        of :data:`rtmon.metrics.close_causes.Cause`, or ``unknown``.

        Raises:
            OptionError: the function cannot be called with these parameters.
        """
        self._parts.hooks.add("on_disconnect", function)
        return function

    def on_join(self, function: F) -> F:
        """Decorate ``function(client, room)``, called after a client has joined a room.

        Raises:
            OptionError: the function cannot be called with these parameters.
        """
        self._parts.hooks.add("on_join", function)
        return function

    def on_leave(self, function: F) -> F:
        """Decorate ``function(client, room)``, called after a client has left a room.

        Raises:
            OptionError: the function cannot be called with these parameters.
        """
        self._parts.hooks.add("on_leave", function)
        return function

    def on_subscribe(self, function: F) -> F:
        """Decorate ``function(client, channel)``, called after a client has subscribed.

        ``channel`` is the name of a channel, or a pattern.

        Raises:
            OptionError: the function cannot be called with these parameters.
        """
        self._parts.hooks.add("on_subscribe", function)
        return function

    def on_publish(self, function: F) -> F:
        """Decorate ``function(client, channel, data)``, called after a client has published.

        Raises:
            OptionError: the function cannot be called with these parameters.
        """
        self._parts.hooks.add("on_publish", function)
        return function

    def check(self, kind: str) -> Callable[[F], F]:
        """Decorate ``function(client, payload)``, called before the hub handles a client's message.

        The function returns the payload, or a replacement (a payload of the same type, or a dict as
        a client would send it). It raises ProtocolError to refuse the message. The message has no
        position yet and is not encoded, so all receivers get the returned payload.

        Args:
            kind: a message type of the protocol, or one registered with :meth:`rtmon.hub.Hub.on`.

        Raises:
            OptionError: clients do not send messages of this type, or the function cannot be called
                with these parameters.
        """
        if not isinstance(kind, str):
            raise OptionError(f"{kind!r:.100} is not a message type: use @hub.check('TYPE').")

        def decorate(function: F) -> F:
            self._parts.checks.add(kind, function)
            return function

        return decorate

    @property
    def hook_failures(self) -> Mapping[str, int]:
        """Hook or check → number of its failures; a live, read-only view."""
        return MappingProxyType(self._parts.hook_calls.failures)
