"""Origins of web pages, and hosts of HTTP requests, in a normal form. No I/O.

Two spellings of the same origin are equal after parsing. Scheme and host are in lower case, an
IPv6 address has its short form, and the default port of the scheme is omitted. ``ws`` becomes
``http`` and ``wss`` becomes ``https``, because native clients send the WebSocket URL as origin.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv6Address
from typing import NamedTuple, Self

__all__ = ["DEFAULT_PORTS", "Authority", "WebOrigin", "ascii_form"]

DEFAULT_PORTS = {"http": 80, "https": 443}

_PORT_MAX = 65535
_SAME_AS = {"ws": "http", "wss": "https"}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._~!$&'()+;=-]*)(?::(0|[1-9][0-9]{0,4}))?")
"""Matches ``host:port`` or ``host``; not a user part, percent-encoding, a wildcard or a path."""


class Authority(NamedTuple):
    """Host and port, as in a ``Host`` header.

    Attributes:
        host: the host in lower case; an IPv6 address in short form, in brackets.
        port: the port number; None if the header has none.
    """

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse ``host`` or ``host:port``. Returns None if the text is neither."""
        # Refuse non-ASCII text, in which two different letters can have the same lower case.
        found = _AUTHORITY.fullmatch(text.lower()) if text.isascii() else None
        if found is None:
            return None
        host, port = found[1], None if found[2] is None else int(found[2])
        if port is not None and port > _PORT_MAX:
            return None
        if host.startswith("["):
            try:
                host = f"[{IPv6Address(host[1:-1])}]"
            except ValueError:
                return None
        return cls(host, port)


class WebOrigin(NamedTuple):
    """Origin of a web page (RFC 6454).

    Attributes:
        scheme: the scheme in lower case; ``http`` for ``ws``, and ``https`` for ``wss``.
        host: as in :class:`Authority`; empty for schemes without a host, such as ``file``.
        port: the port number; None for the scheme's default port.
    """

    scheme: str
    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse ``scheme://host`` or ``scheme://host:port``. Returns None for any other text."""
        scheme, separator, rest = text.partition("://")
        authority = Authority.parse(rest) if separator else None
        scheme = scheme.lower()
        if authority is None or not _SCHEME.fullmatch(scheme):
            return None
        scheme = _SAME_AS.get(scheme, scheme)
        default = DEFAULT_PORTS.get(scheme)
        if not authority.host and (default is not None or authority.port is not None):
            return None
        return cls(scheme, authority.host, None if authority.port == default else authority.port)

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"

    def is_at(self, authority: Authority) -> bool:
        """Return True if pages of this origin come from the given host and port.

        The hosts must be equal, and so must the ports. An ``authority`` without a port stands for
        the default port of the origin's scheme: 80 for ``http``, 443 for ``https``. Port 80 never
        matches an ``https`` origin, and port 443 never an ``http`` origin. Origins with another
        scheme never match.
        """
        default = DEFAULT_PORTS.get(self.scheme)
        if default is None or self.host != authority.host:
            return False
        if authority.port is None or authority.port in DEFAULT_PORTS.values():
            return self.port is None and authority.port in {None, default}
        return self.port == authority.port


def ascii_form(text: str) -> str:
    """Return the ASCII form of an origin, or of ``host:port``, as browsers send it (IDNA).

    Raises:
        ValueError: Python's codec (IDNA 2003) and browsers (UTS 46) may use different ASCII forms
            for this host.
    """
    if text.isascii():
        return text
    head, separator, rest = text.rpartition("://")
    host, colon, port = rest.partition(":")
    written = host.encode("idna")
    # The codec replaces some letters, such as "ß" by "ss". A browser would use another host name.
    if written.decode("idna") != unicodedata.normalize("NFC", host.lower()):
        raise ValueError(f"{host!r} has no certain ASCII form")
    return f"{head}{separator}{written.decode('ascii')}{colon}{port}"
