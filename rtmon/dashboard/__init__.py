"""The dashboard: its pages and how they are served; ``app`` needs the extra ``dashboard``."""

from __future__ import annotations

__all__: list[str] = []
