"""Validates the arguments of ``rtmon.view()``, and converts them to a page's URL parameters."""

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
"""Time spans in seconds that a page's charts can show; the same as in ``time_range.js``."""

Reader = Callable[[str, Any], str]
"""Function that validates one argument of ``rtmon.view()``.

The function takes the argument's name and value, and returns the value's text in the URL.
"""


def address(page: str | None, given: Mapping[str, Any]) -> dict[str, str]:
    """Return a dashboard page's URL parameters.

    Args:
        page: the page's name. If None, the page shows one chart if ``given`` has the key ``chart``;
            otherwise it is the overview.
        given: the page's arguments by the names in :data:`PARAMETERS`.

    Raises:
        OptionError: the page, an argument or an argument's value does not exist.
        QueryError: the query has a syntax error or an unknown column.
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
    """Return URL parameters as a URL's query string, with the leading ``?``."""
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
"""Page name → argument name → function that validates the argument."""

_EVERYWHERE: Final[Mapping[str, Reader]] = {"seconds": _one_of(RANGES)}
"""Arguments that all pages accept, with the function that validates each."""

_NEEDED: Final = {"connection": ["id"], "channel": ["channel"], "chart": ["chart"]}
"""Page name → the page's required arguments."""

_ADDRESSED: Final = {"query": "where", "seconds": "range"}
"""Argument name → URL parameter name, for arguments whose URL parameter has another name."""
