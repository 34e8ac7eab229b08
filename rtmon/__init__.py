"""See your WebSockets: a live dashboard for Python WebSocket servers.

Each public name is imported when it is first used. So ``import rtmon`` alone needs neither panel
nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .core import deprecated_imports

if TYPE_CHECKING:
    from . import client as client
    from . import errors as errors
    from . import hub as hub
    from . import protocol as protocol
    from .client import Client, connect
    from .core.backoff import Backoff
    from .core.batch_buffer import Batch
    from .core.batcher import Batcher
    from .core.clock import Clock
    from .core.rate_limiter import RateLimiter
    from .dashboard.notebook_view import view
    from .display import Dashboard
    from .errors import RtmonError
    from .exporting import export
    from .feeds import Feed, open_feed
    from .hub import Hub
    from .metrics.redaction import Redaction
    from .monitor import Monitor
    from .probes.asgi import ASGIProbe
    from .probes.websockets import probe
    from .recording import Recording, RecordingLimits, read
    from .reporting import report
    from .servers.admin_listener import Admin, serve_admin
    from .servers.fanout import broadcast
    from .servers.websockets import Server, serve
    from .sinks.csv import CSVSink, csv_types, read_csv

__all__ = [
    "ASGIProbe",
    "Admin",
    "Backoff",
    "Batch",
    "Batcher",
    "CSVSink",
    "Client",
    "Clock",
    "Dashboard",
    "Feed",
    "Hub",
    "Monitor",
    "RateLimiter",
    "Recording",
    "RecordingLimits",
    "Redaction",
    "RtmonError",
    "Server",
    "__version__",
    "broadcast",
    "connect",
    "csv_types",
    "export",
    "open_feed",
    "probe",
    "read",
    "read_csv",
    "report",
    "serve",
    "serve_admin",
    "view",
]

__version__ = "0.1.0"

_HOMES = {
    "ASGIProbe": "probes.asgi",
    "Admin": "servers.admin_listener",
    "Backoff": "core.backoff",
    "Batch": "core.batch_buffer",
    "Batcher": "core.batcher",
    "CSVSink": "sinks.csv",
    "Client": "client",
    "Clock": "core.clock",
    "Dashboard": "display",
    "Feed": "feeds",
    "Hub": "hub",
    "Monitor": "monitor",
    "RateLimiter": "core.rate_limiter",
    "Recording": "recording",
    "RecordingLimits": "recording",
    "Redaction": "metrics.redaction",
    "RtmonError": "errors",
    "Server": "servers.websockets",
    "broadcast": "servers.fanout",
    "connect": "client",
    "csv_types": "sinks.csv",
    "export": "exporting",
    "open_feed": "feeds",
    "probe": "probes.websockets",
    "read": "recording",
    "read_csv": "sinks.csv",
    "report": "reporting",
    "serve": "servers.websockets",
    "serve_admin": "servers.admin_listener",
    "view": "dashboard.notebook_view",
}


deprecated_imports.install()


_MODULES = frozenset({"client", "errors", "hub", "protocol"})
"""Modules that are imported at first use as attributes, such as ``rtmon.protocol``."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    home = _HOMES.get(name)
    if home is None:
        problem = f"module 'rtmon' has no attribute {name!r}"
        raise AttributeError(problem)
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
