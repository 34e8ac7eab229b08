"""The probe for ``websockets`` does not break connections, user classes or handlers."""

from __future__ import annotations

import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidMessage
from websockets.server import ServerProtocol
from websockets.sync.server import serve as sync_serve

from rtmon import Monitor, probe
from rtmon.errors import OptionError
from rtmon.probes.websockets.counting_connection import OTHER_PART
from rtmon.testing import until
from tests.probes.websockets.serving import echo, ended, row_of, serving, url_of


async def test_connections_work_uncounted_after_the_monitor_is_closed(*, fast: bool) -> None:
    """Connections continue after the Monitor is closed, new ones are accepted, and nothing more
    is counted.
    """
    async with serving(fast=fast) as (monitor, _, url), connect(url) as before:
        await before.send("hello")
        await before.recv()
        monitor.close()
        totals = monitor.snapshot()
        assert (totals.open, totals.messages_in) == (1, 1)
        async with connect(url) as after:
            for size in range(50):
                for client in (before, after):
                    await client.send("x" * size)
                    assert await client.recv() == "x" * size
        await before.close()
        assert monitor.snapshot() == totals
        ledger = monitor.collector._ledgers["server"]
        for recorder in (ledger.size_in, ledger.size_out, ledger.handler, ledger.receive):
            assert not recorder.steps
        assert monitor.probe_failures == 0


def test_probe_raises_option_error_when_the_class_has_a_probe_of_another_monitor(
    *, fast: bool
) -> None:
    """Function ``probe()`` returns a class with the same Monitor's probe unchanged, and raises
    OptionError when the class has another Monitor's probe.
    """
    monitor = Monitor()
    once = probe(monitor, fast=fast)
    assert probe(monitor, base=once, fast=fast) is once
    with pytest.raises(OptionError, match="counted by another Monitor already"):
        probe(Monitor(), base=once, fast=fast)


async def test_asyncio_probe_given_to_websockets_sync_logs_an_error_that_names_the_right_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Probe class for asyncio that is given to ``websockets.sync`` logs and raises an error that
    names the servers it works with.
    """
    given = probe(Monitor(interval=1000))
    with (
        sync_serve(lambda _: None, "127.0.0.1", 0, create_connection=given) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        serving_it = pool.submit(server.serve_forever)
        port = server.socket.getsockname()[1]
        with pytest.raises(InvalidMessage):
            await connect(f"ws://127.0.0.1:{port}")
        server.shutdown()
        serving_it.result()
    assert [record.message for record in caplog.records if record.name == "rtmon"] == [OTHER_PART]
    with pytest.raises(OptionError, match=r"websockets\.asyncio\.server\.serve"):
        given(object(), ServerProtocol())


async def test_probe_keeps_the_methods_of_the_class_given_as_base(*, fast: bool) -> None:
    """Probe with ``base=`` keeps the methods of the user's connection class, and counts its
    messages.
    """

    class Mine(ServerConnection):
        def shout(self) -> str:
            return "hey"

    seen: list[Any] = []
    monitor = Monitor(interval=1000)

    async def handler(connection: ServerConnection) -> None:
        seen.append(connection)
        assert isinstance(connection, Mine)
        connection.meter.name = "ada"  # type: ignore[attr-defined]
        await connection.send(connection.shout())

    async with serve(
        handler, "127.0.0.1", 0, create_connection=probe(monitor, base=Mine, fast=fast)
    ) as server:
        async with connect(url_of(server)) as client:
            assert await client.recv() == "hey"
        await ended(monitor)
    row = row_of(monitor)
    assert (row.name, row.messages_out) == ("ada", 1)
    assert row.subprotocol is None
    assert str(row.user_agent).startswith("Python/")


async def test_connection_on_a_second_event_loop_works_uncounted(
    *, caplog: pytest.LogCaptureFixture, fast: bool
) -> None:
    """Connection on another event loop than the Monitor's works uncounted, which is logged once."""
    monitor = Monitor(interval=1000)
    monitor.arm("serve")

    async def elsewhere() -> None:
        async with serve(
            echo, "127.0.0.1", 0, create_connection=probe(monitor, fast=fast)
        ) as server:
            for _ in range(2):
                async with connect(url_of(server)) as client:
                    await client.send("x")
                    assert await client.recv() == "x"

    await asyncio.to_thread(asyncio.run, elsewhere())
    snapshot = monitor.snapshot()
    assert (snapshot.opened, snapshot.wire_in) == (0, 0)
    assert sum("second event loop" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("hook", ["mark", "opened", "closed", "rtt", "_says", "_ending"])
async def test_connection_works_when_the_websockets_probe_fails(
    *, hook: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fast: bool
) -> None:
    """Connection sends and receives messages although code of the probe raises, and one failure
    is logged.
    """
    from rtmon.metrics import collector, meter
    from rtmon.probes.websockets import counting_connection

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    owner: Any = {
        "mark": meter.Meter,
        "_says": counting_connection.CountingConnection,
        "_ending": counting_connection.CountingConnection,
    }.get(hook, collector.Collector)
    monkeypatch.setattr(owner, hook, broken)
    async with serving(fast=fast) as (monitor, _, url):
        for _ in range(2):
            async with connect(url) as client:
                await client.send("x")
                assert await client.recv() == "x"
                await (await client.ping())
        if hook == "rtt":
            async with (
                serve(
                    echo,
                    "127.0.0.1",
                    0,
                    ping_interval=0.01,
                    create_connection=probe(monitor, fast=fast),
                ) as server,
                connect(url_of(server)) as client,
            ):
                await until(lambda: monitor.probe_failures)
                await client.send("x")
                assert await client.recv() == "x"
        await until(lambda: monitor.probe_failures)
    assert sum("a probe failed" in record.message for record in caplog.records) == 1


async def test_closed_connection_is_garbage_collected(*, fast: bool) -> None:
    """Closed connection is garbage-collected, because the Monitor keeps no reference to it."""
    kept: list[weakref.ref[Any]] = []

    async def handler(connection: ServerConnection) -> None:
        kept.append(weakref.ref(connection))

    async with serving(handler, fast=fast) as (monitor, _, url):
        async with connect(url) as client:
            await client.wait_closed()
        await ended(monitor)
    gc.collect()
    assert kept[0]() is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"monitor": None}, "None: give it a Monitor"),
        ({"base": 5}, "base is 5"),
        ({"base": str}, "or a class derived from one"),
    ],
)
def test_probe_raises_option_error_that_names_a_wrong_argument(
    *, wrong: dict[str, Any], said: str, fast: bool
) -> None:
    """Function ``probe()`` raises OptionError that names the argument when the Monitor or
    ``base`` is wrong.
    """
    with pytest.raises(OptionError, match=said):
        probe(**{"monitor": Monitor(interval=1000), **wrong}, fast=fast)
