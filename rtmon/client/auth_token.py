"""The token that authenticates a client: a string, or a function that returns a fresh token."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from ..errors import OptionError
from ..protocol import limits

__all__ = ["Token", "fresh", "is_token"]

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token, or a function or coroutine function that returns one; see ``ClientOptions.token``."""


def is_token(value: Any) -> bool:
    """Return True for a valid token: printable ASCII of limited length, without spaces."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= limits.TOKEN_LENGTH
        and value.isascii()
        and value.isprintable()
        and " " not in value
    )


async def fresh(token: Token | None) -> str | None:
    """Return a token for the next connection, or for the ``refresh`` message.

    Args:
        token: value of the client's option ``token``: a token, a function that returns one, or
            None.

    Returns:
        The token; None if the client has none.

    Raises:
        OptionError: the function did not return a valid token.
        Exception: any exception that the function raises.
    """
    if token is None or isinstance(token, str):
        return token
    value: Any = token()
    if inspect.isawaitable(value):
        value = await value
    if not is_token(value):
        # Do not put the value into the error text, because an invalid token may be a secret, too.
        raise OptionError(
            f"token() gave no token: return a str of up to {limits.TOKEN_LENGTH} printable "
            "characters without spaces."
        )
    return str(value)
