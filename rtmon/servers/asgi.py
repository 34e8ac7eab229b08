"""A hub on all transports at once, under uvicorn, measured; see docs/transports.md."""

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
"""Connections the kernel holds until they are accepted, as for :func:`rtmon.serve`."""

GRACE = 0.7
"""Seconds to wait for clients to close when the server stops."""


def measured(application: App, monitor: Monitor) -> ASGIProbe:
    """Return a hub's ASGI application with a probe, to be run or mounted.

    Args:
        application: made by :func:`rtmon.hub.transports.asgi.app`.
        monitor: measures its connections and channels.
    """
    monitor.measure(application.hub)
    application.hub.report_to(monitor.event)
    probe = instrument(application.socketio.server, monitor)
    application.socketio.meter, application.socketio.failed = probe.meter, probe.event_failed
    return ASGIProbe(application, monitor=monitor)


class ASGIServer(server_base.BaseServer):
    """A running server; see :func:`serve`.

    Attributes:
        hub: the hub that it serves.
        monitor: measures its connections.
        admin: its admin listener, None if it has none.
        port: the port it listens on, 0 before it runs.
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
            ws_max_size=2 * hub.options.max_size,  # the hub has its own limit
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
        """Start serving, as ``await`` and ``async with`` do. Idempotent."""
        if self._ticking is not None:
            return
        self.monitor.arm("serve")
        pause_when_exhausted(asyncio.get_running_loop())
        with server_base.binding("the server", self._host, self._asked):
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listener = socket.create_server((self._host, self._asked), family=family)
        # asyncio sets it only for sockets with TCP's protocol number; here it is 0. Without it,
        # the second of two messages waits for the client's delayed acknowledgement, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = int(listener.getsockname()[1])
        await self.hub.start()
        # As uvicorn's serve(), without its signal handlers, which are up to the program.
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
        """The URL for WebSocket clients; the other transports have the same host and port."""
        scheme = "wss" if self._secure else "ws"
        return f"{scheme}://{server_base.address(self._host, self.port)}"

    @property
    def page_url(self) -> str | None:
        """The URL of the chat page; None without one."""
        return f"http{self.url.removeprefix('ws')}/" if self._page else None

    @property
    def admin_url(self) -> str | None:
        """The URL for dashboards; None without an admin listener."""
        return None if self.admin is None else self.admin.url

    def close(self) -> None:
        """Stop listening and end the hub's connections; idempotent. See :meth:`wait_closed`."""
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
        # The last tick is sent to readers before the admin listener ends.
        if self._owns_monitor:
            self.monitor.close()
        if self.admin is not None:
            await self.admin.aclose()

    async def _stop(self) -> None:
        for connection in list(self._uvicorn.server_state.connections):
            with contextlib.suppress(AttributeError):  # a starting connection has none
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

    Use it as ``async with serve(…)`` or ``await serve(…)``. The hub is closed with the server.

    Args:
        hub: what is served.
        host: the interface to listen on.
        port: the port; 0 for any that is free.
        monitor: measures the connections; by default a new one, closed with the server.
        admin: port of an admin listener on 127.0.0.1 for dashboards (0 for any that is free);
            None for none.
        admin_ssl: TLS context of that admin listener; None for no TLS.
        page: True to serve a chat page of the hub at ``/``.
        origins: web pages of other origins that may use the hub; ``"*"`` for all.
        ping_interval: seconds between keepalive pings of a WebSocket; None for no pings.
        ping_timeout: seconds to wait for a pong before the connection is closed; None for ever.
        header_timeout: seconds until a connection must have sent a request's line and headers.
        ssl: TLS context, such as :func:`rtmon.servers.tls.server_context` returns; None for no TLS.

    Raises:
        PortInUse: another process listens there.
        OptionError: an argument is wrong, or this version of uvicorn is not supported.
        MonitorError: the Monitor ticks on another running event loop.
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
