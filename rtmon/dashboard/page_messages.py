"""Messages from a dashboard page in a browser to its page updater.

They arrive over a WebSocket, or over a Jupyter comm in a notebook.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .page_updater import PageUpdater, Viewer

__all__ = ["PageMessage", "obey"]


class PageMessage(msgspec.Struct):
    """A message from a dashboard page in a browser.

    Attributes:
        do: the action. ``show`` requests a page's rows now and with each update; ``ask`` requests
            one answer; ``hide`` reports that the page is out of sight; ``see`` reports that the
            page is in sight again or has missed an update; ``seek`` moves the replay of a
            recording; ``play`` sets the playback speed.
        page: for ``show`` and ``ask``, the name of the requested page.
        asked: for ``show`` and ``ask``, the URL parameters of the page.
        id: for ``ask``, the id that the answer repeats; for ``seek``, the number of the request.
        at: for ``seek``, the moment in Unix seconds; None for the end of the recording.
        speed: for ``play``, seconds of the recording per second; 0 pauses.
    """

    do: Literal["show", "ask", "hide", "see", "seek", "play"]
    page: str = ""
    asked: dict[str, str] = {}
    id: int = 0
    at: float | None = None
    speed: float = 0.0


def obey(updater: PageUpdater, viewer: Viewer, said: PageMessage) -> None:
    """Carry out the action that a viewer's page has requested.

    Args:
        updater: the page updater that serves the viewer.
        viewer: the page that has sent the message.
        said: the message.
    """
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
