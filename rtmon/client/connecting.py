"""``rtmon.connect``."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from ..core.clock import SYSTEM_CLOCK, Clock
from .client import Client
from .engine import Engine
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
    With ``protocol="plain"`` the server may be any that takes ``{type, payload}`` or raw messages.

    Args:
        url: ``ws://`` or ``wss://``.
        options: how it behaves; the default options if None.
        monitor: told of its connections, with the role ``client``, and of its own numbers:
            ``monitor.clients()``.
        clock: where time comes from.
        rng: for the waits between attempts.
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
