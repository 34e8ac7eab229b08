"""Send a picture's updates, requested tables and CSV files to the pages that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from .notebook_charts import Picture, PictureUpdate
from .output_content import Content, Page
from .saved_output import of_picture

__all__ = ["PictureContent"]

TABLE_EVERY = 2
"""Number of updates per refresh of a table, because users cannot read faster changes."""


@dataclass(eq=False)
class _Asked:
    """The settings that the user of one page has chosen.

    Attributes:
        window: time range of the charts, in seconds.
        table: key and query of the open table; None if no table is open.
    """

    window: float
    table: tuple[str, Mapping[str, Any]] | None = None


class PictureContent(Content):
    """Adapts a :class:`Picture` to the interface of notebook outputs.

    Args:
        picture: the picture to show.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._asked: WeakKeyDictionary[Page, _Asked] = WeakKeyDictionary()
        self._updates = 0
        self.period = picture.period

    def begin(self) -> None:
        self._picture.update()

    async def start(self) -> None:
        await self._picture.start()

    async def aclose(self) -> None:
        await self._picture.aclose()

    @property
    def ended(self) -> bool:
        return self._picture.ended

    def output(self, *, view: str, kernel: str) -> dict[str, Any]:
        return of_picture(self._picture, view=view, kernel=kernel)

    def update(self, pages: Sequence[Page]) -> None:
        frame = _text(self._picture.update())
        self._updates += 1
        for page in pages:
            page.send(frame=frame)
            if self._updates % TABLE_EVERY == 0:
                self._send_table(page)

    def welcome(self, page: Page) -> None:
        asked = self._asked.setdefault(page, _Asked(self._picture.layout.window))
        page.send(frame=_text(self._picture.whole(asked.window)))

    def hear(self, page: Page, said: Mapping[str, Any]) -> bool:
        kind = said.get("do")
        if kind == "act":
            self._picture.act(said["name"], said.get("value"))
        elif kind == "window":
            self._asked[page].window = float(said["seconds"])
            self.welcome(page)
        elif kind == "table":
            self._asked[page].table = (said["key"], said["query"]) if said["key"] else None
            self._send_table(page)
        elif kind == "csv":
            name, text = self._picture.csv(said["key"], said["query"])
            page.send(file={"key": said["key"], "name": name, "text": text})
        return kind == "act"

    def _send_table(self, page: Page) -> None:
        if (table := self._asked[page].table) is not None:
            key, query = table
            page.send(table={"key": key, "page": self._picture.table(key, query)})


def _text(frame: PictureUpdate) -> str:
    """Encode an update once for all pages; unknown numbers become null."""
    return msgspec.json.encode(frame).decode()
