"""The web dashboard: its pages and the code that serves the pages to browsers and notebooks.

Importing :mod:`rtmon.dashboard.app` requires the optional dependencies ``rtmon[dashboard]``.
"""

from __future__ import annotations

__all__: list[str] = []
