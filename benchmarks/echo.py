"""Echo servers to compare: without counting, with rtmon, and with hand-written counters."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from websockets.asyncio.server import ServerConnection

from rtmon import Monitor, probe
from rtmon.probes.websockets import probed

__all__ = ["KINDS", "SOCKET_KINDS", "Kind"]

Handler = Callable[[Any], Awaitable[None]]

SIZES = (64, 256, 1024, 4096, 16384, 65536)
"""Histogram buckets in bytes, as an application might choose them for message sizes."""


async def _echo(connection: Any) -> None:
    async for message in connection:
        await connection.send(message)


def _by_hand(*, labels: bool) -> Handler:
    """Count in the handler as applications do: two counters and a histogram in each direction."""
    registry = CollectorRegistry()
    names = ["path", "kind"] if labels else []

    def counter(name: str) -> Counter:
        return Counter(name, name, names, registry=registry)

    def histogram(name: str) -> Histogram:
        return Histogram(name, name, names, registry=registry, buckets=SIZES)

    messages = [counter("messages_in"), counter("messages_out")]
    octets = [counter("bytes_in"), counter("bytes_out")]
    sizes = [histogram("size_in"), histogram("size_out")]

    def count(way: int, message: str | bytes) -> None:
        size = len(message)
        messages[way].inc()
        octets[way].inc(size)
        sizes[way].observe(size)

    def count_labelled(way: int, message: str | bytes) -> None:
        size = len(message)
        labelled = ("/", "text" if isinstance(message, str) else "binary")
        messages[way].labels(*labelled).inc()
        octets[way].labels(*labelled).inc(size)
        sizes[way].labels(*labelled).observe(size)

    counted = count_labelled if labels else count

    async def handler(connection: Any) -> None:
        async for message in connection:
            counted(0, message)
            await connection.send(message)
            counted(1, message)

    return handler


class Kind:
    """One kind of echo server.

    Args:
        title: Name of this kind in tables.
        connection_class: Function that makes the connection class for a Monitor.
        handler: Function that makes the handler.
    """

    def __init__(
        self,
        title: str,
        connection_class: Callable[[Monitor], type[Any]] = lambda _: ServerConnection,
        handler: Callable[[], Handler] = lambda: _echo,
    ) -> None:
        self.title = title
        self.connection_class = connection_class
        self.handler = handler


def _around(monitor: Monitor, *, times: bool = True) -> type[Any]:
    """Return a connection class whose probe wraps the library's methods.

    This is what rtmon uses for versions of websockets that it was not tested with.
    """
    return probed(monitor, ServerConnection, times=times)


KINDS = {
    "bare": Kind("`websockets` alone"),
    "around counters": Kind(
        "probe around the library's methods, counters and sizes only",
        functools.partial(_around, times=False),
    ),
    "around": Kind("probe around the library's methods, with times and last frames", _around),
    "counters": Kind("probe, counters and sizes only", lambda monitor: probe(monitor, times=False)),
    "probe": Kind("probe, with times and last frames", probe),
    "fast counters": Kind(
        "fast path, counters and sizes only",
        lambda monitor: probe(monitor, fast=True, times=False),
    ),
    "fast": Kind(
        "fast path, with times and last frames (`rtmon.serve`)",
        lambda monitor: probe(monitor, fast=True),
    ),
    "prometheus": Kind("prometheus_client in the handler", handler=lambda: _by_hand(labels=False)),
    "labels": Kind(
        "prometheus_client in the handler, with labels", handler=lambda: _by_hand(labels=True)
    ),
}
SOCKET_KINDS = ("bare", "probe", "fast", "prometheus", "labels")
