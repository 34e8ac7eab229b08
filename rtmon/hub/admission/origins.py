"""Origin checks: which web pages may use a hub. Pure.

A browser opens a WebSocket, an event stream or a poll for any page that asks, with the user's
cookies and from inside the user's network, and what guards other requests does not guard these
(RFC 6455, 10.2: the server looks at ``Origin``). Programs are not browsers: they send what they
like, so nothing here is about them.
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
"""Other origins whose pages may use a hub; ``"*"`` for all, None for none."""

REFUSAL = (
    "Web pages of this origin may not use this server. Its operator can name them: origins=[…]. "
    "Behind a proxy that changes Host, have it pass on the browser's.\n"
)
"""Body of the 403 response."""

_OPAQUE = "null"
"""Origin of sandboxed frames, files and redirected requests; any page can have it."""

_PROXIES = 16
"""Values read of a header, so that a request of a megabyte of them costs no more than others."""


class Origins:
    """The rule for pages of other origins than the server's own.

    * A request without ``Origin`` is a program's and is allowed; unless the browser says in
      ``Sec-Fetch-Site`` (W3C Fetch Metadata) that a page of another site is behind it: an image's
      address has no ``Origin``.
    * A page of the server's own is allowed: the host and port of its ``Origin`` are those of the
      request's ``Host``, or those that a proxy passed on as ``X-Forwarded-Host`` and
      ``X-Forwarded-Port``, which no page can set without the server's consent. Native clients
      that send the address of the server, ``wss://…``, as their ``Origin`` are allowed likewise.
    * A page from this very machine, as notebooks and development servers have them, is allowed on
      a server on this machine.
    * All other pages are allowed only if ``others`` names their origin.

    Args:
        others: origins such as ``https://chat.example``, ``file://`` or ``null``, patterns for the
            whole of one as browsers write it, or ``"*"`` for all. None among them is ignored:
            ``websockets`` has it for programs.

    Raises:
        OptionError: one is no origin.
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
        """Return True if a request may use the hub.

        Args:
            values: the values of a header of the request, by its name.
            secure: whether the request came over TLS. A proxy says it in ``X-Forwarded-Proto``.
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
        return any(each.fullmatch(text) for each in self._patterns for text in spellings)


def _named(origin: Any) -> WebOrigin:
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
    """Return True if a page is the server's own, or both are on this machine."""
    if page.scheme not in DEFAULT_PORTS:
        return False
    hosts = [*map(Authority.parse, _listed(values, "Host", "X-Forwarded-Host"))]
    known = [each for each in hosts if each is not None]
    if is_loopback(page.host) and any(is_loopback(each.host) for each in known):
        return True
    # An attacker on the network can write pages of http://, but none of https://.
    if page.scheme == "http" and (secure or "https" in _listed(values, "X-Forwarded-Proto")):
        return False
    lost = str(page.port) in _listed(values, "X-Forwarded-Port")
    return any(page.is_at(each) or (lost and each == Authority(page.host, None)) for each in known)


def _listed(values: Callable[[str], Sequence[str]], *names: str) -> list[str]:
    """Values of headers to which each proxy on the way may have added one; the first few."""
    found = (
        each.strip().lower()
        for name in names
        for value in values(name)
        for each in value.split(",")
    )
    return list(islice(found, _PROXIES))
