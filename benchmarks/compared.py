"""The compared servers: how each is started, its client protocol, and its title in tables."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

__all__ = ["CONNECTED", "PEERS", "TRANSPORTS", "Peer"]

HERE = Path(__file__).parent
NODE = HERE / "peers"
NGINX_MODULES = Path("/usr/lib/nginx/modules")
INSTALL = "`make bench-peers` installs it"

Command = Callable[[int, Path], list[str]]
"""Function that makes a command line from a port and a folder for the server's files."""


@dataclass(frozen=True)
class Peer:
    """A server to compare.

    Attributes:
        title: Name of the server in tables.
        dialect: Protocol of the server's clients, a name in dialects.py.
        command: Function that makes the command line.
        needs: Requirements: `python:module`, `node:package`, a program, or a file.
        versions: Function that makes a text with the server's version.
        up_to: Largest number of subscribers to measure, so that the benchmark ends in time.
        beside: Dialects of idle connections beside the measured ones. The server writes their port
            into the file `beside` in its folder.
    """

    title: str
    dialect: str
    command: Command
    needs: tuple[str, ...]
    versions: Callable[[], str]
    up_to: int = 10_000
    beside: tuple[str, ...] = ()

    def missing(self) -> str | None:
        """Return the requirement that is missing on this machine; None if the server can run."""
        for need in self.needs:
            kind, _, name = need.rpartition(":")
            there = {
                "python": lambda name=name: importlib.util.find_spec(name) is not None,
                "node": lambda name=name: (NODE / "node_modules" / name).is_dir(),
                "": lambda name=name: shutil.which(name) is not None or Path(name).is_file(),
            }[kind]()
            if not there:
                return f"{name} is not installed; {INSTALL}"
        return None


def _python(script: str, kind: str, compression: str = "") -> Command:
    def command(port: int, _: Path) -> list[str]:
        rest = [compression] if compression else []
        return [sys.executable, str(HERE / script), kind, str(port), *rest]

    return command


def _node(script: str, *rest: str) -> Command:
    return lambda port, _: ["node", str(NODE / script), str(port), *rest]


def _configured(source: str, program: list[str], **values: str) -> Command:
    """Make a command with a configuration file that is written for this port and folder."""

    def command(port: int, folder: Path) -> list[str]:
        text = (NODE / source).read_text()
        known = {"PORT": str(port), "FOLDER": str(folder), "MODULES": str(NGINX_MODULES), **values}
        for name, value in known.items():
            text = text.replace(f"@{name}@", value)
        written = folder / source
        written.write_text(text)
        return [*program, str(written)]

    return command


def _said(*command: str) -> Callable[[], str]:
    """Return a function that asks a program for its version."""

    def ask() -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = re.search(r"v?(\d+\.[\d.]+)", done.stdout + done.stderr)
        return f"{command[0]} {found[1] if found else '?'}"

    return ask


def _packages(*names: str) -> Callable[[], str]:
    return lambda: ", ".join(f"{name} {version(name)}" for name in names)


def _node_package(name: str) -> Callable[[], str]:
    def ask() -> str:
        text = (NODE / "node_modules" / name / "package.json").read_text()
        found = re.search(r'"version": "([^"]+)"', text)
        return f"{_said('node', '--version')()}, {name} {found[1] if found else '?'}"

    return ask


def _nchan() -> str:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{_said('nginx', '-v')()}, nchan {done.stdout or '?'}"


def _ours(title: str, kind: str, compression: str = "", dialect: str = "websocket") -> Peer:
    command = _python("servers.py", kind, compression)
    return Peer(title, dialect, command, (), _packages("rtmon", "websockets"))


_ASGI = ("python:uvicorn", "python:fastapi", "python:socketio")
_NGINX = ("nginx", str(NGINX_MODULES / "ngx_nchan_module.so"))
_START_NGINX = ["nginx", "-e", "stderr", "-c"]
_WS = ("node", "node:ws")

PEERS = {
    "loop": _ours("`await send` to each", "loop"),
    "broadcast": _ours("`websockets.broadcast`", "broadcast"),
    "rtmon broadcast": _ours("**`rtmon.broadcast`**", "rtmon_broadcast"),
    "group": _ours("**rtmon `Group`**, monitored", "group"),
    "hub": _ours("**the hub**, all of it", "hub", dialect="hub"),
    "picows": Peer(
        "picows",
        "websocket",
        _python("servers.py", "picows"),
        ("python:picows",),
        _packages("picows"),
    ),
    "fastapi": Peer(
        "FastAPI, uvicorn",
        "websocket",
        _python("asgi_servers.py", "fastapi"),
        _ASGI,
        _packages("fastapi", "uvicorn"),
        up_to=5_000,
    ),
    "socketio": Peer(
        "python-socketio, uvicorn",
        "socketio",
        _python("asgi_servers.py", "socketio"),
        _ASGI,
        _packages("python-socketio"),
        up_to=1_000,
    ),
    "ws": Peer("node `ws`", "websocket", _node("ws.js"), _WS, _node_package("ws")),
    "node socketio": Peer(
        "node Socket.IO",
        "socketio",
        _node("socketio.js"),
        ("node", "node:socket.io"),
        _node_package("socket.io"),
        up_to=5_000,
    ),
    "nchan": Peer(
        "nginx, nchan",
        "upgrade",
        _configured("nginx.conf", _START_NGINX, DEFLATE=""),
        _NGINX,
        _nchan,
    ),
    "nats": Peer(
        "nats-server",
        "nats",
        _configured("nats.conf", ["nats-server", "-c"]),
        ("nats-server",),
        _said("nats-server", "-v"),
    ),
    "broadcast deflate": _ours(
        "`websockets.broadcast`, no context takeover", "broadcast", "deflate", "deflate"
    ),
    "broadcast takeover": _ours(
        "`websockets.broadcast`, its default", "broadcast", "takeover", "deflate"
    ),
    "group deflate": _ours(
        "**rtmon `Group`**, the default of `rtmon.serve`", "group", "deflate", "deflate"
    ),
    "fastapi deflate": Peer(
        "FastAPI, uvicorn",
        "deflate",
        _python("asgi_servers.py", "fastapi", "deflate"),
        _ASGI,
        _packages("fastapi", "uvicorn"),
    ),
    "ws deflate": Peer("node `ws`", "deflate", _node("ws.js", "deflate"), _WS, _node_package("ws")),
    "nchan deflate": Peer(
        "nginx, nchan",
        "nchan deflate",
        _configured("nginx.conf", _START_NGINX, DEFLATE="nchan_deflate_message_for_websocket on;"),
        _NGINX,
        _nchan,
    ),
}


def _kept(title: str, kind: str, compression: str = "", dialect: str = "upgrade") -> Peer:
    return Peer(
        f"{title}, compressing" if compression else title,
        f"{dialect} deflate" if compression else dialect,
        _python("servers.py", kind, compression),
        (),
        _packages("rtmon", "websockets"),
    )


CONNECTED = {
    "websockets": _kept("`websockets`", "unmonitored"),
    "websockets deflate": _kept("`websockets`", "unmonitored", "takeover"),
    "rtmon": _kept("**`rtmon.serve`**", "monitored"),
    "rtmon deflate": _kept("**`rtmon.serve`**", "monitored", "default"),
    "hub": _kept("**the hub**", "hub_kept", dialect="welcome"),
    "hub deflate": _kept("**the hub**", "hub_kept", "default", dialect="welcome"),
    "picows": replace(PEERS["picows"], dialect="upgrade"),
    "fastapi": replace(PEERS["fastapi"], dialect="upgrade"),
    "ws": replace(PEERS["ws"], dialect="upgrade"),
    "ws deflate": replace(
        PEERS["ws deflate"], title="node `ws`, compressing", dialect="upgrade deflate"
    ),
    "nchan": PEERS["nchan"],
}
"""Servers for the benchmark of many connections, with their default keepalive."""


def _way_in(title: str, dialect: str) -> Peer:
    return Peer(
        title,
        dialect,
        _python("asgi_servers.py", "hub"),
        ("python:uvicorn", "python:fastapi", "python:socketio", "python:sse_starlette"),
        _packages("uvicorn", "sse-starlette", "python-socketio"),
    )


TRANSPORTS = {
    "native": replace(PEERS["hub"], title="native WebSocket"),
    "beside": replace(
        _way_in("native WebSocket, the others beside it", "hub"),
        command=lambda port, folder: _python("servers.py", "hub_beside", str(folder))(port, folder),
        beside=("idle asgi", "idle sse", "idle socketio", "idle polling"),
    ),
    "asgi": _way_in("ASGI WebSocket", "hub asgi"),
    "sse": _way_in("SSE", "hub sse"),
    "socketio": _way_in("Socket.IO, WebSocket", "hub socketio"),
    "polling": _way_in("Socket.IO, polling", "hub polling"),
}
"""The transports of one and the same hub."""
