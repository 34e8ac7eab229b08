"""What comes along with the package, and is opened by its name."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped"]


def shipped(name: str) -> Path:
    """The folder ``notebooks`` or ``dashboards``: in a wheel inside the package, else beside it."""
    package = Path(__file__).parents[1]
    installed = package / f"_{name}"
    return installed if installed.is_dir() else package.parent / name
