"""Keys of ``rtmon top``, and the view settings that they change: sorting, filter, pause."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..feeds.feed import ConnectionQuery
from ..views.table_rows import CONNECTION_COLUMNS

__all__ = ["HELP", "SORTS", "KeyChoices", "keys"]

HELP = "q quit   s sort   r reverse   o open/closed/all   / find   ↑↓ scroll   p pause"

SORTS = tuple(key for key, _, _ in CONNECTION_COLUMNS)
"""Columns of the connections table by which the key ``s`` sorts, one after another."""

_STATES = ("open", "closed", None)

# A key press as a terminal sends it: an escape sequence, such as for an arrow key, or a character.
_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|[\s\S]")
_MOVES = {"A": -1, "B": 1, "5~": -10, "6~": 10}


def keys(text: str) -> list[str]:
    """Split terminal input into keys, each a character or a complete escape sequence."""
    return _KEY.findall(text)


@dataclass(slots=True, kw_only=True)
class KeyChoices:
    """The view settings of ``rtmon top``, which the user changes by pressing keys.

    Attributes:
        sort: the column by which the connections table is sorted.
        descending: True for descending order.
        state: show only ``open`` or only ``closed`` connections; None for both.
        contains: show only connections whose name, id, address or path contains this text.
        offset: number of the table's rows that are scrolled out above the screen.
        paused: True while the screen is not updated.
        finding: True while the user types the search text; typed characters extend ``contains``.
        done: True once the user has quit.
    """

    sort: str = "opened"
    descending: bool = True
    state: str | None = "open"
    contains: str = ""
    offset: int = 0
    paused: bool = False
    finding: bool = False
    done: bool = False

    def query(self, rows: int) -> ConnectionQuery:
        """Return the query for the connections that the screen shows in ``rows`` rows."""
        return ConnectionQuery(
            state=self.state,
            contains=self.contains.strip(),
            sort=self.sort,
            descending=self.descending,
            offset=self.offset,
            limit=rows,
        )

    def press(self, key: str) -> None:
        """Change the settings for a key that the user pressed; ignore unknown keys."""
        if len(key) > 1:
            self.offset = max(0, self.offset + _MOVES.get(key[2:], 0))
        elif self.finding:
            self._find(key)
        elif key in "qQ":
            self.done = True
        elif key == "s":
            self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
            self.offset = 0
        elif key == "r":
            self.descending = not self.descending
            self.offset = 0
        elif key == "o":
            self.state = _STATES[(_STATES.index(self.state) + 1) % len(_STATES)]
            self.offset = 0
        elif key == "/":
            self.finding, self.contains, self.offset = True, "", 0
        elif key == "p":
            self.paused = not self.paused

    def _find(self, key: str) -> None:
        if key in "\r\n":
            self.finding = False
        elif key == "\x1b":
            self.finding, self.contains = False, ""
        elif key in "\x7f\b":
            self.contains = self.contains[:-1]
        elif key.isprintable():
            self.contains += key
