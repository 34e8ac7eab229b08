"""The class ``Hub``, the public interface of a hub."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import OptionError
from ..protocol import close
from .admission.authentication import Auth
from .admission.permissions import Allow
from .brokers.base import Broker
from .brokers.memory import MemoryBroker
from .connection import Connection
from .hub_assembly import HubAssembly
from .hub_context import HubContext
from .options import CHANGEABLE, HubOptions
from .public_api.client_methods import ClientMethods
from .public_api.hook_decorators import HookDecorators
from .public_api.messaging_methods import MessagingMethods
from .public_api.monitor_methods import MonitorMethods
from .public_api.transport_methods import TransportMethods

__all__ = ["Hub"]


class Hub(MessagingMethods, ClientMethods, HookDecorators, MonitorMethods, TransportMethods):
    """A real-time server without sockets. Pass it to ``rtmon.serve``.

    Args:
        options: the hub's options; None for the defaults.
        auth: authenticates clients, such as :class:`rtmon.hub.JWT`; None accepts the user id that a
            client claims.
        allow: decides what a client may do, in addition to :class:`ChannelOptions`; see
            :mod:`rtmon.hub.admission.permissions`.
        broker: carries publications between nodes; None for a broker in memory, for a single node.
        clock: returns monotonic seconds.
        wall: returns Unix seconds, for timestamps.
        changes: fields of :class:`HubOptions` that differ from ``options``, such as
            ``Hub(history=100)``.

    Attributes:
        context: objects that the parts of the hub share; transports use it.
        registry: the connections with their rooms and subscriptions. Read it, but do not change it.

    Raises:
        OptionError: an option has an invalid value.
    """

    def __init__(
        self,
        options: HubOptions | None = None,
        *,
        auth: Auth | None = None,
        allow: Allow | None = None,
        broker: Broker | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        **changes: Any,
    ) -> None:
        self.context = context = HubContext(
            options=HubOptions.of(options, changes),
            broker=MemoryBroker(clock=clock) if broker is None else broker,
            clock=clock,
            wall=wall,
        )
        self._parts = parts = HubAssembly(context, auth=auth, allow=allow)
        self.registry = parts.registry
        self._dispatcher = parts.dispatcher
        context.broker.attach(parts.broadcast.deliver, events=parts.events)

    def __repr__(self) -> str:
        return f"<Hub {self.options.name!r} {len(self.connections)} connections>"

    @property
    def options(self) -> HubOptions:
        """The current options. :meth:`change` replaces them."""
        return self.context.options

    @property
    def node(self) -> str:
        """Id of this hub among the hubs that share its broker."""
        return self.context.node

    @property
    def connections(self) -> Mapping[str, Connection]:
        """Client id → connection of each welcomed client; a live, read-only view."""
        return MappingProxyType(self.registry.connections)

    @property
    def refused(self) -> Mapping[str, int]:
        """Error code → number of refused clients; a live, read-only view.

        Error codes that the application defines are counted together as ``other``.
        """
        return MappingProxyType(self._parts.refusals.counts)

    def change(self, **changes: Any) -> None:
        """Change options while the hub runs. They apply at once to all connections.

        Args:
            changes: fields of :class:`HubOptions`: those for slow consumers (``slow``,
                ``max_waiting…``, ``stalled``), ``channels``, ``history``, ``history_age``,
                ``max_connections``, ``connections_per_address``, ``at_limit``, ``auth_timeout``,
                ``expiry_notice``, ``idle_timeout``, ``hook_timeout``.

        Raises:
            OptionError: a field cannot be changed while the hub runs, or its value is invalid.
        """
        fixed = sorted(set(changes) - CHANGEABLE)
        if fixed:
            raise OptionError(
                f"{fixed[0]!r} cannot be changed while a hub runs; "
                f"what can is {', '.join(sorted(CHANGEABLE))}."
            )
        self.context.options = HubOptions.of(self.options, changes)
        if "idle_timeout" in changes:
            self._parts.expiry.check_all(self.connections.values())

    @property
    def away(self) -> str | None:
        """The reason why the broker cannot be reached; None if it can be reached."""
        return self.context.broker.away

    @property
    def health(self) -> tuple[int, str]:
        """HTTP status and body of a health check for load balancers, without internal details."""
        return (200, "ok\n") if self.away is None else (503, "the other nodes are out of reach\n")

    def report_to(self, report: Callable[[str, str], object]) -> None:
        """Report outages of the broker and failed hooks to a function.

        Args:
            report: called with a short title and a sentence. It replaces the function of an earlier
                call.
        """
        self._parts.events.report = self._parts.hook_calls.report = report

    async def start(self) -> None:
        """Connect to other nodes, if the broker has any. Servers call this method."""
        await self.context.broker.start()

    async def aclose(self) -> None:
        """Close all connections with code 1001, and finish background tasks."""
        for connection in list(self._parts.connection_limits.connections):
            connection.peer.close(close.GOING_AWAY, "the server stops")
            self.closed(connection)
        await self.context.tasks.wait()
        await self._parts.hooks.aclose()
        self._parts.join_leave.flush()
        self._parts.uploads.close()
        await self.context.broker.aclose()
