"""Options of `rtmon serve` for authentication, origins and rate limits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from .shared_options import refuse_idle, require

__all__ = [
    "HUBS_OWN",
    "SECRET",
    "AddressBurst",
    "AddressRate",
    "AtLimit",
    "AuthClose",
    "AuthTimeout",
    "Burst",
    "ByteRate",
    "ConnectionsPerAddress",
    "ConnectionsPerUser",
    "IdleTimeout",
    "JWTAlgorithms",
    "JWTAudience",
    "JWTIssuer",
    "JWTKeyFile",
    "MaxConnections",
    "Rate",
    "TokenInQuery",
    "UserBurst",
    "UserRate",
    "all_matter",
    "login",
]

SECRET = "RTMON_JWT_SECRET"  # noqa: S105 - the name of a variable
"""Environment variable: the secret for tokens. It is no command-line option, because all users of
a machine can read command lines."""

_KEY_FILE = "RTMON_JWT_KEY_FILE"

HUBS_OWN = (
    "jwt_key_file",
    "jwt_algorithm",
    "jwt_audience",
    "jwt_issuer",
    "token_in_query",
    "auth_timeout",
    "auth_close",
    "connections_per_user",
    "connections_per_address",
    "at_limit",
    "rate",
    "burst",
    "byte_rate",
    "user_rate",
    "user_burst",
    "address_rate",
    "address_burst",
)
"""Parameters of the options that only a hub uses."""


def _option(name: str, help_: str, metavar: str | None = None, **more: Any) -> Any:
    variable = "RTMON_" + name.removeprefix("--").replace("-", "_").upper()
    return typer.Option(name, envvar=variable, help=help_, metavar=metavar, **more)


def _at_least(name: str, help_: str, metavar: str, least: float) -> Any:
    return _option(name, help_, metavar, min=least)


JWTKeyFile = Annotated[
    Path | None,
    _option(
        "--jwt-key-file",
        f"Ask clients for a JSON Web Token, signed with the key in this file: a secret, or a "
        f"public key as PEM. Or give the secret by the environment, as {SECRET}.",
        "FILE",
        dir_okay=False,
    ),
]
JWTAlgorithms = Annotated[
    list[str] | None,
    _option("--jwt-algorithm", "How tokens are signed; repeatable. By default HS256.", "NAME"),
]
JWTAudience = Annotated[
    str | None, _option("--jwt-audience", "Whom a token's aud must name.", "NAME")
]
JWTIssuer = Annotated[str | None, _option("--jwt-issuer", "What a token's iss must be.", "NAME")]
TokenInQuery = Annotated[
    bool,
    _option("--token-in-query", "Take tokens from addresses, too, which end up in logs."),
]
AuthTimeout = Annotated[
    float,
    _at_least("--auth-timeout", "Time that clients have to show a token.", "SECONDS", 0.01),
]
AuthClose = Annotated[
    int,
    _option(
        "--auth-close",
        "Close code of clients that are not let in; some know the registered 1008 only.",
        "4500|1008",
    ),
]
MaxConnections = Annotated[int, _at_least("--max-connections", "Connections at once.", "N", 1)]
ConnectionsPerUser = Annotated[
    int | None,
    _at_least("--connections-per-user", "Connections at once of one user.", "N", 1),
]
ConnectionsPerAddress = Annotated[
    int | None,
    _at_least("--connections-per-address", "Connections at once of one address.", "N", 1),
]
AtLimit = Annotated[
    str,
    _option(
        "--at-limit",
        "With one more of a user or an address: refuse it, or close_oldest.",
        "refuse|close_oldest",
    ),
]
Rate = Annotated[
    float,
    _at_least("--rate", "Messages a second that one connection may send, lastingly.", "N", 0.1),
]
Burst = Annotated[int, _at_least("--burst", "Messages that it may send at once before.", "N", 1)]
ByteRate = Annotated[
    float,
    _at_least(
        "--byte-rate",
        "Bytes a second that one connection may send, lastingly; more is read later.",
        "BYTES",
        1_024,
    ),
]
UserRate = Annotated[
    float | None,
    _at_least("--user-rate", "The same for all connections of one user together.", "N", 0.001),
]
UserBurst = Annotated[int, _at_least("--user-burst", "At once before.", "N", 1)]
AddressRate = Annotated[
    float | None,
    _at_least(
        "--address-rate",
        "The same for all connections of one address; to connect counts, too.",
        "N",
        0.001,
    ),
]
AddressBurst = Annotated[int, _at_least("--address-burst", "At once before.", "N", 1)]
IdleTimeout = Annotated[
    float | None,
    _at_least(
        "--idle-timeout",
        "Close who says nothing but heartbeats for so long; who only listens, too.",
        "SECONDS",
        0.01,
    ),
]


def all_matter(context: typer.Context) -> None:
    """Reject ``--user-burst``, ``--address-burst`` and ``--at-limit`` without an effect.

    Each of these options only changes a limit that another option sets.

    Raises:
        BadParameter: a limit has no effect.
    """
    given = context.params
    for whose in ("user", "address"):
        if given[f"{whose}_rate"] is None:
            refuse_idle(context, f"{whose}_burst", because=f"without --{whose}-rate")
    if given["connections_per_user"] is None and given["connections_per_address"] is None:
        refuse_idle(context, "at_limit", because="without a number of connections")


def login(
    key_file: Path | None,
    algorithms: list[str] | None,
    *,
    audience: str | None,
    issuer: str | None,
) -> Any:
    """Return the object that authenticates clients by their tokens; None without authentication.

    Raises:
        BadParameter: the key file does not exist, a file and an environment variable both give a
            key, or the environment variable is empty.
        MissingExtra: PyJWT is not installed.
        OptionError: the key or an algorithm cannot be used.
    """
    secret = os.environ.get(SECRET) or None
    for variable in (SECRET, _KEY_FILE):
        if key_file is None and not os.environ.get(variable, "set").strip():
            # A missing key must not leave the server without authentication.
            raise typer.BadParameter(
                "it is there, but empty: set it, or unset it to let everybody in",
                param_hint=variable,
            )
    if key_file is not None:
        if secret is not None:
            raise typer.BadParameter(
                f"there is another key in {SECRET}: which is meant?", param_hint="'--jwt-key-file'"
            )
        try:
            secret = key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise typer.BadParameter(
                f"{str(key_file)!r} cannot be read: {why}", param_hint="'--jwt-key-file'"
            ) from None
    if secret is None:
        return None
    require("rtmon serve with tokens", "jwt", extra="jwt")
    from ..hub import JWT

    return JWT(secret, algorithms=algorithms or ["HS256"], audience=audience, issuer=issuer)
