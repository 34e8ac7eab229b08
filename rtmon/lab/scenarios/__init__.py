"""Scenarios: groups of clients that show how a hub behaves, with adjustable knobs and charts.

::

    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0) as server:
        async with ReconnectStorm(server, clients=200) as storm:
            storm.jitter = 0
            storm.cut()

In a notebook, ``storm`` as the last line of a cell shows charts, sliders and buttons.
"""

from __future__ import annotations

from .base import Scenario
from .batching_comparison import BatchingComparison
from .chat_room import ChatRoom
from .knob import Knob
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
