"""``rtmon serve``: run a hub or an echo server, measured and with an admin listener."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.child_processes import announce
from ..protocol import limits
from . import exposure_warnings, tls_options
from . import security_options as security
from .shared_options import AdminPort, Port, Redact, admin_port, redaction, refuse_idle, require

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

    from ..hub.brokers.base import Broker
    from ..metrics.redaction import Redaction
    from ..monitor import Monitor

__all__ = ["serve"]

CLOSE_TIMEOUT = 0.7
"""Seconds to wait for clients' close frames at the end. Then the connections are aborted, because
a client that does not read never answers the server's close frame."""


def serve(
    context: typer.Context,
    *,
    host: Annotated[
        str, typer.Option(envvar="RTMON_HOST", help="Interface to listen on.")
    ] = "127.0.0.1",
    port: Port = 8765,
    admin: AdminPort = "8766",
    history: Annotated[
        int,
        typer.Option(
            envvar="RTMON_HISTORY", min=0, metavar="N", help="Messages the hub keeps per channel."
        ),
    ] = 100,
    max_size: Annotated[
        int,
        typer.Option(
            envvar="RTMON_MAX_SIZE", min=1024, metavar="BYTES", help="Maximum size of a message."
        ),
    ] = limits.MESSAGE_SIZE,
    files: Annotated[
        Path | None,
        typer.Option(
            envvar="RTMON_FILES",
            file_okay=False,
            metavar="FOLDER",
            help="Folder for files that clients send. Without it, the hub refuses files.",
        ),
    ] = None,
    ping_interval: Annotated[
        float,
        typer.Option(
            envvar="RTMON_PING_INTERVAL",
            min=0.1,
            metavar="SECONDS",
            help="Time between keepalive pings; each ping measures a round trip.",
        ),
    ] = 20.0,
    ping_timeout: Annotated[
        float,
        typer.Option(
            envvar="RTMON_PING_TIMEOUT",
            min=0.1,
            metavar="SECONDS",
            help="Time to wait for a pong; then the connection is closed.",
        ),
    ] = 20.0,
    page: Annotated[
        bool,
        typer.Option(
            "--page/--no-page", envvar="RTMON_PAGE", help="Serve a chat page to browsers."
        ),
    ] = True,
    origins: Annotated[
        list[str] | None,
        typer.Option(
            "--origin",
            envvar="RTMON_ORIGIN",
            metavar="ORIGIN",
            help="Origin of another website whose pages may use the hub, or * for all; repeatable.",
        ),
    ] = None,
    jwt_key_file: security.JWTKeyFile = None,
    jwt_algorithm: security.JWTAlgorithms = None,
    jwt_audience: security.JWTAudience = None,
    jwt_issuer: security.JWTIssuer = None,
    token_in_query: security.TokenInQuery = False,
    auth_timeout: security.AuthTimeout = 5.0,
    auth_close: security.AuthClose = 4500,
    max_connections: security.MaxConnections = 100_000,
    connections_per_user: security.ConnectionsPerUser = None,
    connections_per_address: security.ConnectionsPerAddress = None,
    at_limit: security.AtLimit = "refuse",
    rate: security.Rate = limits.RATE,
    burst: security.Burst = limits.BURST,
    byte_rate: security.ByteRate = limits.BYTE_RATE,
    user_rate: security.UserRate = None,
    user_burst: security.UserBurst = limits.BURST,
    address_rate: security.AddressRate = None,
    address_burst: security.AddressBurst = limits.BURST,
    idle_timeout: security.IdleTimeout = None,
    tls_cert: tls_options.TLSCert = None,
    tls_key: tls_options.TLSKey = None,
    admin_tls: tls_options.AdminTLS = False,
    asgi: Annotated[
        bool,
        typer.Option(
            "--asgi",
            envvar="RTMON_ASGI",
            help="Offer server-sent events and Socket.IO, too, on the same port.",
        ),
    ] = False,
    redis: Annotated[
        str | None,
        typer.Option(
            envvar="RTMON_REDIS",
            metavar="URL",
            help="Redis shared by several servers: redis://host:6379/0, rediss:// for TLS.",
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            envvar="RTMON_RECORD",
            dir_okay=False,
            metavar="FILE",
            help="Record all measurements in this file; an existing recording is continued.",
        ),
    ] = None,
    redact: Redact = None,
    echo: Annotated[
        bool,
        typer.Option("--echo", envvar="RTMON_ECHO", help="Send every message back, without a hub."),
    ] = False,
) -> None:
    """Run a WebSocket server with an admin listener for dashboards.

    The server is a hub: chat, rooms, channels, presence, history and files, in JSON or MessagePack.
    It serves a chat page to browsers. Any WebSocket client can connect and send
    {"type": "chat_message", "payload": {"text": "hi"}}; `rtmon protocol` prints all messages.
    With --echo the server is not a hub: it sends every message back.

    Every option can also be set by an environment variable, RTMON_ and the option's name. The
    command line takes precedence.

    \b
    Examples:
      rtmon serve
      rtmon serve --host 0.0.0.0 --port 9000 --history 1000 --files received
      rtmon serve --asgi --origin https://chat.example.org
      rtmon serve --jwt-key-file login.pem --jwt-algorithm ES256 --idle-timeout 600
      rtmon serve --port 9001 --redis redis://localhost:6379/0     (one of several)
      rtmon serve --record run.rtmon --redact addresses=network,names=hash
      rtmon serve --host 0.0.0.0 --tls-cert chain.pem --tls-key key.pem     (wss://)
      rtmon serve --echo --admin-port off
      RTMON_PORT=9000 rtmon serve
      python -m websockets "ws://127.0.0.1:8765/?name=ada"     (joins it)
    """
    if echo:
        hubs_own = {
            "history",
            "files",
            "page",
            "origins",
            "asgi",
            "redis",
            *security.HUBS_OWN,
        }
        refuse_idle(context, *hubs_own, because="with --echo: there is no hub", beside="echo")
    elif asgi:
        require("rtmon serve --asgi", "uvicorn", "sse_starlette", "socketio", extra="asgi")
    auth = security.login(jwt_key_file, jwt_algorithm, audience=jwt_audience, issuer=jwt_issuer)
    if auth is None:
        about = (
            "jwt_algorithm",
            "jwt_audience",
            "jwt_issuer",
            "token_in_query",
            "auth_timeout",
            "auth_close",
        )
        refuse_idle(context, *about, because=f"without --jwt-key-file or {security.SECRET}")
    security.all_matter(context)
    if record is None:
        refuse_idle(context, "redact", because="without --record")
    redacted = redaction(redact)
    port_of_admin = admin_port(admin)
    if tls_cert is None:
        refuse_idle(context, "tls_key", "admin_tls", because="without --tls-cert")
    elif port_of_admin is None:
        refuse_idle(context, "admin_tls", because="without an admin listener")
    secured = tls_options.context_of(tls_cert, tls_key)
    if redis is not None:
        require("rtmon serve --redis", "redis", extra="redis")
    bounds = {"max_connections": max_connections, "idle_timeout": idle_timeout}
    hub = {
        **bounds,
        "history": history,
        "max_size": max_size,
        "max_waiting": max(limits.WAITING_BYTES, max_size),
        "files": files,
        "auth": auth,
        "token_in_query": token_in_query,
        "auth_timeout": auth_timeout,
        "auth_close": auth_close,
        "connections_per_user": connections_per_user,
        "connections_per_address": connections_per_address,
        "at_limit": at_limit,
        "rate": rate,
        "burst": burst,
        "byte_rate": byte_rate,
        "user_rate": user_rate,
        "user_burst": user_burst,
        "address_rate": address_rate,
        "address_burst": address_burst,
        "broker": None if redis is None else _broker(redis),
    }
    with asyncio.Runner() as runner:
        runner.run(
            _serve(
                host,
                port,
                port_of_admin,
                hub=None if echo else hub,
                ping_interval=ping_interval,
                ping_timeout=ping_timeout,
                max_size=max_size,
                asgi=asgi and not echo,
                ssl=secured,
                admin_ssl=secured if admin_tls else None,
                recording=functools.partial(_recorded, file=record, redaction=redacted),
                warning=functools.partial(
                    exposure_warnings.open_server,
                    hub=not echo,
                    auth=auth is not None,
                    files=files,
                    origins=origins,
                ),
                **(bounds if echo else {"page": page, "origins": origins}),
            )
        )


async def _serve(
    host: str,
    port: int,
    admin: int | None,
    *,
    hub: dict[str, Any] | None,
    asgi: bool,
    recording: Callable[[Monitor], AbstractAsyncContextManager[None]],
    max_size: int,
    warning: Callable[..., str | None],
    **options: Any,
) -> None:
    from ..hub import Hub
    from ..servers.websockets import serve as rtmon_serve

    target: Any = _echo if hub is None else Hub(**hub)
    serving: Any
    if asgi:
        from ..servers.asgi import serve as rtmon_serve_asgi

        serving = rtmon_serve_asgi(target, host, port, admin=admin, **options)
    else:
        serving = rtmon_serve(target, host, port, admin=admin, max_size=max_size, **options)
    async with _ending(target), serving as server, recording(server.monitor):
        watch = f"Watch it with: rtmon dashboard {server.admin_url}\n" if server.admin_url else ""
        chat = f"Chat in a browser: {server.page_url}\n" if server.page_url else ""
        exposure_warnings.warn(warning(host, server.port, admin=admin is not None))
        where = exposure_warnings.listening_on(host, server.port)
        scheme = server.url.partition(":")[0]
        announce(
            f"Serving on {scheme}://{where}\n{watch}{chat}Ctrl-C ends it.",
            url=server.url,
            admin=server.admin_url,
            page=server.page_url,
        )
        try:
            await asyncio.Event().wait()
        finally:
            if not asgi:  # the ASGI server applies its own timeout
                asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, server.abort)


@contextlib.asynccontextmanager
async def _recorded(
    monitor: Monitor, *, file: Path | None, redaction: Redaction
) -> AsyncIterator[None]:
    """Record a Monitor's measurements while the context is open, if a file is given."""
    if file is None:
        yield
        return
    from ..recording import Recording

    attachment = monitor.attach(Recording(file, redaction=redaction))
    try:
        yield
    finally:
        attachment.close()


def _broker(url: str) -> Broker:
    from ..hub.brokers.redis import RedisBroker

    return RedisBroker(url)


@contextlib.asynccontextmanager
async def _ending(target: Any) -> AsyncIterator[None]:
    """Close a hub once all its connections have ended."""
    try:
        yield
    finally:
        if hasattr(target, "aclose"):
            await target.aclose()


async def _echo(connection: ServerConnection) -> None:
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed):  # a client that disconnects is not an error
        async for message in connection:
            await connection.send(message)
