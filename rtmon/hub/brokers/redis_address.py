"""The URL of a Redis server: validation, and creation of connections."""

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
    """Address of a Redis server.

    Attributes:
        where: host and port, or the socket path, without user, password and options.
        database: number of the database.
    """

    where: str
    database: int
    _pool: ConnectionPool

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Parse a ``redis://``, ``rediss://`` or ``unix://`` URL, with the options of redis-py.

        Raises:
            OptionError: the URL is invalid. The error text does not repeat it, because it may
                contain a password.
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
        known["socket_timeout"] = None  # RedisConnection has its own timeouts
        host, port = known.get("host", "localhost"), known.get("port", 6379)
        where = known.get("path") or f"{host}:{port}"
        address = cls(where, known.get("db") or 0, pool)
        try:
            address.connection()  # checks the options without connecting
        except TypeError:
            names = ", ".join(sorted(parse_qs(parsed.query)))
            raise OptionError(
                f"The address of Redis has an option that redis-py does not know, of {names}: "
                "leave it out."
            ) from None
        return address

    def connection(self) -> Connection:
        """Return a new connection that is not connected yet."""
        make: Callable[[], Connection] = self._pool.make_connection
        return make()


def _check_database(scheme: str, path: str, query: str, known: dict[str, Any]) -> None:
    """Refuse a database that redis-py would silently replace by database 0.

    Raises:
        OptionError: the database is not a number of at least 0, or is given twice.
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
