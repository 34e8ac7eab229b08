"""Origins of web pages and the hosts of HTTP requests, in normal form. Pure.

Two spellings of one origin are equal once parsed: the scheme and the host are in lower case, an
IPv6 address is in its short form, and a port that is the scheme's default is left out. ``ws`` and
``wss`` count as ``http`` and ``https``: native clients send the address that they connect to.
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
"""Host and port, without a user part, percent-encoding, wildcard or path."""


class Authority(NamedTuple):
    """Host and port, as in a ``Host`` header.

    Attributes:
        host: in lower case; an IPv6 address in short form, in brackets.
        port: None if it is not given.
    """

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse ``host`` or ``host:port``; None if it is neither."""
        # Outside ASCII, two different letters can have the same lower case.
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
        scheme: in lower case, with ``http`` for ``ws`` and ``https`` for ``wss``.
        host: as in :class:`Authority`; empty for schemes that have none, such as ``file``.
        port: None for the scheme's default.
    """

    scheme: str
    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse ``scheme://host`` or ``scheme://host:port``; None if it is neither."""
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
        """Return True if the page came from this host and port.

        Without a port the authority has the default one, of either scheme; the ports 80 and 443
        imply the scheme.
        """
        default = DEFAULT_PORTS.get(self.scheme)
        if default is None or self.host != authority.host:
            return False
        if authority.port is None or authority.port in DEFAULT_PORTS.values():
            return self.port is None and authority.port in {None, default}
        return self.port == authority.port


def ascii_form(text: str) -> str:
    """Write the host of an origin, or of ``host:port``, in ASCII, as browsers do (IDNA).

    Raises:
        ValueError: the host has no ASCII form on which Python's codec (IDNA 2003) and browsers
            (UTS 46) agree.
    """
    if text.isascii():
        return text
    head, separator, rest = text.rpartition("://")
    host, colon, port = rest.partition(":")
    written = host.encode("idna")
    # Letters that the codec replaces ("ß" by "ss") belong to another host in a browser.
    if written.decode("idna") != unicodedata.normalize("NFC", host.lower()):
        raise ValueError(f"{host!r} has no certain ASCII form")
    return f"{head}{separator}{written.decode('ascii')}{colon}{port}"
