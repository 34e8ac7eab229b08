"""Decide, from the error of a failed attempt to connect, if and when to try again. No I/O."""

from __future__ import annotations

import email.utils
from collections.abc import Callable

from websockets.exceptions import InvalidStatus

__all__ = ["is_fatal", "retry_after"]

_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP status codes after which the same request may succeed (RFC 9110, RFC 6585, RFC 8470)."""


def is_fatal(error: Exception, process_exception: Callable[[Exception], Exception | None]) -> bool:
    """Return True if another attempt would fail with the same error.

    Args:
        error: the exception that the attempt to connect raised.
        process_exception: function of `websockets` or of the user. It gets the exception, and
            returns None if another attempt may succeed.
    """
    if isinstance(error, InvalidStatus):
        response = error.response
        if response.status_code in _LATER or "Retry-After" in response.headers:
            return False
    return process_exception(error) is not None


def retry_after(error: Exception, *, wall: float) -> float | None:
    """Return the delay that a ``Retry-After`` header asks for, in seconds (RFC 9110, 10.2.3).

    Args:
        error: the exception that the attempt to connect raised.
        wall: current time in Unix seconds, because the header may contain a date.

    Returns:
        The delay; None if the error has no such header, or its value is invalid.
    """
    if not isinstance(error, InvalidStatus):
        return None
    # If the response has this header twice, the first one counts.
    value = next(iter(error.response.headers.get_all("Retry-After")), "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - wall)
    except (TypeError, ValueError, OverflowError):
        return None
