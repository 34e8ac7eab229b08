"""What a page says to its desk, through whichever channel."""

from __future__ import annotations

from typing import Literal

import msgspec

from .page_updater import PageUpdater, Viewer

__all__ = ["PageMessage", "obey"]


class PageMessage(msgspec.Struct):
    """What a page says.

    Attributes:
        do: ``show`` a page with its rows, ``ask`` one question, ``hide`` because the page is out
            of sight, ``see`` because it is in sight again or has missed a frame; ``seek`` a
            moment of a recording, ``play`` it from there.
        page: what is shown or asked.
        asked: its parameters.
        id: of the question, for its answer; of the request for a moment.
        at: the moment, Unix seconds; None for the end.
        speed: seconds of the recording that pass in one; 0 to halt it.
    """

    do: Literal["show", "ask", "hide", "see", "seek", "play"]
    page: str = ""
    asked: dict[str, str] = {}
    id: int = 0
    at: float | None = None
    speed: float = 0.0


def obey(desk: PageUpdater, viewer: Viewer, said: PageMessage) -> None:
    """Do what a viewer's page says."""
    match said.do:
        case "show":
            desk.show(viewer, said.page, said.asked)
        case "ask":
            desk.ask(viewer, said.id, said.page, said.asked)
        case "hide":
            viewer.hidden = True
        case "see":
            viewer.hidden = False
            desk.catch_up(viewer)
        case "seek":
            desk.seek(said.at, said.id)
        case "play":
            desk.play(said.speed)
