"""The web dashboard: its pages, and the server code that sends updates to them.

The module ``app`` needs the extra ``dashboard``.
"""

from __future__ import annotations

__all__: list[str] = []
