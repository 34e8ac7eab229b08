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
    """A client's connection to a server."""
    return connect(url, proxy=None)


def drain(client: ClientConnection) -> None:
    """Receive until the connection ends."""
    while True:
        client.recv()


def flood(protocol: ClientProtocol, client: socket.socket) -> None:
    """Send until no more can be sent."""
    while True:
        protocol.send_binary(b"x" * 500_000)
        client.sendall(b"".join(protocol.data_to_send()))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ends_on_a_signal(command: Start, how: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end a server successfully; its clients are told with 1001."""
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


def test_told_to_end_again_and_again(command: Start) -> None:
    """A server that is told to end while it ends does so in good order all the same."""
    server, url, _ = serving(command, *FREE)
    with reachable(url) as client:
        for _ in range(3):
            server.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(ConnectionClosed):
                drain(client)
    assert server.process.wait(PATIENCE) == 0
    assert "Traceback" not in server.rest()


def test_ends_with_a_stalled_client(command: Start) -> None:
    """A client that no longer reads does not keep the server from ending soon, nor do those that
    have connected to it or to its admin listener, and said nothing.
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
        with pytest.raises(TimeoutError):  # what comes back fills all buffers, both ways
            flood(protocol, client)
        code, seconds = server.end(signal.SIGTERM)
    assert code == 0
    assert seconds < SOON


def test_options_and_environment(command: Start) -> None:
    """An option beats the environment, which beats the default."""
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
    """--max-connections and --idle-timeout bound --echo, too: HTTP 503, and close code 4502."""
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
    """A client that is gone without a close frame leaves no traceback in the log."""
    server, url, _ = serving(command, *FREE, *kind)
    for _ in range(3):
        with reachable(url) as client:
            client.send("{}")
            client.recv()
            client.socket.shutdown(socket.SHUT_RDWR)
    server.end(signal.SIGTERM)
    assert "Traceback" not in server.rest()


@pytest.mark.parametrize("kind", [(), ("--asgi",)], ids=["native", "asgi"])
def test_frozen_client_leaves_when_the_ping_timeout_is_over(
    command: Start, kind: tuple[str, ...]
) -> None:
    """--ping-timeout bounds how long a client that answers nothing is among those present."""
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


def test_the_hub_is_as_the_protocol_has_it(command: Start) -> None:
    """Without options the largest message is that of docs/protocol.md, so that what one client
    sends stays small enough for all others, however it is encoded anew.
    """
    _, url, _ = serving(command, *FREE)
    assert hello(url)["limits"]["message_size"] == limits.MESSAGE_SIZE


def test_options_of_the_hub(command: Start, tmp_path: Path) -> None:
    """Messages may be larger than what may wait for a receiver by default; files are taken if
    there is a folder for them.
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


def test_without_admin_listener(command: Start) -> None:
    """With --admin-port off there is nothing to watch, and nothing is said about it."""
    server = command("serve", "--port=0", "--admin-port=off")
    server.read_until("Ctrl-C")
    assert server.output.count("ws://") == 1
    assert "rtmon dashboard" not in server.output


def test_a_chat_page(command: Start) -> None:
    """A hub's server says where its chat page is, and with --no-page it has none."""
    server, *_ = serving(command, *FREE)
    address = next(line.split()[-1] for line in server.output.splitlines() if "Chat" in line)
    with urllib.request.urlopen(address) as page:  # noqa: S310 - http, ours
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    server, *_ = serving(command, *FREE, RTMON_PAGE="0")
    assert "http://" not in server.output


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_port_in_use(taken: int, option: str) -> None:
    """A port in use is one sentence that names it, and exit code 2."""
    done = run("serve", *FREE, f"{option}={taken}")
    assert done.returncode == 2
    assert f"127.0.0.1:{taken}" in done.stderr
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_load_and_export_agree(command: Start, tmp_path: Path) -> None:
    """What the simulated users counted is what the server exports, to the message and byte."""
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


def test_load_reports_when_stopped(command: Start) -> None:
    """Ctrl-C stops the users, who still say what they have counted."""
    _, url, _ = serving(command, *FREE)
    load = command("load", url, "--users=3", "--rate=5")
    load.read_until("Ctrl-C")
    code, seconds = load.end(signal.SIGINT)
    assert code == 0
    assert seconds < SOON
    assert re.search(r"^sent +[1-9][\d,]* messages", load.rest(), re.MULTILINE)


def test_load_without_a_server(reserve_port: Callable[[], int]) -> None:
    """Users who find no WebSocket server say so instead of trying for ever."""
    done = run("load", f"ws://localhost:{reserve_port()}")
    assert done.returncode == 1
    assert done.stderr.startswith("rtmon: no user can connect to ws://localhost:")
    assert len(done.stderr.splitlines()) == 1
