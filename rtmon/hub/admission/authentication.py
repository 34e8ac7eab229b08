"""Who connects: what a client shows, and who that makes it.

A hub with ``auth`` lets nobody in of whom it does not know who they are::

    Hub(auth=JWT(key, algorithms=["HS256"], audience="chat"))

``auth`` may be any function, also a coroutine function, of :class:`Credentials` that returns a
:class:`User`, or None to refuse. docs/security.md says where tokens are taken from, and why.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import msgspec

from ...errors import MissingExtra, OptionError, ProtocolError
from ...protocol import limits
from ...protocol.values import Name

__all__ = ["JWT", "Auth", "Credentials", "User", "bearer", "checked", "left"]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody whom the hub knows.

    Attributes:
        id: who; what the protocol calls ``user``.
        name: what others are shown; the id if None.
        permissions: what :class:`~rtmon.hub.ChannelOptions` may ask for; a list is taken, too.
        claims: anything else that is known, for the application.
        expires: Unix seconds until which this holds; None for ever.

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
            # In one text, a permission would be found within another.
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
        """What others are shown."""
        return self.name or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client shows.

    Attributes:
        token: it has not been looked at, but for its length; None if there is none.
        headers: of the request that the client came with, names in lower case; empty when a
            token is shown later.
        address: where it comes from, host and port; None if there is none to know.
        transport: what it came over: ``websocket``, ``sse``, ``socketio``.
    """

    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: str | None = None
    transport: str = ""


Auth: TypeAlias = Callable[[Credentials], "User | Awaitable[User | None] | None"]
"""Says who somebody is, or that it does not know: with None, or a ProtocolError of its own."""


def bearer(headers: Iterable[tuple[str, str]]) -> tuple[str | None, dict[str, str]]:
    """The token in ``Authorization: Bearer`` (RFC 6750, 2.1), and all headers by name.

    Values of headers that come twice are joined, as RFC 9110 (5.2) has it, so that of two tokens
    there is none.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    scheme, _, token = found.get("authorization", "").partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None, found


class JWT:
    """Takes JSON Web Tokens (RFC 7519), checked by PyJWT as RFC 8725 recommends.

    Args:
        key: the secret of HS256 and the like, of 32 bytes at least, or a public key as PEM.
        algorithms: those that are taken, such as ``["ES256"]``; what the token says of it chooses
            among these only, and they must be of one family.
        audience: what the ``aud`` of a token must name. Without it, tokens that have one are not
            taken: they are for somebody else.
        issuer: what ``iss`` must be.
        leeway: seconds by which clocks may differ.
        require: claims that must be there; ``sub``, who it is, always must.
        name: the claim with what others are shown.
        permissions: the claim with permissions, a list or words with spaces between (RFC 8693).

    Raises:
        MissingExtra: PyJWT is not installed.
        OptionError: the key or an algorithm cannot be used, or not together.
    """

    def __init__(
        self,
        key: str | bytes,
        *,
        algorithms: Sequence[str],
        audience: str | Sequence[str] | None = None,
        issuer: str | Sequence[str] | None = None,
        leeway: float = 10.0,
        require: Sequence[str] = ("exp",),
        name: str = "name",
        permissions: str = "scope",
    ) -> None:
        try:
            import jwt
        except ImportError:
            raise MissingExtra("JWT", "PyJWT", "jwt") from None
        self._jwt = jwt
        self._key = _checked_key(jwt, key, algorithms)
        self._algorithms = list(algorithms)
        self._audience = audience
        self._issuer = issuer
        self._leeway = leeway
        self._options: Any = {"require": sorted({"sub", *require})}
        self._name = name
        self._permissions = permissions

    def __repr__(self) -> str:
        return f"<JWT {', '.join(self._algorithms)}>"

    def __call__(self, credentials: Credentials) -> User | None:
        """Who shows a token; None without one.

        Raises:
            ProtocolError: it is not taken. What is said never quotes it.
        """
        if credentials.token is None:
            return None
        try:
            claims = self._jwt.decode(
                credentials.token,
                self._key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options=self._options,
            )
            return self._user(claims)
        except self._jwt.ExpiredSignatureError:
            raise ProtocolError(
                "token_expired", "The token has expired: come back with a fresh one."
            ) from None
        except Exception:  # noqa: BLE001 - whatever it is that a token made up does
            # Not what was wrong with it: that helps those who guess. Nor from what, which quotes.
            raise ProtocolError(
                "invalid_token", "The token is not one that is taken here."
            ) from None

    def _user(self, claims: dict[str, Any]) -> User:
        given = claims.get(self._permissions, ())
        permissions = given.split() if isinstance(given, str) else given
        expires = claims.get("exp")
        return User(
            id=claims["sub"],
            name=claims.get(self._name),
            permissions=frozenset(msgspec.convert(permissions, list[str])),
            claims=MappingProxyType(claims),
            expires=None if expires is None else float(expires) + self._leeway,
        )


_Family: TypeAlias = Literal["secret", "public"]


def _checked_key(jwt: Any, key: Any, algorithms: Any) -> str | bytes:
    """A key that can be used with all of these algorithms."""
    known = jwt.algorithms.get_default_algorithms()
    if isinstance(algorithms, str) or not algorithms or not all(a in known for a in algorithms):
        raise OptionError(
            f"algorithms is {algorithms!r}: give a list of those that tokens are signed with, of "
            f"{', '.join(sorted(known.keys() - {'none'}))}. All but HS… need the package "
            "cryptography."
        )
    families: set[_Family] = {"secret" if a.startswith("HS") else "public" for a in algorithms}
    if "none" in algorithms or len(families) > 1:
        # With both, who knows a public key could sign with it as if it were a secret.
        raise OptionError(
            f"algorithms is {algorithms!r}: give such that use one kind of key, and not 'none'."
        )
    if not isinstance(key, str | bytes):
        raise OptionError("The key of JWT is a secret, or a public key as PEM: give str or bytes.")
    for algorithm in algorithms:
        try:
            bits = getattr(known[algorithm].prepare_key(key), "key_size", 0)
        except Exception:  # noqa: BLE001 - of several libraries
            raise OptionError(f"The key of JWT is none for {algorithm}.") from None
        if algorithm.startswith(("RS", "PS")) and bits < 2048:
            # RFC 7518, 3.3: a shorter one can be taken apart.
            raise OptionError(
                f"The key of JWT has {bits} bits, too few for {algorithm}: give one of 2048."
            )
    least = {"HS256": 32, "HS384": 48, "HS512": 64}
    size = len(key.encode() if isinstance(key, str) else key)
    if any(size < least.get(algorithm, 0) for algorithm in algorithms):
        # RFC 7518, 3.2: a shorter one can be found by trying.
        raise OptionError(
            f"The key of JWT has {size} bytes, too few for {', '.join(algorithms)}: give one made "
            "by `openssl rand -base64 48`, say."
        )
    return key


def checked(token: str | None) -> str | None:
    """A token of a length that is looked at.

    Raises:
        ProtocolError: it is too long.
    """
    if token is not None and len(token) > limits.TOKEN_LENGTH:
        raise ProtocolError(
            "invalid_token", f"A token may have {limits.TOKEN_LENGTH} characters: this has more."
        )
    return token


def left(user: User | None, wall: float) -> float | None:
    """Seconds, in milliseconds' steps, for which somebody is still known; None for ever."""
    if user is None or user.expires is None:
        return None
    milliseconds = max(0.0, (user.expires - wall) * 1000)
    return None if math.isinf(milliseconds) else math.floor(milliseconds) / 1000
