"""Origin checks: which web pages may connect to a hub.

A browser opens a WebSocket, an event stream or a poll for any web page, with the user's cookies and
from inside the user's network. The same-origin policy does not protect these requests; RFC 6455,
10.2, lets the server check ``Origin``. Programs other than browsers can send any ``Origin``, so
these checks do not apply to them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeAlias

from ...core.ip_addresses import is_loopback
from ...core.web_origin import DEFAULT_PORTS, Authority, WebOrigin, ascii_form
from ...errors import OptionError

__all__ = ["REFUSAL", "Origins", "OriginsOption"]

OriginsOption: TypeAlias = str | Sequence[str | re.Pattern[str] | None] | None
"""Origins, other than the server's own, whose pages may connect to a hub; ``"*"`` for all
origins, None for no further origins."""

REFUSAL = (
    "Web pages of this origin may not use this server. Its operator can name them: origins=[…]. "
    "Behind a proxy that changes Host, have it pass on the browser's.\n"
)
"""Body of the 403 response to a page whose origin is not allowed."""

_OPAQUE = "null"
"""Origin of sandboxed frames, local files and redirected requests. Any page can get it."""

_PROXIES = 16
"""Maximum number of values read from a header, so that a huge header costs no more than others."""


class Origins:
    """Decides which pages of other origins may connect.

    * A request without ``Origin`` comes from a program and is allowed, unless ``Sec-Fetch-Site``
      (W3C Fetch Metadata) shows that a browser sent it for a page of another site. A browser omits
      ``Origin``, for example, when it loads an image.
    * A page of the server's own origin is allowed. Host and port of its ``Origin`` equal those of
      the request's ``Host``, or those that a proxy passed on as ``X-Forwarded-Host`` and
      ``X-Forwarded-Port``. No page can set these headers without the server's consent. Native
      clients that send the server's URL, ``wss://…``, as their ``Origin`` are allowed in the same
      way.
    * A page from the same machine as the server is allowed, such as a notebook or the page of a
      development server.
    * All other pages are allowed only if ``others`` lists their origin.

    Args:
        others: origins such as ``https://chat.example``, ``file://`` or ``null``; compiled patterns
            that match a whole origin as browsers write it; or ``"*"`` for all. None in the list is
            ignored: ``websockets`` uses it for programs.

    Raises:
        OptionError: an entry is not a valid origin.
    """

    def __init__(self, others: OriginsOption = None) -> None:
        listed: Sequence[Any] = [others] if isinstance(others, str) else list(others or ())
        self._all = "*" in listed
        self._opaque = _OPAQUE in listed
        self._patterns = [each for each in listed if isinstance(each, re.Pattern)]
        self._named = {
            _named(each)
            for each in listed
            if not (each is None or each in ("*", _OPAQUE) or isinstance(each, re.Pattern))
        }

    def allows(self, values: Callable[[str], Sequence[str]], *, secure: bool = False) -> bool:
        """Return True if a request may connect to the hub.

        Args:
            values: returns the values of a request header, by its name.
            secure: True if the request came over TLS. A proxy reports TLS in ``X-Forwarded-Proto``.
        """
        if self._all:
            return True
        origins = values("Origin")
        if not origins:
            return all(site in {"same-origin", "none"} for site in values("Sec-Fetch-Site"))
        if len(origins) > 1:
            return False
        if origins[0] == _OPAQUE:
            return self._opaque or self._matches(_OPAQUE)
        page = WebOrigin.parse(origins[0])
        if page is None:
            return False
        return (
            page in self._named
            or self._matches(origins[0], str(page))
            or _is_own(page, values, secure=secure)
        )

    def _matches(self, *spellings: str) -> bool:
        """Return True if a configured pattern matches one of these spellings of an origin."""
        return any(each.fullmatch(text) for each in self._patterns for text in spellings)


def _named(origin: Any) -> WebOrigin:
    """Return a configured origin in parsed form.

    Raises:
        OptionError: the value is not a valid origin.
    """
    try:
        if isinstance(origin, str) and origin.partition("://")[0].islower():
            parsed = WebOrigin.parse(ascii_form(origin))
            if parsed is not None:
                return parsed
    except ValueError:
        pass
    raise OptionError(
        f"origins has {origin!r}: give origins as browsers write them, in lower case and without a "
        "path or a wildcard, such as 'https://chat.example:8443', a name with letters outside "
        "ASCII as 'https://xn--…'; re.compile(…) for many, or '*' for all."
    )


def _is_own(page: WebOrigin, values: Callable[[str], Sequence[str]], *, secure: bool) -> bool:
    """Return True if a page has the server's own origin, or page and server are on this machine."""
    if page.scheme not in DEFAULT_PORTS:
        return False
    hosts = [*map(Authority.parse, _listed(values, "Host", "X-Forwarded-Host"))]
    known = [each for each in hosts if each is not None]
    if is_loopback(page.host) and any(is_loopback(each.host) for each in known):
        return True
    # An attacker on the network can forge pages of http://, but not of https://. So a server with
    # TLS does not trust pages of http://.
    if page.scheme == "http" and (secure or "https" in _listed(values, "X-Forwarded-Proto")):
        return False
    lost = str(page.port) in _listed(values, "X-Forwarded-Port")
    return any(page.is_at(each) or (lost and each == Authority(page.host, None)) for each in known)


def _listed(values: Callable[[str], Sequence[str]], *names: str) -> list[str]:
    """Return the values of some headers, in lower case, at most ``_PROXIES`` of them.

    A header may have several values, separated by commas, because each proxy may add one.
    """
    found = (
        each.strip().lower()
        for name in names
        for value in values(name)
        for each in value.split(",")
    )
    return list(islice(found, _PROXIES))
