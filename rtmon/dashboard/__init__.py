"""The page of a feed in a browser tab; needs the extra ``dashboard``."""

from __future__ import annotations

from ..errors import MissingExtra

try:
    import panel as pn  # noqa: F401 - only to say clearly that it is missing
except ImportError:
    raise MissingExtra("The dashboard", "panel", "dashboard") from None

__all__: list[str] = []
