"""The address of Redis: checked, and made into connections."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from ...errors import MissingExtra, OptionError

try:
    from redis.asyncio import Connection, ConnectionPool
except ImportError:
    raise MissingExtra("The Redis broker", "redis", "redis") from None

__all__ = ["RedisAddress"]

_FORMS = "give redis://host:6379/0, rediss:// for TLS, or unix:///path."


@dataclass(frozen=True)
class RedisAddress:
    """Where Redis is.

    Attributes:
        where: host and port, or the path, without user, password and options.
        database: its number.
    """

    where: str
    database: int
    _pool: ConnectionPool

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Parse ``redis://``, ``rediss://`` or ``unix://``, as redis-py takes it.

        Raises:
            OptionError: it is no such address; it may hold a password, and is not repeated.
        """
        try:
            pool = ConnectionPool.from_url(url, protocol=2, decode_responses=False)
            parsed = urlparse(url)
        except (ValueError, TypeError):
            raise OptionError(f"The address of Redis is none: {_FORMS}") from None
        if parsed.scheme == "unix" and not parsed.path:
            raise OptionError(f"The address of Redis has no path: {_FORMS}")
        known = pool.connection_kwargs
        if known["protocol"] != 2 or known["decode_responses"]:
            raise OptionError(
                "The address of Redis has options that say how to speak with it: leave out "
                "protocol and decode_responses."
            )
        _check_database(parsed.scheme, unquote(parsed.path), parsed.query, known)
        known["socket_timeout"] = None  # how long an answer may take is watched by the link
        host, port = known.get("host", "localhost"), known.get("port", 6379)
        where = known.get("path") or f"{host}:{port}"
        address = cls(where, known.get("db") or 0, pool)
        try:
            address.connection()  # it takes the options, and connects to nothing
        except TypeError:
            names = ", ".join(sorted(parse_qs(parsed.query)))
            raise OptionError(
                f"The address of Redis has an option that redis-py does not know, of {names}: "
                "leave it out."
            ) from None
        return address

    def connection(self) -> Connection:
        """Make a connection, not connected yet."""
        make: Callable[[], Connection] = self._pool.make_connection
        return make()


def _check_database(scheme: str, path: str, query: str, known: dict[str, Any]) -> None:
    """Refuse what redis-py would take for database 0 without a word.

    Raises:
        OptionError: the database is no number, or given twice.
    """
    named = "" if scheme == "unix" else path.strip("/")
    if not re.fullmatch(r"[0-9]*", named):
        raise OptionError(
            "The address of Redis ends in something that is no database: a database is a number, "
            "such as the 0 of redis://host:6379/0. To keep hubs apart in one database, use prefix."
        )
    if named and "db" in parse_qs(query):
        raise OptionError(
            "The address of Redis names a database in its path and in db=: leave one out."
        )
    if (known.get("db") or 0) < 0:
        raise OptionError("The address of Redis names a negative database: it counts from 0.")
