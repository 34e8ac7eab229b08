"""`rtmon serve`: signals, options, and its counts under load."""

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
    """Start `rtmon serve`; return the command, its address, and its admin listener's address."""
    server = command("serve", *arguments, environment=environment)
    server.read_until("Ctrl-C")
    lines = server.output.splitlines()
    return server, lines[0].split()[-1], lines[1].split()[-1]


def reachable(url: str) -> ClientConnection:
    """Connect a client to a server at this address."""
    return connect(url, proxy=None)


def drain(client: ClientConnection) -> None:
    """Receive until the connection closes; raises ConnectionClosed."""
    while True:
        client.recv()


def flood(protocol: ClientProtocol, client: socket.socket) -> None:
    """Send until the buffers are full; raises TimeoutError."""
    while True:
        protocol.send_binary(b"x" * 500_000)
        client.sendall(b"".join(protocol.data_to_send()))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serve_closes_clients_with_1001_on_a_signal(command: Start, how: signal.Signals) -> None:
    """`rtmon serve` exits with code 0 on Ctrl-C or SIGTERM, and its client is closed with code
    1001.
    """
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


def test_serve_exits_with_code_0_when_signals_repeat(command: Start) -> None:
    """`rtmon serve` exits with code 0 and without a traceback when three SIGTERM signals follow
    each other.
    """
    server, url, _ = serving(command, *FREE)
    with reachable(url) as client:
        for _ in range(3):
            server.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(ConnectionClosed):
                drain(client)
    assert server.process.wait(PATIENCE) == 0
    assert "Traceback" not in server.rest()


def test_serve_ends_within_seconds_when_clients_stall(command: Start) -> None:
    """`rtmon serve` ends within seconds on SIGTERM when one client has stopped reading and other
    connections have sent nothing.
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


def test_serve_option_overrides_the_environment_and_the_default(command: Start) -> None:
    """Option of `rtmon serve` on the command line overrides the environment variable of the option,
    and the variable overrides the default value.
    """
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


def test_echo_server_applies_connection_limit_and_idle_timeout(command: Start) -> None:
    """`rtmon serve --echo` answers 503 above --max-connections and closes with code 4502 after
    --idle-timeout.
    """
    _, url, _ = serving(command, *FREE, "--echo", "--max-connections=1", "--idle-timeout=1")
    with reachable(url) as client:
        with pytest.raises(InvalidStatus, match="503"), reachable(url):
            pass
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=PATIENCE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4502


@pytest.mark.parametrize("kind", [("--echo",), (), ("--asgi",)], ids=["echo", "native", "asgi"])
def test_serve_logs_no_traceback_when_clients_disconnect_without_a_close_frame(
    command: Start, *, kind: tuple[str, ...]
) -> None:
    """`rtmon serve` logs no traceback when clients disconnect without a close frame."""
    server, url, _ = serving(command, *FREE, *kind)
    for _ in range(3):
        with reachable(url) as client:
            client.send("{}")
            client.recv()
            client.socket.shutdown(socket.SHUT_RDWR)
    server.end(signal.SIGTERM)
    assert "Traceback" not in server.rest()


@pytest.mark.parametrize("kind", [(), ("--asgi",)], ids=["native", "asgi"])
def test_hub_announces_that_a_frozen_client_left_after_the_ping_timeout(
    command: Start, kind: tuple[str, ...]
) -> None:
    """Hub sends "user_left" to other clients when a client does not answer a ping within the
    timeout given by --ping-timeout.
    """
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
    """Return the payload of a hub's welcome message."""
    with reachable(url) as client:
        welcome: dict[str, Any] = json.loads(client.recv())["payload"]
        return welcome


def test_hub_has_the_documented_message_limit_by_default(command: Start) -> None:
    """Hub of `rtmon serve` announces by default the limit on message size that docs/protocol.md
    gives.
    """
    _, url, _ = serving(command, *FREE)
    assert hello(url)["limits"]["message_size"] == limits.MESSAGE_SIZE


def test_serve_options_set_the_message_limit_and_the_file_folder(
    command: Start, tmp_path: Path
) -> None:
    """Hub of `rtmon serve` announces the limit on message size given by --max-size, and stores an
    uploaded file in the folder given by RTMON_FILES.
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
    """Return the payload of the reply to the message with this id."""
    while True:
        message = json.loads(client.recv(PATIENCE))
        if message.get("reply_to") == to:
            payload: dict[str, Any] = message["payload"]
            return payload


def test_serve_prints_no_admin_address_when_the_admin_port_is_off(command: Start) -> None:
    """`rtmon serve --admin-port=off` prints no admin address and no dashboard command."""
    server = command("serve", "--port=0", "--admin-port=off")
    server.read_until("Ctrl-C")
    assert server.output.count("ws://") == 1
    assert "rtmon dashboard" not in server.output


def test_serve_prints_the_address_of_its_chat_page_unless_it_is_off(command: Start) -> None:
    """`rtmon serve` prints the address of its chat page, and prints none when RTMON_PAGE is 0."""
    server, *_ = serving(command, *FREE)
    address = next(line.split()[-1] for line in server.output.splitlines() if "Chat" in line)
    with urllib.request.urlopen(address) as page:  # noqa: S310 - HTTP address of the server
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    server, *_ = serving(command, *FREE, RTMON_PAGE="0")
    assert "http://" not in server.output


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_serve_names_the_port_when_it_is_in_use(taken: int, option: str) -> None:
    """`rtmon serve` prints one sentence that names the port and exits with code 2 when its port is
    in use.
    """
    done = run("serve", *FREE, f"{option}={taken}")
    assert done.returncode == 2
    assert f"127.0.0.1:{taken}" in done.stderr
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_load_and_server_export_count_the_same_messages_and_bytes(
    command: Start, tmp_path: Path
) -> None:
    """`rtmon load` and `rtmon export` of the server count exactly the same messages and bytes in
    both directions.
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


def test_load_prints_the_number_of_sent_messages_on_ctrl_c(command: Start) -> None:
    """`rtmon load` exits with code 0 and prints the number of sent messages on Ctrl-C."""
    _, url, _ = serving(command, *FREE)
    load = command("load", url, "--users=3", "--rate=5")
    load.read_until("Ctrl-C")
    code, seconds = load.end(signal.SIGINT)
    assert code == 0
    assert seconds < SOON
    assert re.search(r"^sent +[1-9][\d,]* messages", load.rest(), re.MULTILINE)


def test_load_fails_when_no_server_listens(reserve_port: Callable[[], int]) -> None:
    """`rtmon load` prints one sentence and exits with code 1 when no server listens at the
    address.
    """
    done = run("load", f"ws://localhost:{reserve_port()}")
    assert done.returncode == 1
    assert done.stderr.startswith("rtmon: no user can connect to ws://localhost:")
    assert len(done.stderr.splitlines()) == 1
