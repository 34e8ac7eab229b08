"""``rtmon demo``: run a server, simulated users and the dashboard, each in its own process."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from ..core.child_processes import Child, announce, stop
from .dashboard import open_browser
from .shared_options import (
    PORT_MAX,
    AdminPort,
    Browser,
    Duration,
    Port,
    Users,
    admin_port,
    refuse_idle,
    require,
)

__all__ = ["demo"]

PING_INTERVAL = 2.0
"""Seconds between keepalive pings: few, so that round-trip times are shown soon."""

POLL = 0.1
"""Seconds between two checks whether a child process has ended."""


def demo(
    context: typer.Context,
    *,
    users: Users = 20,
    port: Port = 8765,
    admin: AdminPort = "8766",
    dashboard_port: Annotated[
        int,
        typer.Option(
            min=0, max=PORT_MAX, metavar="PORT", help="Port of the dashboard; 0: any free."
        ),
    ] = 5006,
    duration: Duration = None,
    browser: Browser = True,
    dashboard: Annotated[
        bool, typer.Option("--dashboard/--no-dashboard", help="Show the dashboard.")
    ] = True,
) -> None:
    """Run a chat server, simulated users and the dashboard.

    Each runs in its own process, and all end with this command.

    \b
    Examples:
      rtmon demo
      rtmon demo --users 200 --no-browser
      rtmon demo --duration 60 --port 0 --admin-port 0 --dashboard-port 0
    """
    if admin_port(admin) is None:
        raise typer.BadParameter("the demo needs it: give a port", param_hint="'--admin-port'")
    if not dashboard:
        refuse_idle(context, "dashboard_port", "browser", because="with --no-dashboard")
    else:
        require("The dashboard", "panel", "pandas", extra="dashboard")
    children: list[Child] = []
    files = tempfile.TemporaryDirectory(prefix="rtmon-demo-")

    def start(name: str, *arguments: str) -> Child:
        children.append(Child(name, *arguments))
        return children[-1]

    try:
        if sys.stderr.isatty():
            typer.echo("Starting a server, its users and the dashboard …", err=True)
        server = start(
            "the server",
            "serve",
            f"--port={port}",
            f"--admin-port={admin}",
            f"--ping-interval={PING_INTERVAL}",
            f"--files={files.name}",
        ).ready()
        url, watched = server["url"], server["admin"]
        crowd = start("the simulated users", "load", url, f"--users={users}")
        page = None
        if dashboard:
            view = start("the dashboard", "dashboard", watched, f"--port={dashboard_port}")
            page = view.ready()["url"]
        crowd.ready()
        chat = server["page"]
        announce(
            _welcome(users, page, url, watched, chat),
            url=url,
            admin=watched,
            dashboard=page,
            chat=chat,
        )
        if page and browser:
            open_browser(page)
        _watch(children, float("inf") if duration is None else duration)
    finally:
        # A second Ctrl-C during the shutdown must not leave a child behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop(children)
        files.cleanup()


def _welcome(users: int, page: str | None, server: str, admin: str, chat: str) -> str:
    lines = [f"{users} simulated users are chatting. Ctrl-C ends it.", ""]
    if page:
        lines.append(f"  dashboard  {page}")
    lines += [f"  chat       {chat}", f"  server     {server}", f"  admin      {admin}"]
    return "\n".join(lines)


def _watch(children: Sequence[Child], seconds: float) -> None:
    """Wait for some seconds. Raise an error if a child process ends during this time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for child in children:
            if not child.running():
                raise child.ended()
        time.sleep(POLL)
