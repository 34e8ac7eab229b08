"""Messages that a dashboard page sends to the server, over a WebSocket or a Jupyter comm."""

from __future__ import annotations

from typing import Literal

import msgspec

from .page_updater import PageUpdater, Viewer

__all__ = ["PageMessage", "obey"]


class PageMessage(msgspec.Struct):
    """A message from a dashboard page in a browser or notebook to its page updater.

    Attributes:
        do: the kind of message. ``show``: send the rows of a dashboard page now and with each
            update. ``ask``: send one answer. ``hide``: the browser tab is not visible. ``see``:
            the tab is visible again or has missed an update. ``seek``: show a recording at
            another time. ``play``: play the recording.
        page: name of the dashboard page, for ``show`` and ``ask``.
        asked: parameters of the dashboard page, for ``show`` and ``ask``.
        id: id of the request, for ``ask`` and ``seek``. The answer repeats the id.
        at: for ``seek``: the time to show, in Unix seconds; None for the recording's end.
        speed: for ``play``: seconds of the recording to play per second; 0 to pause.
    """

    do: Literal["show", "ask", "hide", "see", "seek", "play"]
    page: str = ""
    asked: dict[str, str] = {}
    id: int = 0
    at: float | None = None
    speed: float = 0.0


def obey(updater: PageUpdater, viewer: Viewer, said: PageMessage) -> None:
    """Call the page updater's method that belongs to the kind of a viewer's message."""
    match said.do:
        case "show":
            updater.show(viewer, said.page, said.asked)
        case "ask":
            updater.ask(viewer, said.id, said.page, said.asked)
        case "hide":
            viewer.hidden = True
        case "see":
            viewer.hidden = False
            updater.catch_up(viewer)
        case "seek":
            updater.seek(said.at, said.id)
        case "play":
            updater.play(said.speed)
