"""Authentication: from a client's credentials to a user.

A hub with ``auth`` accepts authenticated clients only::

    Hub(auth=JWT(key, algorithms=["HS256"], audience="chat"))

``auth`` may be any function or coroutine function that takes :class:`Credentials` and returns a
:class:`User`, or None to refuse. docs/security.md says where tokens are taken from, and why.
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
"""What a client is told that has shown its token in a place where it is not taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An authenticated user.

    Attributes:
        id: the user id; ``user`` in the protocol.
        name: the display name; the id if None.
        permissions: granted permissions, see :class:`~rtmon.hub.ChannelOptions`; a list works, too.
        claims: further claims, for the application.
        expires: when the authentication expires, in Unix seconds; None for never.

    Raises:
        OptionError: the id or the name is no name: 1 to 128 characters, no control characters;
            or the permissions are no words, or ``expires`` is no time.
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
            self.shown.encode()  # half of a surrogate pair, as JSON may have it, cannot be sent
            self.id.encode()
        except (msgspec.ValidationError, UnicodeEncodeError):
            raise OptionError(
                "id or name of a User is no name: give 1 to 128 characters."
            ) from None
        try:
            # Within a plain string, one permission would be found inside another.
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
    """What a client presents to authenticate itself.

    Attributes:
        token: not verified yet, but for its length; None if the client presents none.
        headers: of the client's request, names in lower case; empty for a token that is presented
            later.
        address: host and port that the client connects from; None if unknown.
        transport: ``websocket``, ``sse`` or ``socketio``.
        ignored: whether the only token stands in the address, where the hub's options do not allow
            it (``token_in_query``).
    """

    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: str | None = None
    transport: str = ""
    ignored: bool = False

    @property
    def advice(self) -> str:
        """How the client can show a token, and what became of the one in its address."""
        other = {"sse": "", "socketio": ", or in auth: { token }"}.get(
            self.transport, ", or as token in connect, the first message"
        )
        shown = f"Show one in the header Authorization: Bearer TOKEN{other}."
        return f"{shown} {IGNORED}" if self.ignored else shown


Auth: TypeAlias = Callable[[Credentials], "User | Awaitable[User | None] | None"]
"""Returns the user of some credentials; None, or a ProtocolError of its own, refuses the client."""


def bearer(headers: Iterable[tuple[str, str]]) -> tuple[str | None, dict[str, str]]:
    """Return the token in ``Authorization: Bearer`` (RFC 6750, 2.1), and all headers by name.

    Values of repeated headers are joined (RFC 9110, 5.2), so two tokens make one that is invalid.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    scheme, _, token = found.get("authorization", "").partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None, found


class Authentication:
    """Authenticates clients with a function of the application.

    Args:
        context: of the hub.
        auth: the function; None accepts what clients claim to be.
    """

    def __init__(self, context: HubContext, auth: Auth | None) -> None:
        self._context = context
        self._auth = auth

    @property
    def required(self) -> bool:
        """Whether clients must authenticate."""
        return self._auth is not None

    async def identify(self, credentials: Credentials) -> User:
        """Return the user of some credentials.

        Raises:
            ProtocolError: the credentials are not valid.
        """
        _check_length(credentials.token)
        found: Any = None
        try:
            # Longer than a client may take to authenticate would never let one in.
            async with asyncio.timeout(self._context.options.auth_timeout):
                found = self._auth(credentials) if self._auth else None
                if inspect.isawaitable(found):
                    found = await found
        except ProtocolError:
            raise
        except Exception as error:  # noqa: BLE001 - of the application's function
            # Its message is not logged: it may quote the credentials.
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
        """Return the same user with the permissions and expiry of fresh credentials.

        Raises:
            ProtocolError: the credentials are not valid, or another user's.
        """
        user = await self.identify(credentials)
        if user.id != known.id:
            raise ProtocolError(
                "forbidden", "This token is somebody else's: open another connection for them."
            )
        return replace(user, name=known.name)


def seconds_left(user: User | None, wall: float) -> float | None:
    """Return the seconds, rounded down to milliseconds, until a user expires; None for never."""
    if user is None or user.expires is None:
        return None
    milliseconds = max(0.0, (user.expires - wall) * 1000)
    return None if math.isinf(milliseconds) else math.floor(milliseconds) / 1000


def _check_length(token: str | None) -> None:
    if token is not None and len(token) > limits.TOKEN_LENGTH:
        raise ProtocolError(
            "invalid_token", f"A token may have {limits.TOKEN_LENGTH} characters: this has more."
        )


def _log(error: BaseException) -> None:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else f" in {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
    logger.error("auth raised %s%s; the client is not let in", type(error).__name__, where)
