"""The probe for ``websockets.sync``: counts over many threads, causes, ticks without an event
loop.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.asyncio.server import serve as serve_asyncio
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, broadcast, serve

from rtmon import Monitor
from rtmon.errors import OptionError
from rtmon.metrics.records import ConnectionInfo
from rtmon.probes.websockets_sync import probe
from rtmon.probes.websockets_sync.frame_counter import Tally

CLIENTS, MESSAGES = 8, 300


@contextmanager
def served(handler: Callable[[Any], None], monitor: Monitor) -> Iterator[tuple[Any, str]]:
    """Serve with a probe on a thread of its own."""
    with serve(handler, "127.0.0.1", 0, create_connection=probe(monitor)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server, "ws://{}:{}".format(*server.socket.getsockname())
        finally:
            server.shutdown()
            thread.join()
    monitor.close()


def echo(connection: Any) -> None:
    """Send each message back."""
    for message in connection:
        connection.send(message)


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait up to a minute until a condition is true."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rows(monitor: Monitor, count: int) -> list[ConnectionInfo]:
    """Wait until this many connections have closed, and return their rows."""
    connections = monitor.collector.connections
    wait_for(lambda: [row.state for row in connections()] == ["closed"] * count)
    assert monitor.probe_failures == 0
    return connections()


@pytest.fixture
def hasty() -> Iterator[None]:
    """Make the interpreter switch threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_sync_probe_counts_each_message_once_when_many_threads_send() -> None:
    """Probe for ``websockets.sync`` counts each message of eight echoing clients once while
    another thread sends to all of them.
    """
    monitor = Monitor(interval=0.001)

    def tell(server: Any) -> None:
        for _ in range(MESSAGES):
            for connection in server.connections:
                connection.send(b"\x00" * 7)

    def talk(url: str, received: list[int]) -> None:
        with connect(url, compression=None) as client:
            echoed = 0
            for number in range(MESSAGES):
                client.send("x" * number)
            while echoed < MESSAGES:
                message = client.recv()
                echoed += isinstance(message, str)
                received.append(len(message))
            client.close()

    counts: list[list[int]] = [[] for _ in range(CLIENTS)]
    with served(echo, monitor) as (server, url):
        threads = [threading.Thread(target=talk, args=(url, count)) for count in counts]
        teller = threading.Thread(target=lambda: _quietly(tell, server))
        for thread in threads:
            thread.start()
        wait_for(lambda: monitor.snapshot().open)
        teller.start()
        for thread in [*threads, teller]:
            thread.join()
        closed = rows(monitor, CLIENTS)
    total = monitor.snapshot()
    assert total.messages_in == CLIENTS * MESSAGES
    assert total.bytes_in == CLIENTS * sum(range(MESSAGES))
    assert total.messages_out == sum(row.messages_out for row in closed)
    assert total.messages_out - total.binary_out == CLIENTS * MESSAGES  # type: ignore[operator]
    assert total.handler.count == CLIENTS * MESSAGES
    assert {(row.messages_in, row.cause, row.initiator) for row in closed} == {
        (MESSAGES, "closed", "remote")
    }
    seen = sum(len(count) for count in counts)
    assert seen <= total.messages_out  # type: ignore[operator]


def _quietly(function: Callable[..., None], *args: Any) -> None:
    with contextlib.suppress(Exception):  # Clients may disconnect during a send.
        function(*args)


@pytest.mark.usefixtures("hasty")
def test_sync_tally_counts_all_messages_that_threads_add_while_totals_are_updated() -> None:
    """Tally of a ``websockets.sync`` connection counts all messages that four threads add while
    the tally is being added to the Monitor's totals.
    """
    monitor, threads, each = Monitor(), 4, 5_000
    tally = Tally(monitor, lambda _: None)
    tally.opened()

    def add() -> None:
        for size in range(each):
            tally.sent(size, binary=bool(size % 2))

    adding = [threading.Thread(target=add) for _ in range(threads)]
    for thread in adding:
        thread.start()
    while any(thread.is_alive() for thread in adding):
        tally.fold()
    tally.fold()
    total = monitor.snapshot()
    assert (total.messages_out, total.bytes_out) == (threads * each, threads * sum(range(each)))
    assert total.binary_out == threads * each // 2


def test_monitor_ticks_without_an_event_loop_under_websockets_sync() -> None:
    """Monitor ticks without an event loop, and has the open connection's row with its name, path
    and address.
    """
    monitor = Monitor(interval=0.02)

    def handler(connection: Any) -> None:
        connection.meter.name = connection.recv()
        broadcast({connection}, "hello")
        echo(connection)

    with served(handler, monitor) as (_, url), connect(f"{url}/room?x=1") as client:
        client.send("ada")
        assert client.recv() == "hello"
        wait_for(lambda: [row.messages_out for row in monitor.collector.connections()] == [1])
        (info,) = monitor.collector.connections()
        assert (info.name, info.path, info.state) == ("ada", "/room", "open")
        assert info.remote == "{}:{}".format(*client.local_address)


def test_sync_probe_counts_a_fragmented_message_once() -> None:
    """Probe for ``websockets.sync`` counts a fragmented message of either side as one message
    with all its bytes.
    """
    monitor = Monitor(interval=0.02)

    def handler(connection: Any) -> None:
        assert connection.recv() == "grüße"
        connection.send([b"ab", b"", b"cde"])

    with served(handler, monitor) as (_, url):
        with connect(url) as client:
            client.send(["gr", "ü", "ße"])
            assert client.recv() == b"abcde"
        (info,) = rows(monitor, 1)
    assert (info.messages_in, info.bytes_in, info.binary_in) == (1, 7, 0)
    assert (info.messages_out, info.bytes_out, info.binary_out) == (1, 5, 1)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/fail", (1011, "local", "handler failed", 1)),
        ("/close", (4000, "local", "closed", 0)),
        ("/client", (4001, "remote", "closed", 0)),
        ("/vanish", (1006, None, "peer vanished", 0)),
    ],
)
def test_sync_connection_row_has_close_code_initiator_cause_and_errors(
    path: str, expected: tuple[Any, ...]
) -> None:
    """Monitor's connection row of ``websockets.sync`` has the close code, initiator, cause and
    error count of each kind of end.
    """
    monitor = Monitor(interval=0.02)

    def handler(connection: Any) -> None:
        if path == "/fail":
            raise LookupError("no such room")
        if path == "/close":
            connection.close(4000, "enough")
        echo(connection)

    with served(handler, monitor) as (_, url):
        with connect(f"{url}{path}") as client:
            if path == "/vanish":
                client.close_socket()
            elif path == "/client":
                client.close(4001, "gone")
            client.recv_events_thread.join()
        (info,) = rows(monitor, 1)
    assert (info.close_code, info.initiator, info.cause, info.errors) == expected
    assert info.wire_in is None
    assert info.last_frames is None
    if path == "/fail":
        assert "LookupError: no such room" in str(info.traceback)


def test_sync_probe_raises_option_error_for_wrong_arguments() -> None:
    """Function ``probe()`` for ``websockets.sync`` raises OptionError for a wrong Monitor, a
    wrong class or a second Monitor.
    """
    monitor = Monitor()
    measured = probe(monitor)
    assert probe(monitor, base=measured) is measured
    for wrong in (
        lambda: probe("monitor"),  # type: ignore[arg-type]
        lambda: probe(monitor, base=serve_asyncio),  # type: ignore[arg-type]
        lambda: probe(Monitor(), base=measured),
        lambda: measured(object(), object()),
    ):
        with pytest.raises(OptionError):
            wrong()


def test_sync_probe_keeps_the_methods_of_the_class_given_as_base() -> None:
    """Probe for ``websockets.sync`` with ``base=`` keeps the user's own ``send()``, and counts
    its messages.
    """
    monitor, seen = Monitor(interval=0.02), []

    class Own(ServerConnection):
        def send(self, *args: Any, **kwargs: Any) -> None:
            seen.append(args[0])
            super().send(*args, **kwargs)

    with serve(echo, "127.0.0.1", 0, create_connection=probe(monitor, base=Own)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with connect("ws://{}:{}".format(*server.socket.getsockname())) as client:
            client.send("x")
            assert client.recv() == "x"
        (info,) = rows(monitor, 1)
        server.shutdown()
        thread.join()
    monitor.close()
    assert (seen, info.messages_out) == (["x"], 1)
