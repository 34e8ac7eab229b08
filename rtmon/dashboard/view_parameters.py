"""Validate the keyword arguments of ``rtmon.view``, and translate them to URL parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from ..errors import OptionError
from ..feeds import query_language
from ..feeds.queries import GROUP_KEYS, TABLE_COLUMNS, Table
from ..views.server_charts import CHARTS
from .pages.connections import GROUP_COLUMNS, STATES
from .pages.events import CAUSES, KINDS
from .pages.url_parameters import PAGE_SIZES

__all__ = ["PARAMETERS", "RANGES", "address", "search"]

RANGES = (60, 300, 3600, 86_400)
"""Time ranges of a page's charts, in seconds. ``assets/time_range.js`` has the same values."""

Reader = Callable[[str, Any], str]
"""Validates a parameter: takes its name and value, and returns its text in the URL."""


def address(page: str | None, given: Mapping[str, Any]) -> dict[str, str]:
    """Validate a page's parameters, and return the URL parameters of the page.

    Args:
        page: name of the page. None means the overview, or the page of one chart if ``given``
            has the key ``chart``.
        given: name in :data:`PARAMETERS` → value.

    Raises:
        OptionError: the page, a parameter or its value does not exist.
        QueryError: the syntax of the query is wrong.
    """
    if page is None:
        page = "chart" if "chart" in given else "overview"
    if page not in PARAMETERS:
        raise OptionError(f"there is no page {page!r}: choose one of {', '.join(PARAMETERS)}")
    readers = {**PARAMETERS[page], **_EVERYWHERE}
    unknown = [name for name in given if name not in readers]
    if unknown:
        raise OptionError(
            f"the page {page!r} has no parameter {unknown[0]!r}, but {', '.join(readers)}"
        )
    missing = [name for name in _NEEDED.get(page, ()) if name not in given]
    if missing:
        raise OptionError(f"the page {page!r} needs the parameter {missing[0]!r}")
    if "sort" in given and given.get("by") is not None:
        readers = {**readers, "sort": _order(GROUP_COLUMNS)}
    texts = {_ADDRESSED.get(name, name): readers[name](name, given[name]) for name in given}
    return {"page": page, **texts}


def search(parameters: Mapping[str, str]) -> str:
    """Return parameters as the query string of a URL, with the leading ``?``."""
    return f"?{urlencode(parameters)}"


def _one_of(choices: Collection[Any]) -> Reader:
    def read(name: str, value: Any) -> str:
        if value not in choices:
            raise OptionError(f"{name}={value!r}: choose one of {', '.join(map(str, choices))}")
        return str(value)

    return read


def _query(table: Table) -> Reader:
    def read(name: str, value: Any) -> str:
        query_language.parse(_text(name, value), table)
        return str(value)

    return read


def _order(columns: Sequence[str]) -> Reader:
    def read(name: str, value: Any) -> str:
        if _text(name, value).removeprefix("-") not in columns:
            raise OptionError(
                f"{name}={value!r}: give a column, with '-' before it for the greatest first, "
                f"out of {', '.join(columns)}"
            )
        return str(value)

    return read


def _columns(known: Sequence[str]) -> Reader:
    def read(name: str, value: Any) -> str:
        if isinstance(value, str) or not value or not set(value) <= set(known):
            raise OptionError(f"{name}={value!r}: give a list of columns out of {', '.join(known)}")
        return ",".join(value)

    return read


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise OptionError(f"{name}={value!r}: give a text")
    return value


def _rows(table: Table) -> dict[str, Reader]:
    return {
        "query": _query(table),
        "sort": _order(TABLE_COLUMNS[table]),
        "columns": _columns(TABLE_COLUMNS[table]),
        "size": _one_of(PAGE_SIZES),
    }


PARAMETERS: Final[Mapping[str, Mapping[str, Reader]]] = {
    "overview": {},
    "connections": {
        **_rows("connections"),
        "state": _one_of(STATES),
        "by": _one_of(GROUP_KEYS),
    },
    "connection": {"id": _text, "epoch": _text},
    "channels": _rows("channels"),
    "channel": {"channel": _text},
    "latency": {},
    "events": {**_rows("events"), "kind": _one_of(tuple(KINDS)), "cause": _one_of(CAUSES)},
    "socketio": _rows("socketio"),
    "chart": {"chart": _one_of([chart.key for chart in CHARTS])},
}
"""Page → name of each parameter → function that validates it."""

_EVERYWHERE: Final[Mapping[str, Reader]] = {"seconds": _one_of(RANGES)}
"""Parameters that every page accepts."""

_NEEDED: Final = {"connection": ["id"], "channel": ["channel"], "chart": ["chart"]}
"""Page → its required parameters."""

_ADDRESSED: Final = {"query": "where", "seconds": "range"}
"""Parameter → its name in the URL, if the two names differ."""
