"""`rtmon serve`: signals, options, and load against it."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

import rtmon
from rtmon.protocol import limits
from tests.cli.running import PATIENCE, SOON, Command, run

Start = Callable[..., Command]

FREE = ("--port=0", "--admin-port=0")


def serving(command: Start, *arguments: str, **environment: str) -> tuple[Command, str, str]:
    """A running server, its address, and that of its admin listener."""
    server = command("serve", *arguments, environment=environment)
    server.read_until("Ctrl-C")
    lines = server.output.splitlines()
    return server, lines[0].split()[-1], lines[1].split()[-1]


def reachable(url: str) -> ClientConnection:
    """A client's connection to a server, retried until the server listens."""
    return connect(url, proxy=None)


def drain(client: ClientConnection) -> None:
    """Receive until the connection ends."""
    while True:
        client.recv()


def flood(protocol: ClientProtocol, client: socket.socket) -> None:
    """Send until the buffers are full."""
    while True:
        protocol.send_binary(b"x" * 500_000)
        client.sendall(b"".join(protocol.data_to_send()))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_server_ends_on_a_signal(command: Start, how: signal.Signals) -> None:
    """After Ctrl-C or SIGTERM a server exits with code 0, and its clients get 1001."""
    server, url, _ = serving(command, *FREE)
    with reachable(url) as client:
        code, seconds = server.end(how)
        with pytest.raises(ConnectionClosed) as closed:
            drain(client)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    assert code == 0
    assert seconds < SOON
    assert "Traceback" not in server.rest()


def test_server_ends_cleanly_when_signals_repeat(command: Start) -> None:
    """Further signals during the shutdown change nothing."""
    server, url, _ = serving(command, *FREE)
    with reachable(url) as client:
        for _ in range(3):
            server.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(ConnectionClosed):
                drain(client)
    assert server.process.wait(PATIENCE) == 0
    assert "Traceback" not in server.rest()


def test_server_ends_soon_with_a_stalled_client(command: Start) -> None:
    """Neither a client that has stopped reading nor silent connections to the server or its
    admin listener delay the shutdown.
    """
    server, url, admin = serving(command, *FREE, "--echo", "--max-size=1000000")
    uri = parse_uri(url)
    protocol = ClientProtocol(uri)
    with (
        socket.create_connection((uri.host, uri.port)),
        socket.create_connection((uri.host, parse_uri(admin).port)),
        socket.create_connection((uri.host, uri.port)) as client,
    ):
        protocol.send_request(protocol.connect())
        client.sendall(b"".join(protocol.data_to_send()))
        protocol.receive_data(client.recv(4096))
        assert protocol.state is State.OPEN
        client.settimeout(1)
        with pytest.raises(TimeoutError):  # the echo fills all buffers in both directions
            flood(protocol, client)
        code, seconds = server.end(signal.SIGTERM)
    assert code == 0
    assert seconds < SOON


def test_option_overrides_environment_and_default(command: Start) -> None:
    """An option overrides the environment, which overrides the default."""
    _, url, _ = serving(
        command, *FREE, "--echo", RTMON_PORT="1", RTMON_MAX_SIZE="2000", RTMON_ECHO="0"
    )
    with reachable(url) as client:
        client.send("x" * 2000)
        assert client.recv() == "x" * 2000
        client.send("x" * 2001)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_echo_server_refuses_and_closes_when_bounds_are_given(command: Start) -> None:
    """--max-connections and --idle-timeout apply to --echo, too: HTTP 503, and close code 4502."""
    _, url, _ = serving(command, *FREE, "--echo", "--max-connections=1", "--idle-timeout=1")
    with reachable(url) as client:
        with pytest.raises(InvalidStatus, match="503"), reachable(url):
            pass
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=PATIENCE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4502


@pytest.mark.parametrize("kind", [("--echo",), (), ("--asgi",)], ids=["echo", "native", "asgi"])
def test_server_logs_no_traceback_when_clients_vanish(
    command: Start, *, kind: tuple[str, ...]
) -> None:
    """A client that leaves without a close frame puts no traceback into the log."""
    server, url, _ = serving(command, *FREE, *kind)
    for _ in range(3):
        with reachable(url) as client:
            client.send("{}")
            client.recv()
            client.socket.shutdown(socket.SHUT_RDWR)
    server.end(signal.SIGTERM)
    assert "Traceback" not in server.rest()


@pytest.mark.parametrize("kind", [(), ("--asgi",)], ids=["native", "asgi"])
def test_frozen_client_leaves_presence_after_the_ping_timeout(
    command: Start, kind: tuple[str, ...]
) -> None:
    """--ping-timeout bounds how long a client that answers nothing stays in presence."""
    times = ("--ping-interval=0.5", "--ping-timeout=0.5")
    _, url, _ = serving(command, *FREE, *times, *kind)
    uri = parse_uri(f"{url}/ws" if kind else url)
    protocol = ClientProtocol(uri)
    with socket.create_connection((uri.host, uri.port)) as frozen, reachable(url) as client:
        protocol.send_request(protocol.connect())
        frozen.sendall(b"".join(protocol.data_to_send()))
        kinds: list[str] = []
        while "user_left" not in kinds:
            kinds.append(json.loads(client.recv(timeout=SOON))["type"])


def hello(url: str) -> dict[str, Any]:
    """The payload of a hub's welcome."""
    with reachable(url) as client:
        welcome: dict[str, Any] = json.loads(client.recv())["payload"]
        return welcome


def test_hub_has_the_documented_message_limit_by_default(command: Start) -> None:
    """The default limit is that of docs/protocol.md, so that a client's message stays small
    enough for every receiver in any encoding.
    """
    _, url, _ = serving(command, *FREE)
    assert hello(url)["limits"]["message_size"] == limits.MESSAGE_SIZE


def test_server_options_set_the_limits_of_the_hub(command: Start, tmp_path: Path) -> None:
    """Messages may be larger than the default send queue, and files are taken if there is a
    folder for them.
    """
    size = 2 * limits.WAITING_BYTES
    _, url, _ = serving(
        command, *FREE, f"--max-size={size}", RTMON_FILES=str(tmp_path / "received")
    )
    assert hello(url)["limits"]["message_size"] == size
    with reachable(url) as client:
        client.send('{"type": "file_offer", "id": "o", "payload": {"name": "a", "size": 0}}')
        file = answer(client, "o")["file"]
        client.send(json.dumps({"type": "file_done", "id": "d", "payload": {"file": file}}))
        assert answer(client, "d")["name"] == "a"
    assert (tmp_path / "received" / "a").read_bytes() == b""


def answer(client: ClientConnection, to: str) -> dict[str, Any]:
    """The payload of the answer to a message."""
    while True:
        message = json.loads(client.recv(PATIENCE))
        if message.get("reply_to") == to:
            payload: dict[str, Any] = message["payload"]
            return payload


def test_server_has_no_admin_listener_when_it_is_off(command: Start) -> None:
    """With --admin-port off there is no listener, and the output does not mention one."""
    server = command("serve", "--port=0", "--admin-port=off")
    server.read_until("Ctrl-C")
    assert server.output.count("ws://") == 1
    assert "rtmon dashboard" not in server.output


def test_server_prints_the_address_of_its_chat_page(command: Start) -> None:
    """A hub's server prints the address of its chat page, and with --no-page it has none."""
    server, *_ = serving(command, *FREE)
    address = next(line.split()[-1] for line in server.output.splitlines() if "Chat" in line)
    with urllib.request.urlopen(address) as page:  # noqa: S310 - http, ours
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    server, *_ = serving(command, *FREE, RTMON_PAGE="0")
    assert "http://" not in server.output


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_server_names_the_port_when_it_is_in_use(taken: int, option: str) -> None:
    """A port in use is one sentence and exit code 2."""
    done = run("serve", *FREE, f"{option}={taken}")
    assert done.returncode == 2
    assert f"127.0.0.1:{taken}" in done.stderr
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_load_and_export_agree(command: Start, tmp_path: Path) -> None:
    """The counts of the simulated users equal those that the server exports, to the message and
    byte.
    """
    _, url, admin = serving(command, *FREE)
    loaded = run("load", url, "--users=4", "--rate=10", "--duration=3", "--json")
    assert loaded.returncode == 0, loaded.stderr
    report = json.loads(loaded.stdout)
    assert report["totals"]["messages_in"] > 20

    exported = run("export", admin, "--to", str(tmp_path / "run"))
    assert exported.returncode == 0, exported.stderr
    assert [Path(line).name for line in exported.stdout.splitlines()] == [
        "samples.csv",
        "connections.csv",
        "events.csv",
        "channels.csv",
    ]
    connections = rtmon.read_csv(tmp_path / "run" / "connections.csv")
    for out, back in (("in", "out"), ("out", "in")):
        assert connections[f"messages_{out}"].sum() == report["totals"][f"messages_{back}"]
        assert connections[f"bytes_{out}"].sum() == report["totals"][f"bytes_{back}"]


def test_load_reports_its_counts_on_ctrl_c(command: Start) -> None:
    """Ctrl-C stops the users, and the command prints their counts."""
    _, url, _ = serving(command, *FREE)
    load = command("load", url, "--users=3", "--rate=5")
    load.read_until("Ctrl-C")
    code, seconds = load.end(signal.SIGINT)
    assert code == 0
    assert seconds < SOON
    assert re.search(r"^sent +[1-9][\d,]* messages", load.rest(), re.MULTILINE)


def test_load_fails_when_there_is_no_websocket_server(reserve_port: Callable[[], int]) -> None:
    """The command says so instead of retrying for ever."""
    done = run("load", f"ws://localhost:{reserve_port()}")
    assert done.returncode == 1
    assert done.stderr.startswith("rtmon: no user can connect to ws://localhost:")
    assert len(done.stderr.splitlines()) == 1
