"""The address of a server, and how a connection to it is opened."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websockets_connect
from websockets.datastructures import Headers
from websockets.exceptions import InvalidURI
from websockets.typing import Subprotocol

from ..errors import OptionError
from ..protocol import limits

if TYPE_CHECKING:
    from ..protocol.codecs import Codec

__all__ = ["NotSpoken", "ServerAddress"]

_KNOWN = {
    *inspect.signature(websockets_connect).parameters,
    *inspect.signature(asyncio.BaseEventLoop.create_connection).parameters,
    "path",
    "unix",
} - {"kwargs", "self", "protocol_factory", "uri", "reconnect_delays"}


class NotSpoken(OptionError):
    """The server does not support the client's codec."""


class _Connect(websockets_connect):
    """Keeps the token from servers of other origins, to which `websockets` up to 16 sends it."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        where = super().process_redirect(exc)
        if isinstance(where, str) and _origin(where) != _origin(self.uri):
            headers = Headers(self.additional_headers or ())
            headers.pop("Authorization", None)
            self.additional_headers = headers
        return where


def _origin(uri: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname, parts.port


class ServerAddress:
    """A server, and everything that `websockets` needs to connect to it.

    Args:
        url: ``ws://`` or ``wss://``; its query is kept.
        codec: of the connection; None to offer no subprotocol, as for servers that are no hub.
        options: keyword arguments of ``websockets.asyncio.client.connect``.

    Raises:
        OptionError: the address or an argument is wrong.
    """

    def __init__(self, url: str, codec: Codec | None, options: dict[str, Any]) -> None:
        unknown = sorted(n for n in options if n not in _KNOWN and not n.startswith("proxy_"))
        if unknown:
            raise OptionError(
                f"connect() has no option {unknown[0]!r}: it takes the fields of ClientOptions and "
                "the arguments of websockets.asyncio.client.connect."
            )
        self._url = url
        self._codec = codec
        # The session has heartbeats of its own; the library's stop while writing is held up.
        self._options = {"ping_interval": None, "max_size": limits.SENT_SIZE, **options}
        if codec is not None:
            self._options.setdefault("subprotocols", [Subprotocol(codec.subprotocol)])
        try:
            _ = self._connect({})
        except (InvalidURI, AttributeError, TypeError, ValueError) as error:
            raise OptionError(f"connect() cannot connect to {url!r} like this: {error}.") from None

    def __str__(self) -> str:
        parts = urlsplit(self._url)
        # Without a password, which has no place in a log.
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    async def open(self, query: dict[str, str], *, token: str | None = None) -> ClientConnection:
        """Connect.

        Args:
            query: to be added to the address.
            token: sent in a header, since logs keep addresses.

        Raises:
            OSError, TimeoutError, WebSocketException: as `websockets` does.
            NotSpoken: the server chose no subprotocol, and the codec is not JSON.
        """
        connection = await self._connect(query, token)
        codec = self._codec
        if codec is not None and codec.binary and connection.subprotocol != codec.subprotocol:
            connection.transport.abort()
            raise NotSpoken(
                f"{self} does not speak {codec.subprotocol}: use codec='json', or ask "
                "whether it is a hub."
            )
        return connection

    def _connect(self, query: dict[str, str], token: str | None = None) -> websockets_connect:
        parts = urlsplit(self._url)
        joined = "&".join(filter(None, (parts.query, urlencode(query))))
        options = self._options
        if token is not None:
            headers = Headers(options.get("additional_headers") or ())
            headers.pop("Authorization", None)  # or it would be there twice
            headers["Authorization"] = f"Bearer {token}"
            options = {**options, "additional_headers": headers}
        return _Connect(urlunsplit(parts._replace(query=joined)), **options)
