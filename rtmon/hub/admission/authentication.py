"""Authentication: calls the application's function that turns a client's token into a user.

A hub with ``auth`` accepts only clients that authenticate themselves::

    Hub(auth=JWT(key, algorithms=["HS256"], audience="chat"))

``auth`` may be any function or coroutine function that takes :class:`Credentials` and returns a
:class:`User`, or None to refuse the client. docs/security.md describes where clients may send
tokens, and why.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec

from ...errors import OptionError, ProtocolError
from ...protocol import limits
from ...protocol.field_types import Name
from ..hub_context import HubContext

__all__ = ["Auth", "Authentication", "Credentials", "User", "bearer", "seconds_left"]

logger = logging.getLogger("rtmon.hub")


IGNORED = (
    "The token in your address was ignored: addresses end up in logs. The server takes it there if "
    "told to, by token_in_query=True or rtmon serve --token-in-query."
)
"""Error text for a client whose token is in the URL although the hub does not accept it there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An authenticated user.

    Attributes:
        id: the user id; ``user`` in messages of the protocol.
        name: the display name; None to show the id.
        permissions: granted permissions, see :class:`~rtmon.hub.ChannelOptions`. A list is
            converted to a frozenset.
        claims: further claims, for the application.
        expires: time when the authentication expires, in Unix seconds; None for never.

    Raises:
        OptionError: the id or the name is empty, is longer than 128 characters or contains control
            characters, a permission is not a str, or ``expires`` is not a number.
    """

    id: str
    name: str | None = None
    permissions: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    expires: float | None = None

    def __post_init__(self) -> None:
        try:
            msgspec.convert(self.id, Name)
            msgspec.convert(self.name, Name | None)
            # Encoding fails for half of a surrogate pair, which JSON may contain.
            self.shown.encode()
            self.id.encode()
        except (msgspec.ValidationError, UnicodeEncodeError):
            raise OptionError(
                "id or name of a User is no name: give 1 to 128 characters."
            ) from None
        try:
            # Refuse a plain string: the test "in" would also find a part of a permission.
            permissions = msgspec.convert(self.permissions, frozenset[str])
            expires = msgspec.convert(self.expires, float | None)
        except msgspec.ValidationError:
            raise OptionError(
                "permissions of a User are a set of words, and expires is Unix seconds or None."
            ) from None
        if expires is not None and math.isnan(expires):
            raise OptionError("expires of a User is no time: give Unix seconds, or None.")
        object.__setattr__(self, "permissions", permissions)

    @property
    def shown(self) -> str:
        """The display name."""
        return self.name or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client sends to authenticate itself.

    Attributes:
        token: the token, not yet verified; None if the client sent none.
        headers: headers of the client's request, with names in lower case; empty if the token came
            in a message.
        address: the client's address, ``host:port``; None if unknown.
        transport: ``websocket``, ``sse`` or ``socketio``.
        ignored: True if the client's only token is in the URL, and the option ``token_in_query``
            does not allow tokens there.
    """

    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: str | None = None
    transport: str = ""
    ignored: bool = False

    @property
    def advice(self) -> str:
        """Text that tells the client how to send a token, and whether its URL token was ignored."""
        other = {"sse": "", "socketio": ", or in auth: { token }"}.get(
            self.transport, ", or as token in connect, the first message"
        )
        shown = f"Show one in the header Authorization: Bearer TOKEN{other}."
        return f"{shown} {IGNORED}" if self.ignored else shown


Auth: TypeAlias = Callable[[Credentials], "User | Awaitable[User | None] | None"]
"""Function or coroutine function that returns the user for credentials. It refuses the client by
returning None, or by raising a ProtocolError."""


def bearer(headers: Iterable[tuple[str, str]]) -> tuple[str | None, dict[str, str]]:
    """Find the bearer token of a request in its ``Authorization`` header (RFC 6750, 2.1).

    The values of repeated headers are joined (RFC 9110, 5.2), so two tokens become one invalid
    token.

    Returns:
        A pair: the token, or None if the request has none; and all headers, as a dict from the name
        in lower case to the value.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    scheme, _, token = found.get("authorization", "").partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None, found


class Authentication:
    """Authenticates clients by calling a function of the application.

    Args:
        context: the hub's shared context.
        auth: the application's function; None accepts the user id that a client claims.
    """

    def __init__(self, context: HubContext, auth: Auth | None) -> None:
        self._context = context
        self._auth = auth

    @property
    def required(self) -> bool:
        """True if clients must authenticate."""
        return self._auth is not None

    async def identify(self, credentials: Credentials) -> User:
        """Authenticate a client: return the user to whom its credentials belong.

        Raises:
            ProtocolError: the credentials are not valid, or the application's function failed.
        """
        _check_length(credentials.token)
        found: Any = None
        try:
            # A client that is not authenticated within ``auth_timeout`` is refused, so it is
            # useless to wait longer for the application's function.
            async with asyncio.timeout(self._context.options.auth_timeout):
                found = self._auth(credentials) if self._auth else None
                if inspect.isawaitable(found):
                    found = await found
        except ProtocolError:
            raise
        except Exception as error:  # noqa: BLE001 - the application's function may raise anything
            # The exception's message is not logged, because it may quote the credentials.
            _log(error)
            raise ProtocolError(
                "internal", "The server failed to find out who you are; come back.", retry=True
            ) from None
        if isinstance(found, User):
            if seconds_left(found, self._context.wall()) == 0:
                raise ProtocolError("token_expired", "What you show has expired.")
            return found
        if credentials.token is None:
            raise ProtocolError("unauthorized", f"You showed no token. {credentials.advice}")
        raise ProtocolError("invalid_token", "The token is not one that is taken here.")

    async def refresh(self, known: User, credentials: Credentials) -> User:
        """Authenticate a connected client again, by fresh credentials of the same user.

        Returns:
            The user with the permissions, claims and expiry of the fresh credentials. The display
            name stays unchanged.

        Args:
            known: the user that is authenticated now.
            credentials: the fresh credentials.

        Raises:
            ProtocolError: the credentials are not valid, or belong to another user.
        """
        user = await self.identify(credentials)
        if user.id != known.id:
            raise ProtocolError(
                "forbidden", "This token is somebody else's: open another connection for them."
            )
        return replace(user, name=known.name)


def seconds_left(user: User | None, wall: float) -> float | None:
    """Return the seconds until a user's authentication expires; 0 once expired, None for never.

    The result is rounded down to milliseconds.

    Args:
        user: the user; None if not authenticated.
        wall: the time now, in Unix seconds.
    """
    if user is None or user.expires is None:
        return None
    milliseconds = max(0.0, (user.expires - wall) * 1000)
    return None if math.isinf(milliseconds) else math.floor(milliseconds) / 1000


def _check_length(token: str | None) -> None:
    """Raise ProtocolError if a token is too long."""
    if token is not None and len(token) > limits.TOKEN_LENGTH:
        raise ProtocolError(
            "invalid_token", f"A token may have {limits.TOKEN_LENGTH} characters: this has more."
        )


def _log(error: BaseException) -> None:
    """Log the type and source line of an exception that ``auth`` raised, without its message."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else f" in {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
    logger.error("auth raised %s%s; the client is not let in", type(error).__name__, where)
