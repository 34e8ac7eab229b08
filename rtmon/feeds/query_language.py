r"""Parser of the query language: a line of text that selects rows of a table.

An example::

    path:/chat rtt>200ms waiting>64KB user:ada state:closed code:1006 cause:"ping timeout"

A query selects the rows for which all of its terms are true. The kinds of term are:

* ``column:text`` is true if the column's text is equal; case is ignored. ``*`` in the text stands
  for any characters.
* ``column:number`` is true if the column's number is equal. ``>``, ``>=``, ``<`` and ``<=`` may
  be written in place of the colon. Where the column is null, such a term is false.
* ``column:null`` is true if the column is null, which means unknown.
* A word without a column is true if one of the text columns that identify a row contains it.

A minus sign in front negates a term. Text with spaces is written in double quotes. A quote or
backslash inside the quotes is written ``\"`` or ``\\``.

A number may have a unit. Durations take ``us``, ``ms``, ``s``, ``min``, ``h`` or ``d``. Sizes take
``B``, ``KB``, ``MB``, ``GB`` (powers of 1000), ``KiB``, ``MiB`` or ``GiB`` (powers of 1024).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from operator import attrgetter, eq, ge, gt, le, lt
from typing import Any

from ..core.ip_addresses import network
from ..errors import QueryError
from ..metrics.column import text as text_column
from ..metrics.columns import TABLES, Column

__all__ = ["ALIASES", "Condition", "address", "field", "parse", "reads"]

Term = Callable[[Sequence[Any]], Sequence[Any]]
"""Function that takes records, and returns those for which one term of a query is true."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed query, which selects records of one table.

    Attributes:
        terms: one filter function for each term of the query. Each function filters a whole list of
            records, because a function call for each record would take longer than the comparison.
        columns: names of the columns that the terms read.
    """

    terms: tuple[Term, ...]
    columns: frozenset[str]

    def select(self, records: Sequence[Any]) -> Sequence[Any]:
        """Return the records for which all terms are true, in the given order."""
        for term in self.terms:
            records = term(records)
        return records

    def __call__(self, record: Any) -> bool:
        """Return True if all terms are true for a record."""
        return bool(self.select([record]))


ALIASES: Mapping[str, Mapping[str, str]] = {
    "connections": {
        "waiting": "send_queue",
        "code": "close_code",
        "in": "messages_in",
        "out": "messages_out",
        "agent": "user_agent",
        "client": "client_id",
    },
    "events": {"reason": "detail", "client": "client_id"},
    "channels": {},
    "socketio": {},
    "latencies": {},
    "addresses": {},
}
"""Table → short column name that users may write → full name of the column."""

_SEARCHED = {
    "connections": ("id", "client_id", "name", "user", "remote", "path"),
    "events": ("kind", "connection", "client_id", "name", "remote", "detail"),
    "channels": ("channel",),
    "socketio": ("namespace", "name"),
    "latencies": ("measure", "label"),
    "addresses": ("address",),
}
"""Table → the columns in which a query's word without a column name is searched."""

_ADDRESS = text_column("address", "The IPv4 address or the IPv6 /64 network of the peer.")

_UNITS: Mapping[str, Mapping[str, float]] = {
    "s": {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0},
    "B": {
        "b": 1,
        "kb": 10**3,
        "mb": 10**6,
        "gb": 10**9,
        "kib": 2**10,
        "mib": 2**20,
        "gib": 2**30,
    },
}

_TERM = re.compile(
    r"""(?P<minus>-?)
        (?: (?P<column>[a-z_][a-z_0-9]*) (?P<operator>:|>=|<=|>|<) )?
        (?P<value> "(?P<quoted>(?:[^"\\]|\\.)*)" | [^\s"]+ )?
        (?=\s|$)""",
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<digits>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(?P<unit>[a-zµ]*)", re.IGNORECASE
)

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ":": eq,
    ">": gt,
    ">=": ge,
    "<": lt,
    "<=": le,
}


@dataclass(frozen=True, slots=True)
class _Written:
    """A term as the user wrote it, with the positions of its parts in the query text."""

    text: str
    minus: bool
    column: str
    operator: str
    value: str
    quoted: bool
    at: int
    value_at: int

    def error(self, problem: str, *, at: int | None = None) -> QueryError:
        return QueryError(problem, text=self.text, position=self.at if at is None else at)


@lru_cache(maxsize=256)  # A view parses the same query again at every tick.
def parse(text: str, table: str = "connections") -> Condition:
    """Parse a line of the query language.

    Args:
        text: the query text. If it has no terms, the condition selects every row.
        table: name of the table to select rows from.

    Raises:
        QueryError: the text has a syntax error or names an unknown column. The message shows the
            position of the error.
    """
    terms: list[Term] = []
    columns: set[str] = set()
    position = 0
    while True:
        position += len(text) - position - len(text[position:].lstrip())
        if position >= len(text):
            break
        match = _TERM.match(text, position)
        if match is None or match.end() == position:
            problem = "a quote that is not closed, or one within a word"
            raise QueryError(problem, text=text, position=position)
        term, read = _term(match, text, table)
        terms.append(term)
        columns.update(read)
        position = match.end()
    return Condition(tuple(terms), frozenset(columns))


def field(table: str, name: str) -> tuple[Column, Callable[[Any], Any]]:
    """Look up a column of a table by its name or short name.

    Returns:
        The column's definition, and a function that reads the column's value from a record.

    Raises:
        KeyError: the table has no such column.
    """
    if table == "connections" and name == "address":
        return _ADDRESS, address
    name = ALIASES[table].get(name, name)
    return {column.name: column for column in TABLES[table]}[name], attrgetter(name)


def address(record: Any) -> str | None:
    """Return the peer's IPv4 address or IPv6 /64 network, from a connection's ``remote`` column.

    If ``remote`` is not an IP address, for instance because it was redacted, return it unchanged.
    """
    return network(record.remote) or record.remote


def reads(table: str, name: str) -> tuple[str, ...]:
    """Return the stored columns that a column is computed from.

    Most columns are stored themselves. For such a column, return only the column.
    """
    name = ALIASES[table].get(name, name)
    return _READS.get(name, (name,))


_READS: Mapping[str, tuple[str, ...]] = {
    "address": ("remote",),
    "ratio_in": ("bytes_in", "wire_in"),
    "ratio_out": ("bytes_out", "wire_out"),
}


def _term(match: re.Match[str], text: str, table: str) -> tuple[Term, tuple[str, ...]]:
    quoted = match["quoted"] is not None
    value = re.sub(r"\\(.)", r"\1", match["quoted"]) if quoted else match["value"] or ""
    term = _Written(
        text=text,
        minus=bool(match["minus"]),
        column=(match["column"] or "").lower(),
        operator=match["operator"] or "",
        value=value,
        quoted=quoted,
        at=match.start() + len(match["minus"]),
        value_at=match.start("value") if match["value"] else match.end(),
    )
    if not value and not quoted:
        raise term.error("a value is missing", at=term.value_at)
    if term.column:
        return _about_column(term, table), reads(table, term.column)
    return _word(value, table, wanted=not term.minus), _SEARCHED[table]


def _about_column(term: _Written, table: str) -> Term:
    wanted = not term.minus
    try:
        column, read = field(table, term.column)
    except KeyError:
        known = ", ".join(c.name for c in TABLES[table] if c.kind not in {"histogram", "tally"})
        problem = f"{table} have no column {term.column!r}; there are {known}"
        raise term.error(problem) from None
    if term.operator == ":" and not term.quoted and term.value.lower() == "null":
        return lambda records: [r for r in records if (read(r) is None) is wanted]
    if column.kind == "text":
        if term.operator != ":":
            raise term.error(f"{column.name} is a text: write {column.name}:value")
        return _text(read, term.value, wanted=wanted)
    bound = _number(term, column)
    compare = _COMPARE[term.operator]
    return lambda records: [
        r for r in records if ((v := read(r)) is not None and compare(v, bound)) is wanted
    ]


def _text(read: Callable[[Any], Any], text: str, *, wanted: bool) -> Term:
    pattern = text.casefold()
    if "*" not in pattern:
        return lambda records: [
            r for r in records if ((v := read(r)) is not None and v.casefold() == pattern) is wanted
        ]
    parts = "*".join(re.sub(r"([?\[])", r"[\1]", part) for part in pattern.split("*"))
    match = re.compile(translate(parts)).match
    return lambda records: [
        r
        for r in records
        if ((v := read(r)) is not None and match(v.casefold()) is not None) is wanted
    ]


def _word(word: str, table: str, *, wanted: bool) -> Term:
    needle = word.casefold()
    read: Callable[[Any], Any] = attrgetter(*_SEARCHED[table])
    single = len(_SEARCHED[table]) == 1

    def occurs(texts: Sequence[str | None]) -> bool:
        for text in texts:  # noqa: SIM110 - twice as fast as any(), called once per record
            if text is not None and needle in text.casefold():
                return True
        return False

    return lambda records: [
        r for r in records if occurs((read(r),) if single else read(r)) is wanted
    ]


def _number(term: _Written, column: Column) -> float:
    match = _NUMBER.fullmatch(term.value)
    if match is None:
        raise term.error(f"{column.name} is a number, such as 200", at=term.value_at)
    unit = match["unit"].lower()
    units = _UNITS.get("s" if column.kind == "time" else column.unit, {})
    if unit and unit not in units:
        known = ", ".join(units) or "none"
        at = term.value_at + match.start("unit")
        raise term.error(f"{match['unit']!r} is no unit of {column.name}: {known}", at=at)
    return float(match["digits"]) * units.get(unit, 1)
