"""Scenarios of real-time servers: start one, turn its knobs, and watch its numbers.

::

    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0) as server:
        async with ReconnectStorm(server, clients=200) as storm:
            storm.jitter = 0
            storm.cut()

In a notebook the last line of a cell, ``storm``, is its picture with sliders and buttons.
"""

from __future__ import annotations

from .base import Scenario
from .batching import BatchingComparison
from .chat import ChatRoom
from .knobs import Knob
from .slow import SlowReader
from .storm import ReconnectStorm, Recovery
from .ticker import MarketTicker

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
