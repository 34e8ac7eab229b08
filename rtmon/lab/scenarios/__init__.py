"""Scenarios: each runs a group of clients that demonstrates one behaviour of a server.

::

    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0) as server:
        async with ReconnectStorm(server, clients=200) as storm:
            storm.jitter = 0
            storm.cut()

In a notebook, ``storm`` as the last line of a cell shows charts, sliders and buttons.
"""

from __future__ import annotations

from .adjustable_knob import Knob
from .base import Scenario
from .batching_comparison import BatchingComparison
from .chat_room import ChatRoom
from .market_ticker import MarketTicker
from .reconnect_storm import ReconnectStorm, Recovery
from .slow_reader import SlowReader

__all__ = [
    "BatchingComparison",
    "ChatRoom",
    "Knob",
    "MarketTicker",
    "ReconnectStorm",
    "Recovery",
    "Scenario",
    "SlowReader",
]
