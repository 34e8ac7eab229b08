"""The probe for Tornado's server."""

from __future__ import annotations

from .application import Instrument, instrument

__all__ = ["Instrument", "instrument"]
