"""Judges: functions that test a server or client written by a learner, over a failing network.

A judge runs the learner's code with real sockets. The judge delays data, cuts connections of the
code, and returns a :class:`Verdict`. A verdict contains one :class:`Fact` for each
:class:`Promise`, which is a requirement for the learner's code.

An error of the learner's code never becomes an exception of the judge. If the code hangs, raises,
blocks the event loop or returns a wrong value, a promise is broken, and the verdict describes the
error. Each judge ends within 20 s.
"""

from __future__ import annotations

from .chat_servers import chat_server
from .chunked_file_receivers import chunked_receiver
from .event_stream_servers import event_stream
from .health_checks import health_check
from .message_batchers import batcher
from .presence_servers import presence
from .publishers_with_slow_reader import backpressure
from .reconnecting_clients import reconnecting_client
from .verdict import Fact, Promise, Verdict
from .vote_servers import vote_server
from .websocket_frame_readers import frame_reader
from .worker_pools import worker_pool

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
