"""The dashboard: its pages, and how a browser gets them; ``app`` needs the extra ``dashboard``."""

from __future__ import annotations

__all__: list[str] = []
