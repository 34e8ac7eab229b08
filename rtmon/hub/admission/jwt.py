"""Authentication by JSON Web Tokens, with PyJWT."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import msgspec

from ...errors import MissingExtra, OptionError, ProtocolError
from .authentication import Credentials, User

__all__ = ["JWT"]


class JWT:
    """Authenticates clients by JSON Web Tokens (RFC 7519), validated as RFC 8725 recommends.

    Args:
        key: the secret of HS256 or similar, of at least 32 bytes, or a public key in PEM format.
        algorithms: accepted algorithms, such as ``["ES256"]``, all of one family. A token's header
            can only select one of these.
        audience: required ``aud`` claim. If None, tokens with an audience are refused, because they
            are meant for another service.
        issuer: required ``iss`` claim; None accepts any.
        leeway: tolerated difference between the clocks of the issuer and this server, in seconds.
        require: claims that a token must have, in addition to ``sub``, the user id.
        name: name of the claim with the display name.
        permissions: name of the claim with the permissions, a list or words separated by spaces
            (RFC 8693).

    Raises:
        MissingExtra: PyJWT is not installed.
        OptionError: the key or an algorithm is unusable, or the key does not fit an algorithm.
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
        """Return the user of a token; None if the client sent no token.

        Raises:
            ProtocolError: the token is not valid. The error text never quotes the token.
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
        except Exception:  # noqa: BLE001 - decoding a hostile token may raise anything
            # The reason is not reported: it would help an attacker, and the exception may quote the
            # token.
            raise ProtocolError(
                "invalid_token", "The token is not one that is taken here."
            ) from None

    def _user(self, claims: dict[str, Any]) -> User:
        """Return the user that a token's claims describe."""
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
    """Check that all algorithms can use a key. Returns the key.

    Raises:
        OptionError: an algorithm is unknown, or cannot use the key.
    """
    known = jwt.algorithms.get_default_algorithms()
    if isinstance(algorithms, str) or not algorithms or not all(a in known for a in algorithms):
        raise OptionError(
            f"algorithms is {algorithms!r}: give a list of those that tokens are signed with, of "
            f"{', '.join(sorted(known.keys() - {'none'}))}. All but HS… need the package "
            "cryptography."
        )
    families: set[_Family] = {"secret" if a.startswith("HS") else "public" for a in algorithms}
    if "none" in algorithms or len(families) > 1:
        # If HMAC and public-key algorithms were both accepted, an attacker could sign a token with
        # the public key as the HMAC secret (algorithm confusion).
        raise OptionError(
            f"algorithms is {algorithms!r}: give such that use one kind of key, and not 'none'."
        )
    if not isinstance(key, str | bytes):
        raise OptionError("The key of JWT is a secret, or a public key as PEM: give str or bytes.")
    for algorithm in algorithms:
        try:
            bits = getattr(known[algorithm].prepare_key(key), "key_size", 0)
        except Exception:  # noqa: BLE001 - several libraries may raise
            raise OptionError(f"The key of JWT is none for {algorithm}.") from None
        if algorithm.startswith(("RS", "PS")) and bits < 2048:
            # RFC 7518, 3.3: a shorter RSA key can be factored.
            raise OptionError(
                f"The key of JWT has {bits} bits, too few for {algorithm}: give one of 2048."
            )
    least = {"HS256": 32, "HS384": 48, "HS512": 64}
    size = len(key.encode() if isinstance(key, str) else key)
    if any(size < least.get(algorithm, 0) for algorithm in algorithms):
        # RFC 7518, 3.2: a shorter secret can be found by brute force.
        raise OptionError(
            f"The key of JWT has {size} bytes, too few for {', '.join(algorithms)}: give one made "
            "by `openssl rand -base64 48`, say."
        )
    return key
