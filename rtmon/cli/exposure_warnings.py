"""Warnings that clients on other machines can use a server without authentication."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

from ..core.ip_addresses import is_loopback

__all__ = ["listening_on", "open_dashboard", "open_server", "open_wall", "warn"]


def listening_on(host: str, port: int) -> str:
    """Return ``host:port`` of a listener. An empty host means all interfaces: ``0.0.0.0``."""
    name = host or "0.0.0.0"  # noqa: S104 - shown, not bound
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def open_server(
    host: str,
    port: int,
    *,
    hub: bool,
    auth: bool,
    files: Path | None,
    origins: Iterable[str] | None,
    admin: bool,
) -> str | None:
    """Return a warning that lists what unauthenticated clients may do on `rtmon serve`.

    Return None if clients must authenticate, or if only this machine can reach the server.

    Args:
        host: the interface that the server listens on.
        port: the port that the server listens on.
        hub: False for ``--echo``.
        auth: True if clients need a token.
        files: the folder for files; None if the hub accepts no files.
        origins: additional origins whose pages may use the hub.
        admin: True if the server has an admin listener.
    """
    if auth or is_loopback(host):
        return None
    where = f"no authentication, so any program that can reach {listening_on(host, port)} can"
    if hub:
        opened = f"The hub has {where} connect under any name, read and write in every room and "
        opened += "channel, and see the names of all clients."
        if files is not None:
            opened += f" It can upload files into {files}."
        if "*" in (origins or ()):
            opened += " So can web pages of any origin, in the browsers of their visitors."
        opened += " Ask for tokens (--jwt-key-file), or listen on 127.0.0.1."
    else:
        opened = f"The echo server has {where} connect and send. Listen on 127.0.0.1 otherwise."
    return f"{opened} The admin listener is on 127.0.0.1 only." if admin else opened


def open_dashboard(host: str, port: int) -> str | None:
    """Return a warning for `rtmon dashboard`; None if only this machine can reach the page."""
    if is_loopback(host):
        return None
    return (
        "The dashboard has no authentication, so any program that can reach "
        f"{listening_on(host, port)} can read the names, addresses and errors of all clients. Put "
        "a proxy with a login in front, or listen on 127.0.0.1."
    )


def open_wall(host: str, port: int) -> str | None:
    """Return a warning for `rtmon course wall`; None if only this machine can reach the page."""
    if is_loopback(host):
        return None
    return (
        "The progress wall has no authentication, so any program that can reach "
        f"{listening_on(host, port)} can read the names and results of all learners. Listen on "
        "127.0.0.1, and show the screen."
    )


def warn(words: str | None) -> None:
    """Print a warning to standard error, in red on a terminal. For None, print nothing."""
    if words is not None:
        typer.secho(f"WARNING: {words}", err=True, fg="red", bold=True)
