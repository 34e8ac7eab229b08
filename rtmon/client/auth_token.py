"""The token that authenticates a client: a text, or a function that returns a fresh one."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from ..errors import OptionError
from ..protocol import limits

__all__ = ["Token", "fresh", "is_token"]

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token, or a function, also a coroutine function, that is called before each connection."""


def is_token(value: Any) -> bool:
    """Return True if a value is a token: printable ASCII that fits into a header."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= limits.TOKEN_LENGTH
        and value.isascii()
        and value.isprintable()
        and " " not in value
    )


async def fresh(token: Token | None) -> str | None:
    """Return the token for the next connection, or for ``refresh``.

    Raises:
        OptionError: the function returned no token.
        Exception: whatever the function raises.
    """
    if token is None or isinstance(token, str):
        return token
    value: Any = token()
    if inspect.isawaitable(value):
        value = await value
    if not is_token(value):
        # The message omits the value: an invalid token may be a secret, too.
        raise OptionError(
            f"token() gave no token: return a str of up to {limits.TOKEN_LENGTH} printable "
            "characters without spaces."
        )
    return str(value)
