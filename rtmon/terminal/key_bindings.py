"""The view settings of ``rtmon top``, changed by keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..feeds.feed import ConnectionQuery
from ..views.table_rows import CONNECTION_COLUMNS

__all__ = ["HELP", "SORTS", "KeyChoices", "keys"]

HELP = "q quit   s sort   r reverse   o open/closed/all   / find   ↑↓ scroll   p pause"

SORTS = tuple(key for key, _, _ in CONNECTION_COLUMNS)
"""Columns that connections can be sorted by."""

_STATES = ("open", "closed", None)

# What terminals send: an escape sequence for a key without a character, else characters.
_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|[\s\S]")
_MOVES = {"A": -1, "B": 1, "5~": -10, "6~": 10}


def keys(text: str) -> list[str]:
    """Split terminal input into keys: characters and whole escape sequences."""
    return _KEY.findall(text)


@dataclass(slots=True, kw_only=True)
class KeyChoices:
    """View settings: filter, order and offset of the connections, and if the screen is paused.

    Attributes:
        sort: a column of the connections table.
        descending: True for descending order.
        state: ``open``, ``closed``, or None for both.
        contains: text that the name, id, address or path contains.
        offset: rows above the screen.
        paused: True if the screen keeps showing the same.
        finding: True if typed characters extend ``contains``.
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
        """Return the query for the connections that fit the rows."""
        return ConnectionQuery(
            state=self.state,
            contains=self.contains.strip(),
            sort=self.sort,
            descending=self.descending,
            offset=self.offset,
            limit=rows,
        )

    def press(self, key: str) -> None:
        """Apply a key; ignore unknown ones."""
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
