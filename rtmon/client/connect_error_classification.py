"""Decide from a failed attempt to connect if and when to retry. Pure."""

from __future__ import annotations

import email.utils
from collections.abc import Callable

from websockets.exceptions import InvalidStatus

__all__ = ["is_fatal", "retry_after"]

_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed: RFC 9110, RFC 6585, RFC 8470."""


def is_fatal(error: Exception, process_exception: Callable[[Exception], Exception | None]) -> bool:
    """Return True if a retry would fail with the same error.

    Args:
        error: what the attempt raised.
        process_exception: of `websockets` or the user; returns None to try again.
    """
    if isinstance(error, InvalidStatus):
        response = error.response
        if response.status_code in _LATER or "Retry-After" in response.headers:
            return False
    return process_exception(error) is not None


def retry_after(error: Exception, *, wall: float) -> float | None:
    """Return the seconds of a ``Retry-After`` header, if there is one: RFC 9110, 10.2.3.

    Args:
        error: what the attempt raised.
        wall: Unix seconds now, as the header may name a date.
    """
    if not isinstance(error, InvalidStatus):
        return None
    # The header may come twice; which one is meant cannot be known.
    value = next(iter(error.response.headers.get_all("Retry-After")), "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - wall)
    except (TypeError, ValueError, OverflowError):
        return None
