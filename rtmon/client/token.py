"""What a client shows of who it is: a text, or what a function gives each time it is asked."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from ..errors import OptionError
from ..protocol import close, limits

__all__ = ["Token", "fresh", "is_token", "may_return"]

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token, or a function, also a coroutine function, that is called before each connection."""


def is_token(value: Any) -> bool:
    """Whether this can be shown: printable ASCII, as fits into a header."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= limits.TOKEN_LENGTH
        and value.isascii()
        and value.isprintable()
        and " " not in value
    )


async def fresh(token: Token | None) -> str | None:
    """The token to show now.

    Raises:
        OptionError: the function gave none.
        Exception: whatever the function raises.
    """
    if token is None or isinstance(token, str):
        return token
    value: Any = token()
    if inspect.isawaitable(value):
        value = await value
    if not is_token(value):
        # Without the value: what is nearly a token is a secret, too.
        raise OptionError(
            f"token() gave no token: return a str of up to {limits.TOKEN_LENGTH} printable "
            "characters without spaces."
        )
    return str(value)


def may_return(token: Token | None, code: int) -> bool:
    """Whether there is something else to show than what a connection was closed for."""
    if code == close.TOKEN_EXPIRED:
        return callable(token)
    return code != close.NO_TOKEN or token is not None
