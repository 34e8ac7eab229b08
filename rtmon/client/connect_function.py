"""``rtmon.connect``: make a client that connects, reconnects and resumes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from ..core.clock import SYSTEM_CLOCK, Clock
from .client import Client
from .connection_loop import Engine
from .options import ClientOptions

if TYPE_CHECKING:
    from ..metrics.interfaces import Recorder

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
    """Connect to a hub, with a client that reconnects and resumes from its positions.

    ``async with rtmon.connect("ws://localhost:8765", name="ada") as client: …``
    With ``protocol="plain"``, connect to any WebSocket server that takes ``{type, payload}``
    in JSON or raw messages.

    Args:
        url: ``ws://`` or ``wss://``.
        options: the client's options; the defaults if None.
        monitor: a Monitor that measures the client's connections under the role ``client``, and
            lists the client's statistics in ``monitor.clients()``.
        clock: where time comes from.
        rng: random numbers for the backoff.
        **changes: fields of :class:`ClientOptions` that differ from ``options``; everything else is
            handed to ``websockets.asyncio.client.connect``: ``additional_headers``, ``ssl``,
            ``proxy``, ``origin``, ``compression``, ``create_connection`` and so on.

    Raises:
        OptionError: an argument is wrong.
    """
    chosen, connection = ClientOptions.of(options, changes)
    rng = rng or random.Random()
    engine = Engine(url, chosen, connection, monitor=monitor, clock=clock, rng=rng)
    return Client(engine, chosen)
