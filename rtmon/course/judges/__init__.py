"""Judges: tests of the programs that learners write, with real sockets and network faults.

A judge runs the learner's code, injects network faults, and returns a :class:`Verdict`. The judge
never raises because of the learner's code. If that code hangs, raises, blocks the event loop or
returns a wrong value, the verdict describes the failure. Each judge ends within 20 s.
"""

from __future__ import annotations

from .batcher import batcher
from .chat_server import chat_server
from .chunked_receiver import chunked_receiver
from .event_streams import event_stream
from .frame_reader import frame_reader
from .health_check import health_check
from .presence_server import presence
from .reconnecting_clients import reconnecting_client
from .slow_reader import backpressure
from .verdict import Fact, Promise, Verdict
from .vote_server import vote_server
from .worker_pool import worker_pool

__all__ = [
    "Fact",
    "Promise",
    "Verdict",
    "backpressure",
    "batcher",
    "chat_server",
    "chunked_receiver",
    "event_stream",
    "frame_reader",
    "health_check",
    "presence",
    "reconnecting_client",
    "vote_server",
    "worker_pool",
]
