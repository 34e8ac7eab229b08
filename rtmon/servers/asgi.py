"""Serve a hub under uvicorn, on all transports, with a Monitor; see docs/transports.md."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from ssl import SSLContext

from ..errors import OptionError
from ..hub import Hub
from ..hub.admission.origins import OriginsOption
from ..hub.transports.asgi import App, app
from ..monitor import Monitor
from ..probes.asgi import ASGIProbe
from ..probes.socketio import instrument
from . import server_base
from .accept_pause import pause_when_exhausted
from .admin_listener import Admin

try:
    import uvicorn
except ImportError:
    from ..errors import MissingExtra

    raise MissingExtra("Serving ASGI", "uvicorn", "asgi") from None

from .uvicorn_protocols import HEADER_TIMEOUT, guarded

__all__ = ["ASGIServer", "measured", "serve"]

BACKLOG = 4096
"""Backlog of the listening socket, as for :func:`rtmon.serve`."""

GRACE = 0.7
"""Seconds to wait for clients to close their connections when the server stops."""


def measured(application: App, monitor: Monitor) -> ASGIProbe:
    """Return a hub's ASGI application with a probe, to be run or mounted.

    Args:
        application: made by :func:`rtmon.hub.transports.asgi.app`.
        monitor: the Monitor that measures the hub's connections and channels.
    """
    monitor.measure(application.hub)
    application.hub.report_to(monitor.event)
    probe = instrument(application.socketio.server, monitor)
    application.socketio.meter, application.socketio.failed = probe.meter, probe.event_failed
    return ASGIProbe(application, monitor=monitor)


class ASGIServer(server_base.BaseServer):
    """A running server; see :func:`serve`.

    Attributes:
        hub: the hub that is served.
        monitor: the Monitor that measures the server's connections.
        admin: the server's admin listener; None if the server has none.
        port: the port that the server is bound to; 0 before it is started.
    """

    def __init__(
        self,
        hub: Hub,
        host: str,
        port: int,
        *,
        monitor: Monitor | None,
        admin: int | None,
        admin_ssl: SSLContext | None,
        page: bool,
        origins: OriginsOption,
        ping_interval: float | None,
        ping_timeout: float | None,
        header_timeout: float,
        ssl: SSLContext | None,
    ) -> None:
        if not isinstance(hub, Hub):
            raise OptionError(
                f"serve() takes a hub, not {hub!r:.100}: give rtmon.Hub() itself, it makes the "
                "application; run another ASGI application with uvicorn.run()."
            )
        self.hub = hub
        self._owns_monitor = monitor is None
        self.monitor = Monitor() if monitor is None else monitor
        if admin is None and admin_ssl is not None:
            raise OptionError("admin_ssl goes with the port of an admin listener: give admin, too")
        self.admin = None if admin is None else Admin(self.monitor, port=admin, ssl=admin_ssl)
        self._secure = ssl is not None
        self._app = app(hub, origins=origins, drain=False, page=page)
        self._host, self._asked, self._page = host, port, page
        config = uvicorn.Config(
            measured(self._app, self.monitor),
            **guarded(header_timeout=header_timeout, monitor=self.monitor),
            ws_max_size=2 * hub.options.max_size,  # the hub itself applies max_size
            ws_ping_interval=ping_interval,
            ws_ping_timeout=ping_timeout,
            lifespan="off",
            log_config=None,
            access_log=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=1,
            ssl_context_factory=None if ssl is None else lambda *_: ssl,
        )
        config.load()
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.lifespan = config.lifespan_class(config)
        self._ticking: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Start serving, as ``await`` and ``async with`` do. May be called twice."""
        if self._ticking is not None:
            return
        self.monitor.arm("serve")
        pause_when_exhausted(asyncio.get_running_loop())
        with server_base.binding("the server", self._host, self._asked):
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listener = socket.create_server((self._host, self._asked), family=family)
        # asyncio sets TCP_NODELAY only on sockets with TCP's protocol number; this socket has 0.
        # Without the option, the second of two messages waits 40 ms for the client's delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = int(listener.getsockname()[1])
        await self.hub.start()
        # Like uvicorn's serve(), but without its signal handlers, because the program itself
        # handles signals.
        await self._uvicorn.startup(sockets=[listener])
        self._ticking = asyncio.get_running_loop().create_task(self._uvicorn.main_loop())
        if self.admin is not None:
            try:
                await self.admin.start()
            except BaseException:
                await self._stop()
                raise

    @property
    def url(self) -> str:
        """The URL for WebSocket clients. The other transports use the same host and port."""
        scheme = "wss" if self._secure else "ws"
        return f"{scheme}://{server_base.address(self._host, self.port)}"

    @property
    def page_url(self) -> str | None:
        """The URL of the chat page; None if the server serves no chat page."""
        return f"http{self.url.removeprefix('ws')}/" if self._page else None

    @property
    def admin_url(self) -> str | None:
        """The URL for dashboards; None if the server has no admin listener."""
        return None if self.admin is None else self.admin.url

    def close(self) -> None:
        """Stop listening and end the hub's connections; see :meth:`wait_closed`.

        May be called twice.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())

    async def wait_closed(self) -> None:
        """Wait until the server, its connections and its admin listener are closed."""
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for server in self._uvicorn.servers:
            server.close()
        await self._app.aclose()
        state = self._uvicorn.server_state
        if state.tasks:
            await asyncio.wait(set(state.tasks), timeout=GRACE)
        await self._stop()
        # First close the Monitor: its last tick is sent to readers of the admin listener.
        if self._owns_monitor:
            self.monitor.close()
        if self.admin is not None:
            await self.admin.aclose()

    async def _stop(self) -> None:
        for connection in list(self._uvicorn.server_state.connections):
            with contextlib.suppress(AttributeError):  # a new connection has no transport yet
                connection.transport.abort()
        self._uvicorn.should_exit = True
        if self._ticking is not None:
            await self._ticking
        await self._uvicorn.shutdown()


def serve(
    hub: Hub,
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    monitor: Monitor | None = None,
    admin: int | None = None,
    admin_ssl: SSLContext | None = None,
    page: bool = True,
    origins: OriginsOption = None,
    ping_interval: float | None = 20.0,
    ping_timeout: float | None = 20.0,
    header_timeout: float = HEADER_TIMEOUT,
    ssl: SSLContext | None = None,
) -> ASGIServer:
    """Serve a hub over WebSocket, server-sent events and Socket.IO on one port.

    Use it as ``async with serve(…)`` or ``await serve(…)``. When the server closes, it closes the
    hub.

    Args:
        hub: the hub to serve.
        host: the interface to listen on.
        port: the port; 0 for any free port.
        monitor: the Monitor that measures the connections. By default a new one, which the server
            closes.
        admin: port of an admin listener on 127.0.0.1 for dashboards, 0 for any free port. None for
            no admin listener.
        admin_ssl: TLS context of that admin listener; None for no TLS.
        page: True to serve a chat page for the hub at ``/``.
        origins: other origins whose web pages may use the hub; ``"*"`` for all.
        ping_interval: seconds between keepalive pings of a WebSocket; None for no pings.
        ping_timeout: seconds to wait for a pong before the connection is closed; None for no limit.
        header_timeout: seconds in which a connection must send a request's line and headers.
        ssl: TLS context, such as :func:`rtmon.servers.tls.server_context` returns; None for no TLS.

    Raises:
        PortInUse: another process listens on this port.
        OptionError: an argument is invalid, or this version of uvicorn is not supported.
        MonitorError: the Monitor is already used on another running event loop.
    """
    return ASGIServer(
        hub,
        host,
        port,
        monitor=monitor,
        admin=admin,
        admin_ssl=admin_ssl,
        page=page,
        origins=origins,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
        header_timeout=header_timeout,
        ssl=ssl,
    )
