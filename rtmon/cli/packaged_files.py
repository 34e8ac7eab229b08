"""Find the folders of notebooks and dashboard scripts that are part of the rtmon package."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped"]


def shipped(name: str) -> Path:
    """Return the path of the folder ``notebooks`` or ``dashboards``.

    The folder is inside the installed package, or next to the package in a source checkout.
    """
    package = Path(__file__).parents[1]
    installed = package / f"_{name}"
    return installed if installed.is_dir() else package.parent / name
