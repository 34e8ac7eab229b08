"""The load generator: counts, latency, open and closed loops, storms, failures."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import Server, ServerConnection, serve

import rtmon
from rtmon.errors import OptionError
from rtmon.lab.load import Load, LoadOptions, LoadReport, run_load
from rtmon.lab.load_report import UserCounts
from rtmon.lab.simulated_user import SimulatedUser
from rtmon.lab.user_schedule import due, rate_at, visits
from rtmon.metrics.histogram import Histogram
from rtmon.testing import FaultProxy, until


def url(server: Server) -> str:
    """Return the URL of a server."""
    host, port = server.sockets[0].getsockname()[:2]
    return f"ws://{host}:{port}"


def serve_hub(**options: Any) -> rtmon.Server:
    """Serve a hub with these options and a Monitor."""
    return rtmon.serve(rtmon.Hub(**options), "127.0.0.1", 0)


@pytest.fixture
async def server() -> AsyncIterator[rtmon.Server]:
    """A served hub whose rate limit is above what the simulated users send."""
    async with serve_hub(rate=200.0, burst=200) as running:
        yield running


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """URL of a server that echoes messages and is no hub."""

    async def handle(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(handle, "127.0.0.1", 0) as running:
        yield url(running)


def check_connections(server: rtmon.Server, report: LoadReport) -> None:
    """Check that each user's counts of its open connection equal the server's, to the byte."""
    server.monitor.tick()
    rows = {row.remote: row for row in server.monitor.collector.connections()}
    for entry in report.connections:
        if entry.open:
            row = rows[entry.local]
            assert (row.name, row.messages_in, row.bytes_in, row.messages_out, row.bytes_out) == (
                entry.name,
                entry.messages_out,
                entry.bytes_out,
                entry.messages_in,
                entry.bytes_in,
            )


async def test_simulated_users_count_the_same_messages_and_bytes_as_the_server(
    server: rtmon.Server,
) -> None:
    """Load generator's counts of messages and bytes of each open connection equal the server's
    counts exactly when no message is pending.
    """
    reports: list[LoadReport] = []
    release = asyncio.Event()

    def quiet(report: LoadReport) -> None:
        reports.append(report)
        check_connections(server, report)
        release.set()

    options = LoadOptions(
        users=12, rate=40.0, duration=1.5, ramp=0.3, churn=0.5, stay=0.4, aborts=0.0
    )
    last = await run_load(server.url, options, on_quiet=quiet, release=release)

    [report] = reports
    assert report.quiet
    assert report.open > 0
    assert report.totals.messages_in > report.totals.messages_out > 100
    assert report.connected > options.users, "some users reconnected"
    assert last.open == 0
    await until(lambda: not server.websockets.connections)
    snapshot = server.monitor.snapshot()
    assert last.totals.bytes_in == snapshot.bytes_out, "clean closes lose nothing"
    assert last.totals.messages_out == snapshot.messages_in
    assert set(last.close_codes) == {1000, 1001}


async def test_load_report_counts_aborted_connections_under_close_code_1006(
    server: rtmon.Server,
) -> None:
    """Load report counts the connections that simulated users abort under close code 1006."""
    options = LoadOptions(
        users=6, rate=5.0, duration=0.8, ramp=0.0, churn=1.0, stay=0.1, aborts=0.7
    )
    report = await run_load(server.url, options)
    assert report.aborted > 0
    assert report.close_codes[1006] == report.aborted
    assert report.lost == 0


async def test_simulated_users_and_server_count_the_same_above_the_rate_limit() -> None:
    """Load generator that sends above the hub's rate limit gets errors, and its counts still
    equal the server's counts.
    """
    options = LoadOptions(users=2, rate=200.0, duration=0.4, ramp=0.0, churn=0.0)
    reports: list[LoadReport] = []
    async with serve_hub(rate=1.0, burst=5) as server:

        def quiet(report: LoadReport) -> None:
            reports.append(report)
            check_connections(server, report)

        await run_load(server.url, options, on_quiet=quiet)
        [report] = reports
        assert report.quiet
        assert report.errors > 0
        assert server.monitor.snapshot().errors >= report.errors
        assert report.answered < report.sent


@pytest.mark.parametrize("kind", ["chat", "text", "binary"])
async def test_load_generator_measures_echoes_of_a_server_that_is_no_hub(
    echo: str, kind: Any
) -> None:
    """Load generator measures the latency of echoes from a server that is no hub."""
    options = LoadOptions(users=3, rate=50.0, duration=0.5, ramp=0.0, churn=0.0, mix={kind: 1})
    reports: list[LoadReport] = []
    await run_load(echo, options, on_quiet=reports.append)
    [report] = reports
    assert report.quiet
    assert report.totals.messages_out > 0
    assert report.totals.messages_in == report.totals.messages_out
    assert report.totals.bytes_in == report.totals.bytes_out
    assert report.answered == report.sent == report.asked == report.latency.count
    assert report.unanswered == 0


async def test_load_generator_mixes_chat_room_messages_and_publications(
    server: rtmon.Server,
) -> None:
    """Load generator sends a mix of chat messages, room messages and publications, and each
    sender receives its own.
    """
    mix: dict[Any, float] = {"chat": 1, "room": 2, "publish": 3}
    options = LoadOptions(
        users=6, rate=20.0, duration=0.8, ramp=0.0, churn=0.0, mix=mix, group=2, aborts=0.0
    )
    reports: list[LoadReport] = []
    await run_load(server.url, options, on_quiet=reports.append)
    [report] = reports
    assert report.sent > 20
    assert report.answered == report.sent
    used = {info.channel for info in server.monitor.collector.channels()}
    assert used >= {"channel:load.0", "channel:load.2", "room:load.0", "room:load.2"}


async def test_load_latency_is_measured_from_the_time_a_message_was_due() -> None:
    """Load generator measures latency from the time at which a message was due, also when it was
    sent late.
    """
    tally = UserCounts()
    user, other = (SimulatedUser(number, LoadOptions(), tally) for number in (1, 11))
    now = asyncio.get_running_loop().time()
    late, soon = user.marked("late", now - 5), user.marked("soon", now)
    other.hear(late.encode())
    assert tally.answered == 0, "another user's message, although the number begins the same"
    user.hear(f"[{late}, {soon}, {soon}]".encode())
    assert tally.answered == 2, "each message counts once, also in a batch"
    latency = tally.latency.take()
    assert 4.8 < (latency.quantile(1.0) or 0) < 60
    user.marked("lost", now)
    user.forget()
    assert (tally.unanswered, tally.received) == (1, 2)


async def test_open_loop_continues_while_the_server_is_frozen_and_measures_the_wait(
    echo: str,
) -> None:
    """Load generator with an open loop continues while the server is frozen, and its latencies
    contain the wait.
    """
    options = LoadOptions(users=2, rate=50.0, ramp=0.0, churn=0.0)
    async with FaultProxy(echo) as proxy, Load(proxy.url, options) as load:
        await until(lambda: load.tally.answered > 10)
        proxy.freeze("down")
        asked = load.tally.asked
        await until(lambda: load.tally.asked > asked + 50)
        assert load.tally.asked - load.tally.answered > 25
        proxy.thaw()
        assert await load.quiet()
        report = load.report()
    assert report.answered == report.sent
    # During the freeze, 25 messages of each user were due over half a second or more.
    assert (report.latency.quantile(0.9) or 0) > 0.1


async def test_closed_loop_sends_nothing_more_while_the_server_is_frozen(echo: str) -> None:
    """Load generator with a closed loop sends nothing more while the server is frozen."""
    options = LoadOptions(users=2, rate=200.0, ramp=0.0, churn=0.0, loop="closed")
    async with FaultProxy(echo) as proxy, Load(proxy.url, options) as load:
        await until(lambda: load.tally.answered > 10)
        proxy.freeze("down")
        await until(lambda: load.tally.asked == load.tally.answered + 2)
        await asyncio.sleep(0.2)
        assert load.tally.asked == load.tally.answered + 2
        proxy.thaw()
        asked = load.tally.asked
        await until(lambda: load.tally.asked > asked + 10)


async def test_load_generator_reconnects_all_users_in_storms(echo: str) -> None:
    """Load generator with ``storm`` repeatedly drops all its connections at once and connects
    again.
    """
    options = LoadOptions(users=5, rate=1.0, ramp=0.0, churn=0.0, storm=0.3)
    async with Load(echo, options) as load:
        await until(lambda: load.tally.connected >= 15)
        assert load.tally.aborted >= 10
    assert load.report().close_codes[1006] >= 10


async def test_rows_per_second_of_a_load_report_add_up_to_its_totals(echo: str) -> None:
    """Load report's rows per second add up to its totals, histograms included."""
    options = LoadOptions(users=3, rate=30.0, duration=1.3, ramp=0.0, churn=0.0)
    report = await run_load(echo, options)
    assert len(report.seconds) >= 2
    for name in ("asked", "sent", "answered", "connected", "failed", "lost", "errors"):
        assert sum(getattr(row, name) for row in report.seconds) == getattr(report, name)
    assert sum(row.received for row in report.seconds) == report.totals.messages_in
    assert Histogram.merged(row.latency for row in report.seconds) == report.latency
    assert report.seconds[-1].open == 0
    assert sum(row.elapsed for row in report.seconds) == pytest.approx(report.elapsed, abs=0.01)
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["latency"]["count"] == report.answered
    assert Histogram.parse(plain["latency"]["buckets"]).counts == report.latency.counts


RATES = st.just(0.0) | st.floats(0.001, 1000)


@given(
    rate=RATES,
    rate_to=RATES,
    time=st.floats(0, 30),
    gap=st.floats(1e-6, 100),
)
def test_due_times_of_messages_match_a_rising_falling_or_steady_rate(
    rate: float, rate_to: float, time: float, gap: float
) -> None:
    """Load generator's ``due(options, time, gap)`` returns when the message rate, added up from
    ``time`` on, reaches ``gap`` messages, for a rising, falling or steady rate.
    """
    options = LoadOptions(rate=rate, rate_to=rate_to, duration=10)
    moment = due(options, time, gap)
    if moment == math.inf:
        assert rate_to == 0
        return
    assert moment >= time
    steps = sorted({time, moment, *([10.0] if time < 10 < moment else [])})
    area = sum(
        (rate_at(options, a) + rate_at(options, b)) / 2 * (b - a) for a, b in pairwise(steps)
    )
    # Rounding error of floating-point numbers of this size.
    slack = 1e-6 * gap + 1e-12 * max(rate, rate_to) * max(1.0, moment) + 1e-6
    assert area == pytest.approx(gap, abs=slack)


async def test_load_generator_counts_and_retries_failed_connections(
    reserve_port: Callable[[], int],
) -> None:
    """Load generator counts and retries failed connection attempts, and reports their reason."""
    address = f"ws://127.0.0.1:{reserve_port()}"
    async with Load(address, LoadOptions(users=2, ramp=0.0)) as load:
        await until(lambda: load.report().failed >= 3)
        assert await load.quiet()
    report = load.report()
    assert report.connected == 0
    assert str(address.rpartition(":")[2]) in report.problem, "the report says why"


async def test_load_generator_closes_while_the_server_is_frozen(echo: str) -> None:
    """Load generator closes while the server is frozen: users that are connecting stop, and
    connected users end with 1006.
    """
    options = LoadOptions(users=2, ramp=0.0, churn=0.0)
    async with FaultProxy(echo) as proxy, Load(proxy.url, options) as there:
        await until(lambda: there.report().open == 2)
        proxy.freeze()
        async with Load(proxy.url, options) as coming:
            await until(lambda: len(proxy.links) == 4)
            await coming.close()
            assert not any(task.cancelled() for task in coming._tasks)
        await there.close(within=0.1)
        assert there.report().close_codes == {1006: 2}


async def test_load_report_counts_connections_that_the_server_closed_as_lost(
    server: rtmon.Server,
) -> None:
    """Load report counts connections closed by the server in ``lost``, and their close codes in
    ``close_codes``.
    """
    async with Load(server.url, LoadOptions(users=4, ramp=0.0, churn=0.0)) as load:
        await until(lambda: load.report().open == 4)
        server.close()
        await until(lambda: load.report().lost == 4)
        assert load.report().close_codes == {1001: 4}


def test_load_schedule_depends_only_on_options_and_seed() -> None:
    """Load generator's schedule of users is the same for the same options and seed."""

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
    [
        {"users": 0},
        {"rate": -1.0},
        {"churn": 1.1},
        {"duration": -1.0},
        {"aborts": 0.9},
        {"rate_to": 1.0},
        {"loop": "half"},
        {"storm": 0.0},
        {"mix": {}},
        {"mix": {"shout": 1}},
        {"mix": {"chat": -1}},
    ],
)
def test_load_options_raise_option_error_that_names_an_invalid_option(
    wrong: dict[str, Any],
) -> None:
    """LoadOptions raises OptionError that names an invalid option."""
    with pytest.raises(OptionError, match=next(iter(wrong))):
        LoadOptions(**wrong)
