"""The probe for ``websockets``: connection classes that count, for servers and for clients."""

from __future__ import annotations

import logging
from inspect import isclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection

from ...errors import OptionError
from ...metrics.collector import Collector
from . import inlined_calls, library_selftest
from .counting_client_and_server import counting_class
from .counting_connection import CountingConnection

if TYPE_CHECKING:
    from websockets.asyncio.connection import Connection

    from ...metrics.monitor_interfaces import Recorder

__all__ = ["probe", "probed"]

logger = logging.getLogger("rtmon")

Way: TypeAlias = Literal["around", "flat", "fast"]
"""How a connection counts: around the library's methods, with inlined calls, or with the fast path
in front."""


def probe(
    monitor: Recorder,
    *,
    base: type[Connection] = ServerConnection,
    fast: bool = False,
    times: bool = True,
) -> type[Any]:
    """Return a connection class that counts: ``serve(..., create_connection=probe(monitor))``.

    With ``base=ClientConnection`` it is for ``connect(..., create_connection=...)``: such
    connections have the role ``client`` and do not count in a server's totals.

    Args:
        monitor: the Monitor.
        base: your own connection class, if you have one.
        fast: True to skip the library's steps that ordinary messages do not need, where that is
            known to be safe; otherwise an Event and a log line give the reason.
        times: True to keep how long messages wait and handlers take, and the last frames of each
            connection, as well as the counters.

    Returns:
        A subclass of ``base``. Its connections have an attribute ``meter`` whose ``name`` you
        may set: the name under which a connection is shown.

    Raises:
        OptionError: ``monitor`` is not a Monitor, ``base`` is not a connection class, or another
            Monitor already counts connections of that class.
    """
    if not isinstance(getattr(monitor, "collector", None), Collector):
        raise OptionError(f"probe() was given {monitor!r}: give it a Monitor")
    given: Any = base
    if not (isclass(given) and issubclass(given, ServerConnection | ClientConnection)):
        raise OptionError(
            f"base is {base!r}: give a ServerConnection or a ClientConnection of "
            "websockets.asyncio, or a class derived from one"
        )
    if issubclass(base, ServerConnection):
        monitor.collector.expect("websockets")
    if issubclass(base, CountingConnection):
        if base.monitor is monitor:
            return base
        raise OptionError(
            f"{base.__name__} is counted by another Monitor already; give probe() the class "
            "below it, or use that Monitor"
        )
    if fast:
        from ...servers.turbo import fast_path

        obstacle = fast_path.obstacle(base) or library_selftest.difference(fast_path.FRONT)
        if obstacle is None:
            return probed(monitor, base, way="fast", times=times)
        logger.warning("the fast path is off: %s", obstacle)
        monitor.event("fast path off", obstacle)
    known = (
        inlined_calls.obstacle(base) or library_selftest.difference(inlined_calls.FRONT)
    ) is None
    return probed(monitor, base, way="flat" if known else "around", times=times)


def probed(
    monitor: Recorder, base: type[Connection], *, way: Way = "around", times: bool = True
) -> type[Any]:
    """Return the class for :func:`probe`, without checking that the way is safe.

    Args:
        monitor: the Monitor.
        base: the connection class below.
        way: how it counts.
        times: as for :func:`probe`.
    """
    front: tuple[type[Any], ...] = ()
    if way == "flat":
        front = inlined_calls.FRONT
    elif way == "fast":
        from ...servers.turbo import fast_path

        front = fast_path.FRONT
    return counting_class(monitor, base, front=front, times=times)
