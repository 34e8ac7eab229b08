"""``rtmon.connect``: the function that makes a client of a hub or of another server."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from ..core.clock import SYSTEM_CLOCK, Clock
from .client import Client
from .connection_loop import Engine
from .options import ClientOptions

if TYPE_CHECKING:
    from ..metrics.monitor_interfaces import Recorder

__all__ = ["connect"]


def connect(
    url: str,
    *,
    options: ClientOptions | None = None,
    monitor: Recorder | None = None,
    clock: Clock = SYSTEM_CLOCK,
    rng: random.Random | None = None,
    **changes: Any,
) -> Client:
    """Return a client for a hub, which reconnects and resumes where it was disconnected.

    ``async with rtmon.connect("ws://localhost:8765", name="ada") as client: …``

    With ``protocol="plain"``, the server may be any WebSocket server that takes
    ``{type, payload}`` in JSON, or raw messages.

    Args:
        url: the server's URL, ``ws://`` or ``wss://``.
        options: the client's options; the defaults if None.
        monitor: a Monitor that measures the client's connections under the role ``client``, and
            lists the client's statistics in ``monitor.clients()``.
        clock: source of time; tests may pass another one.
        rng: random numbers for the backoff.
        **changes: fields of :class:`ClientOptions`, which replace those of ``options``. Other
            arguments are passed to ``websockets.asyncio.client.connect``, such as
            ``additional_headers``, ``ssl``, ``proxy``, ``origin``, ``compression`` and
            ``create_connection``.

    Raises:
        OptionError: an argument is unknown or has an invalid value.
    """
    chosen, connection = ClientOptions.of(options, changes)
    rng = rng or random.Random()
    engine = Engine(url, chosen, connection, monitor=monitor, clock=clock, rng=rng)
    return Client(engine, chosen)
