"""``rtmon dashboard``: show the dashboard of a running server or of a recording."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from typing import Annotated

import typer

from ..core.child_processes import announce
from ..core.web_origin import DEFAULT_PORTS, Authority, WebOrigin, ascii_form
from ..servers import server_base
from . import exposure_warnings, tls_options
from .packaged_files import shipped
from .shared_options import PORT_MAX, Browser, TokenFile, admin_token, refuse_idle, require

__all__ = ["dashboard", "open_browser"]


def dashboard(
    context: typer.Context,
    url: Annotated[
        str,
        typer.Argument(
            envvar="RTMON_URL",
            metavar="URL|FILE",
            help="The admin address of the server to watch, or a recording.",
        ),
    ] = "ws://127.0.0.1:8766",
    *,
    host: Annotated[str, typer.Option(help="Interface to serve the page on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=PORT_MAX, metavar="PORT", help="Port of the page; 0: any free."),
    ] = 5006,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Another address at which browsers open the page, for example that of a proxy.",
        ),
    ] = None,
    tls_cert: tls_options.TLSCert = None,
    tls_key: tls_options.TLSKey = None,
    browser: Browser = True,
    token_file: TokenFile = None,
) -> None:
    """Show the dashboard of a running server, or of a recording.

    The server needs an admin listener: rtmon serve, rtmon.serve(..., admin=8766) or
    rtmon.serve_admin(monitor). If the server stops, the dashboard says so and reconnects.

    \b
    Examples:
      rtmon dashboard
      rtmon dashboard ws://127.0.0.1:8766 --port 5007 --no-browser
      rtmon dashboard run.rtmon
      rtmon dashboard --host 0.0.0.0 --origin chat.example.org:5006
    """
    if tls_cert is None:
        refuse_idle(context, "tls_key", because="without --tls-cert")
    secured = tls_options.context_of(tls_cert, tls_key)
    require("The dashboard", "panel", "pandas", extra="dashboard")
    from ..feeds import open_feed

    token = admin_token(token_file)
    watched = open_feed(url, token=token).status.source  # reports errors in either at once
    os.environ["RTMON_URL"] = url  # where dashboards/live.py looks
    if token is not None:
        os.environ["RTMON_TOKEN"] = token

    import panel as pn

    with server_base.binding("the dashboard", host, port):
        port = port or _free_port(host)
        address = server_base.address(host, port)
        allowed = [address, f"localhost:{port}", *map(_compared, origin or [])]
        # Use a script: Bokeh may run a function on a thread without the event loop.
        server = pn.io.server.get_server(
            shipped("dashboards") / "live.py",
            port=port,
            address=host,
            http_server_kwargs={} if secured is None else {"ssl_options": secured},
            websocket_origin=[each for each in allowed if not each.startswith("[")],
        )
    # Bokeh compares IPv6 addresses correctly, but its option refuses them.
    server._tornado.websocket_origins.update(allowed)  # noqa: SLF001
    server.start()
    place = f"{'http' if secured is None else 'https'}://{address}/"
    exposure_warnings.warn(exposure_warnings.open_dashboard(host, port))
    if (
        announce(f"The dashboard of {watched} is at {place}\nCtrl-C ends it.", url=place)
        and browser
    ):
        open_browser(place)
    server.io_loop.start()


def _compared(origin: str) -> str:
    """Return an origin in the form of Bokeh's option: ``HOST:PORT``, with port 80 for HTTPS, too.

    Raises:
        BadParameter: the text is not an origin.
    """
    if "*" in origin:  # Bokeh's patterns
        return origin
    page: Authority | WebOrigin | None
    try:
        text = ascii_form(origin)
        page = WebOrigin.parse(text) if "://" in text else Authority.parse(text)
    except ValueError:
        page = None
    if page is None or not page.host or getattr(page, "scheme", "http") not in DEFAULT_PORTS:
        raise typer.BadParameter(
            f"{origin!r} is no address of a page, such as chat.example.org:5006",
            param_hint="'--origin'",
        )
    if page.port is not None and page.port not in DEFAULT_PORTS.values():
        return f"{page.host}:{page.port}"
    return page.host if page.host.startswith("[") else f"{page.host}:80"


def _free_port(host: str) -> int:
    """Return a free TCP port of an interface, because Panel needs the port before it listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def open_browser(page: str) -> None:
    """Open a page in the browser if there is a graphical display or ``BROWSER`` is set.

    Otherwise Python could start a text browser, which would take over the terminal.
    """
    if (
        sys.platform in {"darwin", "win32"}
        or "BROWSER" in os.environ
        or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    ):
        webbrowser.open(page)
