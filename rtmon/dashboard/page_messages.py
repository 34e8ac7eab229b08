"""Messages from a page to its page updater, over a WebSocket or a comm."""

from __future__ import annotations

from typing import Literal

import msgspec

from .page_updater import PageUpdater, Viewer

__all__ = ["PageMessage", "obey"]


class PageMessage(msgspec.Struct):
    """A message from a page.

    Attributes:
        do: ``show`` a page with its rows; ``ask`` one request; ``hide`` when the page is out of
            sight; ``see`` when it is in sight again or has missed an update; ``seek`` a moment of a
            recording; ``play`` it from there.
        page: the page to show, or the subject of the request.
        asked: its parameters.
        id: id of the request, repeated in the answer; number of a ``seek``.
        at: the moment, Unix seconds; None for the end.
        speed: playback speed, in seconds of the recording a second; 0 to pause.
    """

    do: Literal["show", "ask", "hide", "see", "seek", "play"]
    page: str = ""
    asked: dict[str, str] = {}
    id: int = 0
    at: float | None = None
    speed: float = 0.0


def obey(updater: PageUpdater, viewer: Viewer, said: PageMessage) -> None:
    """Handle a message from a viewer's page."""
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
