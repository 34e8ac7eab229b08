"""The admin listener of a server: feed, metrics and health check, on an address of its own.

Its paths are ``/feed`` (a WebSocket for dashboards), ``/metrics`` (for Prometheus) and
``/healthz``.
It never shares the server's public port. So the server's options ``origins`` and ``subprotocols``
do not apply to it, its traffic is not measured, and it can be closed to the public network.
"""

from __future__ import annotations

import asyncio
import hmac
import http
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from ssl import SSLContext
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from ..core import option_validation
from ..core.feed_subprotocol import FEED_SUBPROTOCOL
from ..core.flood_protection import waiting
from ..core.ip_addresses import is_loopback
from ..core.web_origin import Authority
from ..errors import MissingExtra, OptionError
from ..feeds import wire_format
from ..feeds.request_messages import FEATURE, LABELS_FEATURE, MEMBERS
from . import server_base
from .accept_pause import pause_when_exhausted
from .feed_requests import answer_requests

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

    from ..metrics.collector import Tick
    from ..metrics.meter import Meter
    from ..monitor import Monitor

__all__ = ["Admin", "serve_admin"]

WATCHER_BYTES = 4 * 1024 * 1024
"""Maximum size of the send queue for one reader of the feed. A slower reader is disconnected."""

ROWS = 500
"""Maximum number of connection rows sent with one tick. Then encoding takes a few milliseconds,
however many connections had traffic. The other rows are sent with the next ticks."""

CHANNELS = 200
"""Maximum number of channels in the feed: the channels with the most deliveries are sent."""

CLOSE_TIMEOUT = 0.5
"""Seconds after which a closing listener drops its open connections."""

WATCHER_TICKS = 120
"""Maximum number of ticks queued for a reader to which the history is still being sent."""


class Admin(server_base.BaseServer):
    """A running admin listener; see :func:`serve_admin`.

    Attributes:
        monitor: the Monitor whose measurements are served.
    """

    def __init__(
        self,
        monitor: Monitor,
        host: str = "127.0.0.1",
        port: int = 8766,
        *,
        token: str | None = None,
        ssl: SSLContext | None = None,
    ) -> None:
        if token is None and not is_loopback(host):
            raise OptionError(
                f"the admin listener on {host!r} could be reached by other machines: give it a "
                "token=, or keep it on 127.0.0.1"
            )
        if token is not None:
            option_validation.bearer_token("the token= of the admin listener", token)
        self.monitor = monitor
        self._host = host
        self._port = port
        self._token = token
        self._ssl = ssl
        self._server: Server | None = None
        self._clients: Any = server_base.ConnectionFactory(ServerConnection)
        self._watchers: dict[ServerConnection, deque[bytes] | None] = {}
        self._unlisten: Any = None
        self._due: dict[Meter, None] = {}  # connections with changes to send, oldest change first

    @property
    def port(self) -> int:
        """The port that the listener is bound to. If port 0 was given, the system chose one."""
        return self._port

    @property
    def url(self) -> str:
        """The URL for dashboards: ``ws://host:port``, or ``wss://host:port`` with TLS."""
        scheme = "ws" if self._ssl is None else "wss"
        return f"{scheme}://{server_base.address(self._host, self.port)}"

    @property
    def watchers(self) -> int:
        """Number of readers connected to the feed."""
        return len(self._watchers)

    async def start(self) -> None:
        """Start listening, as ``await`` and ``async with`` do. May be called twice."""
        if self._server is None:
            self.monitor.arm("serve")
            pause_when_exhausted(asyncio.get_running_loop())
            with server_base.binding("the admin listener", self._host, self._port):
                self._server = await serve(
                    self._watch,
                    self._host,
                    self._port,
                    process_request=self._answer,
                    select_subprotocol=_select,
                    create_connection=self._clients,
                    ping_interval=5,
                    ping_timeout=10,
                    close_timeout=CLOSE_TIMEOUT,
                    max_size=4096,
                    ssl=self._ssl,
                )
            self._port = server_base.port_of(self._server)

    def close(self) -> None:
        """Stop listening and close the feeds. May be called twice. See :meth:`wait_closed`."""
        if self._server is not None:
            self._server.close()
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._clients.drop)

    async def wait_closed(self) -> None:
        """Wait until all connections of the listener have ended."""
        if self._server is not None:
            await self._server.wait_closed()

    def _answer(
        self, connection: ServerConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        # urlsplit() is not used here: it raises for some targets, before the token is checked.
        refused = self._refused(request, parse_qs(request.path.partition("?")[2]))
        if refused is not None:
            return connection.respond(*refused)
        try:
            path = urlsplit(request.path).path
        except ValueError:
            return connection.respond(
                http.HTTPStatus.BAD_REQUEST, "the target of this request is not a URL\n"
            )
        if path == "/healthz":
            return self._health(connection)
        if path == "/metrics":
            return self._metrics(connection, request)
        if path not in {"/", "/feed"}:
            return connection.respond(
                http.HTTPStatus.NOT_FOUND, "there are /feed (a WebSocket), /metrics and /healthz\n"
            )
        return None

    def _refused(
        self, request: Request, query: dict[str, list[str]]
    ) -> tuple[http.HTTPStatus, str] | None:
        """Return the status and text with which a request is refused; None if it is allowed."""
        # Web pages must not read this listener. Browsers send an Origin header, programs do not.
        if request.headers.get_all("Origin"):
            return http.HTTPStatus.FORBIDDEN, "requests that carry an Origin are refused here\n"
        if self._token is not None:
            if self._shown(request, query):
                return None
            return (
                http.HTTPStatus.UNAUTHORIZED,
                "this admin listener needs a token: Authorization: Bearer TOKEN\n",
            )
        # DNS rebinding: for a page whose host name resolves to this machine, the browser sends no
        # Origin. The Host header shows the page's host name.
        if all(map(_is_here, request.headers.get_all("Host"))):
            return None
        return http.HTTPStatus.FORBIDDEN, _BY_ANOTHER_NAME

    def _shown(self, request: Request, query: dict[str, list[str]]) -> bool:
        given = query.get("token", [])
        for value in request.headers.get_all("Authorization"):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer":
                given.append(token.strip())
        expected = (self._token or "").encode()
        # websockets up to version 16 decodes non-ASCII bytes to lone surrogates.
        return any(
            hmac.compare_digest(text.encode(errors="surrogatepass"), expected) for text in given
        )

    def _health(self, connection: ServerConnection) -> Response:
        snapshot = self.monitor.snapshot()
        health = {
            "status": "ok",
            "node": snapshot.node,
            "epoch": snapshot.epoch,
            "uptime": round(snapshot.uptime, 3),
            "open": snapshot.open,
            "watchers": self.watchers,
        }
        response = connection.respond(http.HTTPStatus.OK, json.dumps(health) + "\n")
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    async def _metrics(self, connection: ServerConnection, request: Request) -> Response:
        try:
            # Imported on a thread: on the event loop, the import would block all connections.
            exposition = await asyncio.to_thread(_exposition)
        except MissingExtra as exc:
            return connection.respond(http.HTTPStatus.NOT_IMPLEMENTED, f"{exc}\n")
        accept = ",".join(request.headers.get_all("Accept"))
        body, content_type = await exposition(self.monitor, accept)
        response = connection.respond(http.HTTPStatus.OK, body.decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = content_type
        return response

    async def _watch(self, connection: ServerConnection) -> None:
        assert connection.request is not None  # noqa: S101 - for the type checker
        query = parse_qs(urlsplit(connection.request.path).query)
        since = wire_format.parse_since(query.get("since", [""])[0])
        # While the history is sent, new ticks are queued here, so that the reader gets them all.
        held: deque[bytes] = deque()
        self._watchers[connection] = held
        if self._unlisten is None:
            self._unlisten = self.monitor.listen(self._on_tick)
        try:
            for piece in self._history(*since):
                await connection.send(piece, text=True)
                await asyncio.sleep(0)
            while held:
                await connection.send(held.popleft(), text=True)
            self._watchers[connection] = None
            await answer_requests(connection, self.monitor)
        except ConnectionClosed:
            pass  # the reader has disconnected
        finally:
            del self._watchers[connection]
            if not self._watchers and self._unlisten is not None:
                self._unlisten()
                self._unlisten = None
                self._due.clear()

    def _history(self, epoch: str, seq: int) -> Iterator[bytes]:
        collector = self.monitor.collector
        resumed = epoch == collector.epoch
        history = collector.history
        samples = history.samples(seq if resumed else 0)
        events = history.events_after_sample(seq) if resumed else history.events()
        yield wire_format.encode_hello(
            node=collector.node,
            epoch=collector.epoch,
            interval=self.monitor.interval,
            reset=bool(epoch) and not resumed,
            features=(FEATURE, LABELS_FEATURE, MEMBERS),
        )
        yield from wire_format.encode_history(
            samples=samples,
            events=events,
            connections=collector.meters(),
            tables=self._tables(),
            snapshot=collector.published(),
        )

    def _tables(self) -> dict[str, list[Any]]:
        collector = self.monitor.collector
        return {"channels": collector.channels(CHANNELS), "socketio": collector.socketio()}

    def _changed(self, tick: Tick) -> list[Meter]:
        """Return the changed connections whose rows are sent with this tick, at most ``ROWS``.

        The rows of all further changed connections are sent with the next ticks.
        """
        for meter in tick.meters:
            self._due[meter] = None
        chosen = list(islice(self._due, ROWS))
        for meter in chosen:
            del self._due[meter]
        return chosen

    def _on_tick(self, tick: Tick) -> None:
        frame = wire_format.encode_tick(
            tick.sample,
            tick.events,
            self._changed(tick),
            self._tables(),
            self.monitor.collector.published(),
        )
        ready: list[ServerConnection] = []
        for connection, held in list(self._watchers.items()):
            if held is None:
                behind = waiting(connection.transport) > WATCHER_BYTES
            else:
                held.append(frame)
                behind = len(held) > WATCHER_TICKS
            if behind:
                connection.transport.abort()
            elif held is None:
                ready.append(connection)
        broadcast(ready, frame.decode())


_BY_ANOTHER_NAME = (
    "this admin listener has no token, so it answers only requests from its own machine, to the "
    "host name localhost or 127.0.0.1\n"
)


def _select(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    # Readers of older versions of rtmon request no subprotocol.
    return Subprotocol(FEED_SUBPROTOCOL) if FEED_SUBPROTOCOL in offered else None


def _is_here(host: str) -> bool:
    """Return True if a ``Host`` header contains a loopback name or address of this machine."""
    named = Authority.parse(host)
    return named is not None and is_loopback(named.host)


def _exposition() -> Callable[[Monitor, str], Awaitable[tuple[bytes, str]]]:
    from ..sinks import prometheus

    return prometheus.exposition


def serve_admin(
    monitor: Monitor,
    host: str = "127.0.0.1",
    port: int = 8766,
    *,
    token: str | None = None,
    ssl: SSLContext | None = None,
) -> Admin:
    """Serve a Monitor's feed, metrics and health check to dashboards and other programs.

    Use it as ``async with serve_admin(monitor) as admin`` or ``admin = await serve_admin(…)``.

    Args:
        monitor: the Monitor whose measurements are served.
        host: the interface to listen on.
        port: the port; 0 for any free port.
        token: token that readers must send, as ``Authorization: Bearer TOKEN`` or ``?token=``.
            Visible ASCII. Required if ``host`` is not a loopback address.
        ssl: TLS context, such as :func:`rtmon.servers.tls.server_context` returns; None for no TLS.

    Raises:
        OptionError: other machines can reach the address and there is no token, or the token is
            empty or has invalid characters.
        PortInUse: another process listens on this port.
        MonitorError: the Monitor is already used on another running event loop.
    """
    return Admin(monitor, host, port, token=token, ssl=ssl)
