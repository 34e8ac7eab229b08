"""Options that several commands share, with their help texts and validation."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core import option_validation
from ..errors import MissingExtra, OptionError

if TYPE_CHECKING:
    from ..metrics.redaction import Redaction

__all__ = [
    "PORT_MAX",
    "AdminPort",
    "Browser",
    "Course",
    "Duration",
    "Port",
    "Redact",
    "TokenFile",
    "Users",
    "admin_port",
    "admin_token",
    "redaction",
    "refuse_idle",
    "require",
]

PORT_MAX = 65535

Port = Annotated[
    int,
    typer.Option(
        envvar="RTMON_PORT",
        min=0,
        max=PORT_MAX,
        metavar="PORT",
        help="Port of the WebSocket server; 0: any free.",
    ),
]
AdminPort = Annotated[
    str,
    typer.Option(
        "--admin-port",
        envvar="RTMON_ADMIN_PORT",
        metavar="PORT|off",
        help="Port of the admin listener, which dashboards read, on 127.0.0.1.",
    ),
]
Users = Annotated[
    int, typer.Option(min=1, max=10_000, metavar="N", help="How many users to simulate.")
]
Duration = Annotated[
    float | None,
    typer.Option(min=0.1, metavar="SECONDS", help="Stop after this time. Default: run on."),
]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
]

Course = Annotated[
    Path | None,
    typer.Option(
        "--course",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="A folder with your own notebooks and exercises. Default: the course of rtmon.",
    ),
]
Redact = Annotated[
    str | None,
    typer.Option(
        envvar="RTMON_REDACT",
        metavar="RULES",
        help="Replace or remove personal data: addresses=network,names=hash, also agents=, "
        "reasons=, frames=. Rules: keep, hash, network, drop. RTMON_REDACT_KEY is the secret key "
        "for hashes.",
    ),
]


TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="A file with the bearer token of the admin listener. Default: the token in "
        "RTMON_TOKEN.",
    ),
]


def admin_token(file: Path | None) -> str | None:
    """Return the bearer token for an admin listener, from a file or from ``RTMON_TOKEN``.

    Raises:
        OptionError: the file cannot be read as text, or does not contain a token.
    """
    if file is None:
        return os.environ.get("RTMON_TOKEN") or None
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not text in UTF-8"
        raise OptionError(f"the token file {str(file)!r} cannot be read: {why}") from None
    option_validation.bearer_token(f"the token in {str(file)!r}", token)
    return token


def redaction(rules: str | None) -> Redaction:
    """Parse ``--redact``. Without the option, nothing is redacted.

    Raises:
        OptionError: a rule is unknown.
    """
    from ..metrics.redaction import KEEP_ALL, Redaction

    key = os.environ.get("RTMON_REDACT_KEY", "").encode()
    return KEEP_ALL if rules is None else Redaction.parse(rules, key=key)


def admin_port(text: str) -> int | None:
    """Parse ``--admin-port``: ``8766`` → 8766, ``off`` → None.

    Raises:
        BadParameter: the text is neither a port nor ``off``.
    """
    if text == "off":
        return None
    if not (text.isascii() and text.isdecimal() and int(text) <= PORT_MAX):
        raise typer.BadParameter(
            f"{text!r} is neither a port (0 to {PORT_MAX}) nor 'off'", param_hint="'--admin-port'"
        )
    return int(text)


def refuse_idle(
    context: typer.Context, *names: str, because: str, beside: str | None = None
) -> None:
    """Reject options that would have no effect, if the user has given them.

    A negative flag such as ``--no-page`` is allowed, since it only requests the default. An option
    from an environment variable is allowed if ``beside`` does not come from an environment
    variable, too.

    Args:
        context: context of the command.
        names: names of the parameters that would have no effect.
        because: the reason, after "it has no effect".
        beside: the parameter that makes them ineffective, if any.

    Raises:
        BadParameter: one of the parameters was given.
    """
    asked = {"COMMANDLINE", _given(context, beside) if beside else "ENVIRONMENT"} - {"DEFAULT"}
    for parameter in context.command.params:
        if parameter.name not in names or context.params[parameter.name] is False:
            continue
        if _given(context, parameter.name) in asked:
            hint = f"'{parameter.opts[0]}'"
            raise typer.BadParameter(f"it has no effect {because}", param_hint=hint)


def _given(context: typer.Context, name: str) -> str:
    """Return the source of an option's value: COMMANDLINE, ENVIRONMENT, DEFAULT and so on."""
    source = context.get_parameter_source(name)
    return "" if source is None else source.name


def require(feature: str, *packages: str, extra: str) -> None:
    """Check that the packages of an extra are installed, before anything is started.

    Raises:
        MissingExtra: a package is missing.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(feature, package, extra)
