"""``rtmon.probe``: make a connection class of ``websockets`` that counts, for either end."""

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
"""How a connection class counts. ``around``: the class wraps the methods of `websockets`. ``flat``:
with inlined calls. ``fast``: with the fast path in addition.
"""


def probe(
    monitor: Recorder,
    *,
    base: type[Connection] = ServerConnection,
    fast: bool = False,
    times: bool = True,
) -> type[Any]:
    """Return a connection class that reports its connections to a Monitor.

    Pass the class to ``websockets``: ``serve(..., create_connection=probe(monitor))``.

    With ``base=ClientConnection`` the class is for ``connect(..., create_connection=...)``. Such
    connections have the role ``client``, and are not included in the totals of a server.

    Args:
        monitor: the Monitor that records the connections.
        base: your own connection class, if you have one.
        fast: True to use a faster implementation of ordinary messages, if it is known to work with
            ``base`` and the installed version of ``websockets``. If not, an Event and a log line
            give the reason.
        times: False to keep only counters. True to record also how long messages wait for the
            handler, how long the handler takes, and the last frames of each connection.

    Returns:
        A subclass of ``base``. Its connections have an attribute ``meter``; you may set
        ``meter.name``, under which a connection is shown.

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
    """Return the class for :func:`probe`, without a check that this way of counting works.

    Args:
        monitor: the Monitor that records the connections.
        base: the connection class to derive from.
        way: how the class counts; see :data:`Way`.
        times: as for :func:`probe`.
    """
    front: tuple[type[Any], ...] = ()
    if way == "flat":
        front = inlined_calls.FRONT
    elif way == "fast":
        from ...servers.turbo import fast_path

        front = fast_path.FRONT
    return counting_class(monitor, base, front=front, times=times)
