"""The URL of a server, and the options with which `websockets` connects to it."""

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
    """The server did not choose the WebSocket subprotocol of the client's codec."""


class _Connect(websockets_connect):
    """Connects to a server. After a redirect to another origin, the token is not sent.

    `websockets` up to version 16 sends the ``Authorization`` header to other origins, too.
    """

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
    """A server's URL, and everything else that `websockets` needs to connect to it.

    Args:
        url: ``ws://`` or ``wss://``. A query in the URL is kept.
        codec: encodes the messages; its WebSocket subprotocol is requested from the server. None to
            request no subprotocol, for servers that are not hubs.
        options: keyword arguments of ``websockets.asyncio.client.connect``.

    Raises:
        OptionError: the URL is invalid, or an option is unknown or invalid.
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
        # The session sends the heartbeats instead, because the keepalive of `websockets` stops
        # while writing is paused.
        self._options = {"ping_interval": None, "max_size": limits.SENT_SIZE, **options}
        if codec is not None:
            self._options.setdefault("subprotocols", [Subprotocol(codec.subprotocol)])
        try:
            _ = self._connect({})
        except (InvalidURI, AttributeError, TypeError, ValueError) as error:
            raise OptionError(f"connect() cannot connect to {url!r} like this: {error}.") from None

    def __str__(self) -> str:
        parts = urlsplit(self._url)
        # This text is written to logs, so it has no user name and no password.
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    async def open(self, query: dict[str, str], *, token: str | None = None) -> ClientConnection:
        """Open a connection to the server.

        Args:
            query: parameters to add to the URL's query.
            token: sent in the ``Authorization`` header and not in the URL, because servers and
                proxies write URLs to their logs.

        Raises:
            OSError, TimeoutError, WebSocketException: as raised by `websockets`.
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
            headers.pop("Authorization", None)  # else two Authorization headers are sent
            headers["Authorization"] = f"Bearer {token}"
            options = {**options, "additional_headers": headers}
        return _Connect(urlunsplit(parts._replace(query=joined)), **options)
