"""What the scripts of the dashboard's page and of a notebook share."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["FONT", "asset"]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
"""Fonts that come with the machine: a view asks no other host for anything."""


@cache
def asset(name: str) -> str:
    """Read a script or style sheet of this folder."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
