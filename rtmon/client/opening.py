"""``rtmon.connect``."""

from __future__ import annotations

import random
from typing import Any

from ..clock import SYSTEM_CLOCK, Clock
from .client import Client
from .engine import Engine
from .options import ClientOptions

__all__ = ["connect"]


def connect(
    url: str,
    *,
    options: ClientOptions | None = None,
    clock: Clock = SYSTEM_CLOCK,
    rng: random.Random | None = None,
    **changes: Any,
) -> Client:
    """A client of a hub that reconnects, and goes on where it was.

    ``async with rtmon.connect("ws://localhost:8765", name="ada") as client: …``

    Args:
        url: ``ws://`` or ``wss://``.
        options: how it behaves; the default options if None.
        clock: where time comes from.
        rng: for the waits between attempts.
        **changes: fields of :class:`ClientOptions` that differ from ``options``; everything else is
            handed to ``websockets.asyncio.client.connect``: ``additional_headers``, ``ssl``,
            ``proxy``, ``origin``, ``compression``, ``create_connection`` and so on.

    Raises:
        OptionError: an argument is wrong.
    """
    chosen, connection = ClientOptions.of(options, changes)
    engine = Engine(url, chosen, connection, clock=clock, rng=rng or random.Random())
    return Client(engine, chosen)
