"""Origin checks: which web pages may use a hub. Pure.

A browser opens a WebSocket, an event stream or a poll for any page that asks, with the user's
cookies and from inside the user's network, and what guards other requests does not guard these
(RFC 6455, 10.2: the server looks at ``Origin``). Programs are not browsers: they send what they
like, so nothing here is about them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ...core.addresses import host_is_loopback
from ...errors import OptionError

__all__ = ["REFUSAL", "Origins", "OriginsOption"]

OriginsOption: TypeAlias = str | Sequence[str | re.Pattern[str] | None] | None
"""Other origins whose web pages are allowed; ``"*"`` for all, None for none."""

REFUSAL = (
    "Web pages of this origin may not use this server. Its operator can name them: origins=[…]. "
    "Behind a proxy that changes Host, have it pass on the browser's.\n"
)
"""Body of the 403 response."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+|null")
"""A serialized origin (RFC 6454, 6.2)."""


class Origins:
    """The rule for pages of other origins than the server's own.

    * A request without ``Origin`` is a program's, and may come; unless the browser says in
      ``Sec-Fetch-Site`` (W3C Fetch Metadata) that a page of elsewhere is behind it: an image's
      address has no ``Origin``.
    * A page of the server's own may come: its ``Origin`` is the request's ``Host``, or what a
      proxy passed on as ``X-Forwarded-Host``, which no page can set unasked.
    * A page from this very machine, as notebooks and development servers have them, may come to a
      server on this machine.
    * All others only if they are named.

    Args:
        others: origins as browsers write them, ``https://chat.example``, patterns for all of one,
            or ``"*"`` for all. None among them is let be: ``websockets`` has it for programs.

    Raises:
        OptionError: one is no origin.
    """

    def __init__(self, others: OriginsOption = None) -> None:
        listed: Sequence[Any] = [others] if isinstance(others, str) else list(others or ())
        self._all = "*" in listed
        self._others = [each for each in listed if each is not None and each != "*"]
        for each in self._others:
            named = isinstance(each, str) and _ORIGIN.fullmatch(each)
            if not (named or isinstance(each, re.Pattern)):
                raise OptionError(
                    f"origins has {each!r}: give origins as browsers write them, in lower case and "
                    "without a path, such as 'https://chat.example:8443', or '*' for all."
                )

    def allows(self, values: Callable[[str], Sequence[str]]) -> bool:
        """Return whether a request is allowed.

        Args:
            values: the values of a header of the request, by its name.
        """
        if self._all:
            return True
        origins = values("Origin")
        if not origins:
            return all(site in {"same-origin", "none"} for site in values("Sec-Fetch-Site"))
        hosts = [
            host.strip().lower()
            for name in ("Host", "X-Forwarded-Host")
            for value in values(name)
            for host in value.split(",")
        ]
        return len(origins) == 1 and (self._is_own(origins[0], hosts) or self._named(origins[0]))

    def _is_own(self, origin: str, hosts: Sequence[str]) -> bool:
        scheme, separator, host = origin.lower().partition("://")
        if not separator or scheme not in {"http", "https"}:
            return False
        return host in hosts or (host_is_loopback(host) and any(map(host_is_loopback, hosts)))

    def _named(self, origin: str) -> bool:
        return any(
            origin == each if isinstance(each, str) else each.fullmatch(origin) is not None
            for each in self._others
        )
