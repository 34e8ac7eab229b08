"""Find the folders of notebooks and dashboard scripts that are part of the rtmon package."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped"]


def shipped(name: str) -> Path:
    """Return the path of ``notebooks`` or ``dashboards`` in the installed package or git clone."""
    package = Path(__file__).parents[1]
    installed = package / f"_{name}"
    return installed if installed.is_dir() else package.parent / name
