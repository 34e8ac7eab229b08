"""The probe for servers made with python-socketio."""

from __future__ import annotations

from .server import EventStats, Instrument, NamespaceStats, RoomStats, SocketIOStats, instrument

__all__ = ["EventStats", "Instrument", "NamespaceStats", "RoomStats", "SocketIOStats", "instrument"]
