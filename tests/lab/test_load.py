from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from rtmon.errors import OptionError
from rtmon.hub import Hub
from rtmon.hub.transports.websocket import handler, serve_arguments
from rtmon.lab.load import Load, LoadOptions, LoadReport, run_load
from rtmon.lab.script import visits


class Counting(ServerConnection):
    """Counts below everything else, for an independent second opinion."""

    everyone: dict[str, Counting]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.counts = {"messages_in": 0, "bytes_in": 0, "messages_out": 0, "bytes_out": 0}
        self.meter = self
        self.name: str | None = None
        self.errors = 0
        for way, method in (("out", "send_text"), ("out", "send_binary")):
            self._count(way, method)

    def bump(self, counter: str) -> None:
        """The hub counts an error."""
        assert counter == "errors"
        self.errors += 1

    def _count(self, way: str, method: str) -> None:
        inner = getattr(self.protocol, method)

        def counted(data: bytes, *args: Any, **kwargs: Any) -> None:
            self.counts[f"messages_{way}"] += 1
            self.counts[f"bytes_{way}"] += len(data)
            inner(data, *args, **kwargs)

        setattr(self.protocol, method, counted)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        host, port = transport.get_extra_info("peername")[:2]
        self.everyone[f"{host}:{port}"] = self

    async def recv(self, *args: Any, **kwargs: Any) -> Any:
        data = await super().recv(*args, **kwargs)
        self.counts["messages_in"] += 1
        self.counts["bytes_in"] += len(data.encode() if isinstance(data, str) else data)
        return data


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (a report has nothing to wait on)
            await asyncio.sleep(0.005)


def url(server: Server) -> str:
    """Where the server is."""
    host, port = server.sockets[0].getsockname()[:2]
    return f"ws://{host}:{port}"


@pytest.fixture
def everyone() -> dict[str, Counting]:
    """Address → connection, for all connections of the server."""
    return {}


def serve_hub(hub: Hub, everyone: dict[str, Counting]) -> serve:
    """A hub that speaks through connections that count."""
    connection = type("Connection", (Counting,), {"everyone": everyone})
    arguments = {**serve_arguments(hub), "create_connection": connection}
    return serve(handler(hub), "127.0.0.1", 0, **arguments)


@pytest.fixture
async def server(everyone: dict[str, Counting]) -> Any:
    """A hub that takes all that these users send."""
    async with serve_hub(Hub(rate=200.0, burst=200), everyone) as running:
        yield running


async def test_counts_equal_the_servers(server: Server, everyone: dict[str, Counting]) -> None:
    """When all is quiet, each open connection's counts equal the server's own, to the byte."""
    reports: list[LoadReport] = []
    release = asyncio.Event()

    def quiet(report: LoadReport) -> None:
        reports.append(report)
        for entry in report.connections:
            if entry.open:
                there = everyone[entry.local]
                assert there.name == entry.name
                assert there.counts == {
                    "messages_in": entry.messages_out,
                    "bytes_in": entry.bytes_out,
                    "messages_out": entry.messages_in,
                    "bytes_out": entry.bytes_in,
                }
        release.set()

    options = LoadOptions(
        users=12, rate=40.0, duration=1.5, ramp=0.3, churn=0.5, stay=0.4, aborts=0.0
    )
    last = await run_load(url(server), options, on_quiet=quiet, release=release)

    [report] = reports
    assert report.quiet
    assert report.open > 0
    assert report.totals.messages_in > report.totals.messages_out > 100
    assert report.connected > options.users, "some came back"
    assert last.open == 0
    counted = {key: sum(each.counts[key] for each in everyone.values()) for key in ("bytes_out",)}
    assert last.totals.bytes_in == counted["bytes_out"], "clean closes lose nothing"
    assert set(last.close_codes) == {1000, 1001}


async def test_some_end_without_a_close_frame(server: Server) -> None:
    """Users told to abort leave the server with 1006, and the report says how many did."""
    options = LoadOptions(
        users=6, rate=5.0, duration=0.8, ramp=0.0, churn=1.0, stay=0.1, aborts=0.7
    )
    report = await run_load(url(server), options)
    assert report.aborted > 0
    assert report.close_codes[1006] == report.aborted
    assert report.lost == 0


async def test_users_above_their_rate_become_quiet_too(everyone: dict[str, Counting]) -> None:
    """Users that send more than the hub takes are refused, and still all is counted alike."""
    options = LoadOptions(users=2, rate=200.0, duration=0.4, ramp=0.0, churn=0.0)
    reports: list[LoadReport] = []
    async with serve_hub(Hub(rate=1.0, burst=5), everyone) as server:
        await run_load(url(server), options, on_quiet=reports.append)
    [report] = reports
    assert report.quiet
    assert sum(each.errors for each in everyone.values()) > 0
    for entry in report.connections:
        counts = everyone[entry.local].counts
        assert (counts["messages_out"], counts["bytes_out"]) == (
            entry.messages_in,
            entry.bytes_in,
        )
        assert counts["messages_in"] == entry.messages_out


async def test_any_server_will_do() -> None:
    """A server that is no hub is loaded too; what it echoes comes back and is counted."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0) as running:
        options = LoadOptions(users=3, rate=50.0, duration=0.5, ramp=0.0, churn=0.0)
        report = await run_load(url(running), options)
    assert report.quiet
    assert report.totals.messages_out > 0
    assert report.totals.messages_in == report.totals.messages_out
    assert report.totals.bytes_in == report.totals.bytes_out


async def test_a_server_that_is_not_there_is_counted(server: Server) -> None:
    """Attempts that fail are counted and tried again, and stopping does not wait for them."""
    address = url(server)
    server.close()
    await server.wait_closed()
    async with Load(address, LoadOptions(users=2, ramp=0.0)) as load:
        await until(lambda: load.report().failed >= 3)
        assert await load.quiet()
    assert load.report().connected == 0


async def test_connections_lost_are_told_apart(server: Server) -> None:
    """A connection that the server ends is counted as lost, with the code that it was given."""
    async with Load(url(server), LoadOptions(users=4, ramp=0.0, churn=0.0)) as load:
        await until(lambda: load.report().open == 4)
        server.close()
        await until(lambda: load.report().lost == 4)
        assert load.report().close_codes == {1001: 4}


def test_the_same_seed_does_the_same() -> None:
    """What users do depends on the options and the seed only."""

    def plan(seed: int) -> list[Any]:
        options = LoadOptions(users=5, seed=seed, churn=1.0)
        return [
            [
                (visit.after, visit.stay, visit.leaving, list(islice(visit.says, 20)))
                for visit in islice(visits(options, user), 3)
            ]
            for user in range(5)
        ]

    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


@pytest.mark.parametrize(
    "wrong",
    [{"users": 0}, {"rate": -1.0}, {"churn": 1.1}, {"duration": -1.0}, {"aborts": 0.9}],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    """Each wrong option is named in the error."""
    with pytest.raises(OptionError, match=next(iter(wrong))):
        LoadOptions(**wrong)
