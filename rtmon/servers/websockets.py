"""``rtmon.serve``: serve a handler or a hub with ``websockets``, and measure its connections."""

from __future__ import annotations

import asyncio
import http
import inspect
import math
from collections.abc import Awaitable, Callable, Sequence
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from ..core.flood_protection import PINGS_AT_ONCE
from ..errors import OptionError
from ..hub import Hub
from ..hub.admission.origins import REFUSAL, Origins
from ..hub.transports import websocket as hub_transport
from ..monitor import Monitor
from ..probes.websockets import probe
from ..probes.websockets.counting_connection import CountingConnection
from ..web import static_site
from . import server_base
from .accept_pause import pause_when_exhausted
from .admin_listener import Admin
from .connection_limits import ConnectionPool
from .fanout import library_selftest as fanout_selftest
from .page_response import page_response
from .turbo.gc_pause import GCPause
from .websockets_server_wrapper import DelegatingServer

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

__all__ = ["Server", "serve"]

Handler = Callable[[ServerConnection], Awaitable[None]]

BACKLOG = 4096
"""Backlog of the listening socket. When 5,000 clients connect at once, asyncio's default of 100
makes most of them wait a second or more, until the retransmission of their SYN."""

STALL_TIMEOUT = 20.0
"""Default of ``stall_timeout`` in seconds; the same as the pong timeout of ``websockets``."""

UNASKED_TIMEOUT = 0.7
"""Seconds after which a closing server drops connections that have sent no request. A request that
is already on its way still arrives in this time, and is answered with HTTP 503."""

_CLOSES_WITH_A_CODE = "code" in inspect.signature(WebSocketServer.close).parameters
"""False for ``websockets`` up to 15, which always closes connections with 1001 and no reason."""


class Server(DelegatingServer):
    """A running server; see :func:`serve`.

    Attributes:
        monitor: the Monitor that measures the server's connections.
        hub: the hub that is served; None if a handler is served.
        admin: the server's admin listener; None if the server has none.
        pool: limits of a handler's connections, and their counts; None without such limits.
    """

    def __init__(
        self,
        target: Handler | Hub | None,
        host: str | Sequence[str] | None,
        port: int | None,
        *,
        monitor: Monitor | None,
        admin: int | Admin | None,
        admin_ssl: SSLContext | None,
        page: bool,
        stall_timeout: float | None,
        pause_gc: bool,
        max_connections: int | None,
        idle_timeout: float | None,
        options: dict[str, Any],
    ) -> None:
        self.hub = target if isinstance(target, Hub) else None
        self._owns_monitor = monitor is None
        self.monitor = Monitor() if monitor is None else monitor
        self.admin = _admin(self.monitor, admin, admin_ssl)
        if self.hub is not None:
            self.monitor.measure(self.hub)
            self.hub.report_to(self.monitor.event)
            handler: Handler = hub_transport.handler(self.hub)
            options = _hub_options(self.hub, options, page=page)
            if page:
                static_site.respond("GET", "/")  # reads the files now, not at the first request
        elif page:
            raise OptionError("page=True is the chat page of a hub: serve a Hub, or leave it out")
        elif callable(target):
            handler = target
        else:
            raise OptionError(
                f"{target!r} cannot be served: give a handler (a coroutine function) or a Hub"
            )
        self.pool = _pool(self.hub, max_connections=max_connections, idle_timeout=idle_timeout)
        if self.pool is not None:
            handler = self.pool.handler(handler)
            asked = self.pool.process_request(options.get("process_request"))
            options = {**options, "process_request": asked}
        _check_timeout(stall_timeout)
        options = _lean(options)
        self._host: Any = host  # Any: `websockets` accepts several hosts, unlike its annotation
        self._port, self._page = port, page
        self._handler = handler
        base = options.pop("create_connection", None) or ServerConnection
        if isinstance(base, type) and issubclass(base, CountingConnection):
            raise OptionError(
                f"create_connection={base.__name__} is probed already: rtmon.serve() puts its own "
                "probe on connections; give it monitor=…, and your own class if you have one"
            )
        probed = probe(self.monitor, base=base, fast=True)
        probed.stall_timeout, probed.pings_at_once = stall_timeout, PINGS_AT_ONCE
        probed.paced = probed.ends_frozen = True
        self._clients = server_base.ConnectionFactory(GCPause.of(probed) if pause_gc else probed)
        options["create_connection"] = self._clients
        if not ({"sock", "unix"} & options.keys()):
            options.setdefault("backlog", BACKLOG)
        self._options = options
        self._bound = 0
        self._closing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start serving, as ``await`` and ``async with`` do. May be called twice."""
        if self._server is None:
            self.monitor.arm("serve")
            pause_when_exhausted(asyncio.get_running_loop())
            with server_base.binding("the server", self._host, self._port):
                self._server = await websockets_serve(
                    self._handler, self._host, self._port, **self._options
                )
            self._bound = server_base.port_of(self._server)
            if self.hub is not None:
                # Run the self-test now. Later there may be no file descriptor left for it.
                fanout_selftest.obstacle()
                await self.hub.start()
            if self.admin is not None:
                try:
                    await self.admin.start()
                except BaseException:
                    self._server.close()
                    await self._server.wait_closed()
                    raise

    @property
    def port(self) -> int:
        """The port that the server is bound to. If port 0 was given, the system chose one."""
        _ = self.websockets  # raises if the server was not started
        return self._bound

    @property
    def url(self) -> str:
        """The URL for clients: ``ws://host:port``, or ``wss://host:port`` with TLS."""
        scheme = "wss" if self._options.get("ssl") else "ws"
        return f"{scheme}://{server_base.address(self._host, self.port)}"

    @property
    def page_url(self) -> str | None:
        """The URL of the chat page; None if the server serves no chat page."""
        return f"http{self.url.removeprefix('ws')}/" if self._page else None

    @property
    def admin_url(self) -> str | None:
        """The URL for dashboards; None if the server has no admin listener."""
        return None if self.admin is None else self.admin.url

    def close(self, close_connections: bool = True, code: int = 1001, reason: str = "") -> None:  # noqa: FBT001, FBT002 - the library's signature
        """Stop listening and close the connections; see :meth:`wait_closed`.

        May be called twice.
        """
        if self._closing is None:
            # Called immediately, as in `websockets`, so that no further connection is accepted.
            if _CLOSES_WITH_A_CODE:
                self.websockets.close(close_connections, code, reason)
            else:
                self.websockets.close(close_connections)
            self._closing = self.get_loop().create_task(self._ended())

    async def _ended(self) -> None:
        server, loop = self.websockets, self.get_loop()
        late = loop.call_later(UNASKED_TIMEOUT, lambda: self._clients.drop(unasked=True))
        await server.wait_closed()
        late.cancel()
        # First close the Monitor: its last tick is sent to readers of the admin listener.
        if self._owns_monitor:
            self.monitor.close()
        if self.admin is not None:
            await self.admin.aclose()

    def abort(self) -> None:
        """Abort the connections that are still open. For use after :meth:`close`."""
        self._clients.drop()

    async def wait_closed(self) -> None:
        """Wait until the server, its connections and its admin listener are closed."""
        if self._closing is not None:
            await asyncio.shield(self._closing)
        else:
            await self.websockets.wait_closed()


def _admin(monitor: Monitor, admin: Any, ssl: SSLContext | None) -> Admin | None:
    """Return the admin listener: ``admin`` itself, or a new one if ``admin`` is a port."""
    if isinstance(admin, int) and not isinstance(admin, bool):
        return Admin(monitor, port=admin, ssl=ssl)
    if ssl is not None:
        raise OptionError("admin_ssl goes with the port of an admin listener: give admin=PORT, too")
    if admin is None or isinstance(admin, Admin):
        return admin
    raise OptionError(f"admin={admin!r}: a port, an Admin of serve_admin(), or None")


def _pool(hub: Hub | None, **bounds: float | None) -> ConnectionPool | None:
    """Return the limits of a handler's connections; None if no limit is given."""
    given = [name for name, value in bounds.items() if value is not None]
    if not given:
        return None
    if hub is not None:
        raise OptionError(f"{given[0]} of a hub is the hub's own: Hub({given[0]}=…)")
    return ConnectionPool(**bounds)


def _check_timeout(value: Any) -> None:
    if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
        raise OptionError(f"stall_timeout={value!r}: seconds above 0, or None for ever")


def _lean(options: dict[str, Any]) -> dict[str, Any]:
    """Compress each message separately, unless the user has chosen the compression."""
    extensions = list(options.get("extensions") or ())
    chosen = any(each.name == ServerPerMessageDeflateFactory.name for each in extensions)
    if chosen or options.get("compression", "deflate") != "deflate":
        return options
    deflate = ServerPerMessageDeflateFactory(
        server_no_context_takeover=True,
        client_no_context_takeover=True,
        # Window bits and memory level are the defaults of `websockets`.
        server_max_window_bits=12,
        client_max_window_bits=12,
        compress_settings={"memLevel": 5},
    )
    return {**options, "extensions": [*extensions, deflate]}


def _hub_options(hub: Hub, options: dict[str, Any], *, page: bool) -> dict[str, Any]:
    """Return the options for a hub: its subprotocols, its limits, origins and ``/healthz``."""
    given = options.get("process_request")
    origins = Origins(options.pop("origins", None))
    write_limit = options.get("write_limit") or 0
    most = write_limit if isinstance(write_limit, int) else write_limit[0]
    if most > hub.options.max_waiting:
        raise OptionError(
            f"write_limit={write_limit!r}: no more than {hub.options.max_waiting} bytes may wait "
            "for one receiver of this hub; give it a larger max_waiting, too"
        )

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        plain = page and not request.headers.get_all("Upgrade")
        return page_response(connection, request) if plain else None

    async def later(
        asked: Awaitable[Response | None], connection: ServerConnection, request: Request
    ) -> Response | None:
        return await asked or answer(connection, request)

    def process_request(connection: ServerConnection, request: Request) -> Any:
        if not request.headers.get_all("Upgrade"):
            if request.path == "/healthz":
                status, text = hub.health
                return connection.respond(http.HTTPStatus(status), text)
        elif not origins.allows(request.headers.get_all, secure=_is_encrypted(connection)):
            return connection.respond(http.HTTPStatus.FORBIDDEN, REFUSAL)
        # The user's process_request, such as a password check, applies to the chat page, too.
        asked = given(connection, request) if given is not None else None
        if inspect.isawaitable(asked):
            return later(asked, connection, request)
        return asked or answer(connection, request)

    return {**hub_transport.serve_arguments(hub), **options, "process_request": process_request}


def _is_encrypted(connection: ServerConnection) -> bool:
    return connection.transport.get_extra_info("sslcontext") is not None


def serve(
    target: Handler | Hub | None = None,
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    *,
    handler: Handler | None = None,
    monitor: Monitor | None = None,
    admin: int | Admin | None = None,
    admin_ssl: SSLContext | None = None,
    page: bool = False,
    stall_timeout: float | None = STALL_TIMEOUT,
    pause_gc: bool = True,
    max_connections: int | None = None,
    idle_timeout: float | None = None,
    **options: Any,
) -> Server:
    """Serve a handler or a hub, and measure its connections.

    This is a drop-in replacement for ``websockets.asyncio.server.serve``. Use it as ``async with
    serve(…)`` or ``await serve(…)``. It takes all arguments of the original, and the server has the
    whole API of the original's server. There are three differences:

    * ``create_connection`` must be a class, not a function.
    * A malformed request is answered with 400. The original closes without a response.
    * Each message is compressed separately (``server_no_context_takeover`` and
      ``client_no_context_takeover``), which takes a third of the memory. For the original's
      compression, pass ``extensions=[ServerPerMessageDeflateFactory(…)]``.

    Args:
        target: a coroutine function that takes a connection, or a :class:`rtmon.Hub`.
        host: the interface to listen on, or several, as in the original.
        port: the port; 0 for any free port.
        handler: the original's name for ``target``, if that is a coroutine function.
        monitor: the Monitor that measures the connections. By default a new one, which the server
            closes.
        admin: port of an admin listener on 127.0.0.1 for dashboards, 0 for any free port; or one
            made with :func:`rtmon.serve_admin`. None for no admin listener.
        admin_ssl: TLS context of the admin listener, if ``admin`` is a port; None for no TLS. The
            option ``ssl`` is the TLS context of the server itself. Make both with
            :func:`rtmon.servers.tls.server_context`.
        page: True to serve a chat page for the hub at ``/``.
        stall_timeout: seconds after which a connection is cut if its client reads none of the data
            sent to it; None for no limit. For a hub, :class:`rtmon.hub.HubOptions` has this option.
        pause_gc: True to pause Python's garbage collector during connection storms. The pause
            applies to the whole process, and lasts ten seconds at most. The pause begins when
            hundreds of connections a second are opened, and ends when many of them end. Without the
            pause, the collector takes up to a third of the CPU time during a storm.
        max_connections: maximum number of open connections of a handler. Further connections are
            refused with HTTP 503 and count as rejected; ``server.pool`` has the counts. A hub has
            its own option.
        idle_timeout: seconds in which a client of a handler must send a message. Otherwise its
            connection is closed with code 4502. None for no limit. A hub has its own option.
        **options: all other arguments of the original. For a hub, ``origins`` lists other origins
            whose web pages may connect, ``"*"`` for all. Pages of the hub's own origin, and
            programs, always may: see :class:`rtmon.hub.admission.origins.Origins`. For a handler,
            ``origins`` is the original's.

    Raises:
        PortInUse: another process listens on this port.
        OptionError: an argument is invalid.
        MonitorError: the Monitor is already used on another running event loop.
    """
    if handler is not None:
        if target is not None:
            raise OptionError("target and handler are the same argument: give one of them")
        target = handler
    return Server(
        target,
        host,
        port,
        monitor=monitor,
        admin=admin,
        admin_ssl=admin_ssl,
        page=page,
        stall_timeout=stall_timeout,
        pause_gc=pause_gc,
        max_connections=max_connections,
        idle_timeout=idle_timeout,
        options=options,
    )
