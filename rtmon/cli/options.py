"""Options that several commands share, spelled and checked the same way."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from ..errors import MissingExtra

__all__ = [
    "PORT_MAX",
    "AdminPort",
    "Browser",
    "Duration",
    "Port",
    "Users",
    "admin_port",
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
    typer.Option(min=0.1, metavar="SECONDS", help="End after so long; else it goes on."),
]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the dashboard in the browser.")
]


def admin_port(text: str) -> int | None:
    """``8766`` → 8766, ``off`` → None.

    Raises:
        BadParameter: it is neither a port nor ``off``.
    """
    if text == "off":
        return None
    if not (text.isascii() and text.isdecimal() and int(text) <= PORT_MAX):
        raise typer.BadParameter(
            f"{text!r} is neither a port (0 to {PORT_MAX}) nor 'off'", param_hint="'--admin-port'"
        )
    return int(text)


def require(feature: str, *packages: str, extra: str) -> None:
    """See that packages are there, before anything is started.

    Raises:
        MissingExtra: one is not.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(feature, package, extra)
