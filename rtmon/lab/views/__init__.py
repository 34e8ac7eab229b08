"""Pictures of the lab in a notebook; drawing needs the extra ``dashboard``.

What is shown lives as long as it stands on the page, and is updated by one task per picture.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from typing import Any

from ...errors import MissingExtra

__all__ = ["bundle", "require_panel"]


def require_panel() -> None:
    """Check that Panel is installed.

    Raises:
        MissingExtra: it is not.
    """
    if importlib.util.find_spec("panel") is None:
        raise MissingExtra("A picture of the lab", "panel", "dashboard")


def bundle(owner: object, draw: Callable[[], Any], include: Any, exclude: Any) -> Any:
    """Make the result of ``_repr_mimebundle_``.

    Args:
        owner: what is shown; its ``repr`` stands where nothing can be drawn.
        draw: makes the Panel object.
        include: as Jupyter gives it.
        exclude: as Jupyter gives it.
    """
    try:
        asyncio.get_running_loop()
        require_panel()
    except (RuntimeError, MissingExtra):  # nothing moves without a loop
        return {"text/plain": repr(owner)}
    import panel as pn

    if not pn.extension._loaded:  # noqa: SLF001 - the only place where Panel says so
        pn.extension(inline=True)
    data, metadata = draw()._repr_mimebundle_(include, exclude)
    return {**data, "text/plain": repr(owner)}, metadata
