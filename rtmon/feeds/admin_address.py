"""Parse the admin listener address that a user typed, such as ``127.0.0.1:8766``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from ..core import option_validation
from ..errors import OptionError

__all__ = ["AdminAddress"]

_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}
_FEED = "/feed"


@dataclass(frozen=True, slots=True)
class AdminAddress:
    """The address of a server's admin listener.

    Attributes:
        url: base URL such as ``wss://host/admin``. The feed is at the path ``/feed`` below this
            URL.
        token: the bearer token from the address's ``?token=``; None if it has no token.
    """

    url: str
    token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, address: str) -> Self:
        """Parse ``ws://host:8766``, ``http://host:8766`` or ``host:8766``.

        The address may have a path, for an admin listener behind a reverse proxy. A bearer token
        may be given as ``?token=…``. The feed then sends the token in the ``Authorization`` header
        and not in the URL.

        Raises:
            OptionError: the address is invalid, or it has a part that an admin listener does not
                use: a fragment, a user name, or a query parameter other than ``token``.
        """
        text = address if "://" in address else f"ws://{address}"
        try:
            parts = urlsplit(text)
            scheme = _SCHEMES[parts.scheme]
            if not parts.hostname:
                raise ValueError  # noqa: TRY301 - reported below like any other invalid address
            port = "" if parts.port is None else f":{parts.port}"
        except (KeyError, ValueError):
            raise OptionError(
                f"{_without_query(address)!r} is not the address of an admin listener, such as "
                "ws://127.0.0.1:8766"
            ) from None
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        token = query.pop("token", None)
        if query or parts.fragment or parts.username is not None:
            raise OptionError(
                f"{_without_query(address)!r} has parts that an admin listener does not use: "
                "give ws://HOST:PORT/PATH, and ?token=… if it asks for a token"
            )
        if token is not None:
            option_validation.bearer_token("the token in the address", token)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        path = parts.path.rstrip("/").removesuffix(_FEED)
        return cls(f"{scheme}://{host}{port}{path}", token)


def _without_query(address: str) -> str:
    """Return the address without its token and password, for use in error messages."""
    shown = address.partition("?")[0].partition("#")[0]
    scheme, separator, rest = shown.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
