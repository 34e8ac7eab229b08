"""The harness of the benchmarks: it counts messages, and ends its processes."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.frames import Frame, Opcode

import rtmon
from rtmon.asgi import serve as serve_asgi
from rtmon.testing import until

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def quick(script: str, written: Path, *peers: str) -> list[str]:
    """The command of a short run with some of the compared servers."""
    chosen = ["--peers", ",".join(peers), "--json", str(written)]
    return [sys.executable, str(BENCHMARKS / script), "--quick", *chosen]


def run(script: str, written: Path, *peers: str) -> dict[str, Any]:
    """The results of a short run without skips."""
    subprocess.run(quick(script, written, *peers), check=True, timeout=250)
    record = json.loads(written.read_text())
    assert record["skipped"] == {}
    results: dict[str, Any] = record["results"]
    return results


@pytest.fixture(scope="module")
def harness() -> Any:
    """Imports a module of the benchmarks, which are scripts in one folder."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))


def test_benchmark_counts_every_message(tmp_path: Path) -> None:
    """In a short run all subscribers count all messages of the library's broadcast and of a
    Group, in every comparison, each in exactly its bytes and a header's four.
    """
    peers = ["broadcast", "group"]
    results = run("fanout.py", tmp_path / "results.json", *peers)
    sections = {"size 10": 10, "size 50": 50, "burst": 50, "paced": 50}
    for section, subscribers in sections.items():
        assert sorted(results[section]) == peers
        for measured in results[section].values():
            for each in measured:
                assert each["deliveries"] == each["messages"] * subscribers > 0
                assert each["octets"] == 200 + 4
                assert each["cpu"] > 0


def test_benchmark_counts_events_and_polls(tmp_path: Path) -> None:
    """Subscribers over server-sent events and Socket.IO polling count all messages, too, and so
    do native ones among idle others.
    """
    results = run("transports.py", tmp_path / "results.json", "beside", "sse", "polling")
    for section in ("one", "burst", "paced"):
        assert sorted(results[section]) == ["beside", "polling", "sse"]
        for each in itertools.chain(*results[section].values()):
            assert each["deliveries"] == each["messages"] * 50 > 0
    assert len(results["greet"]["sse"]) == len(results["greet"]["polling"]) == 5


def test_benchmark_accepts_storms_and_measures_idle_connections(tmp_path: Path) -> None:
    """Connections that come at once, are dropped at once and come back are all accepted; the
    results have their memory and idle CPU.
    """
    results = run("connections.py", tmp_path / "results.json", "rtmon")
    for section in ("storm 100", "storm 200"):
        (round_,) = results[section]["rtmon"]
        assert round_["up"]["failed"] == round_["again"]["failed"] == 0
        assert round_["up"]["cpu"] > 0
    assert results["memory"]["rtmon"] > 1
    assert results["idle"]["rtmon"]["percent"] > 0


async def test_benchmark_fails_when_a_message_comes_twice(harness: Any) -> None:
    """A duplicate message is an error, not a measurement."""
    members: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.request.path == "/publish":
            number = 0
            async for message in connection:
                number += 1
                broadcast(members, message)
                if number == 5:
                    broadcast(members, message)
            return
        members.add(connection)
        await connection.send("joined")
        await connection.wait_closed()

    def load(port: int) -> tuple[dict[str, float], str]:
        crowd = harness("crowd").Crowd("websocket", port, multiprocessing.Pipe()[0])
        crowd.open(to=3)
        crowd.publisher()
        right = crowd.open_loop(rate=100, seconds=0.04)
        with pytest.raises(AssertionError) as caught:
            crowd.open_loop(rate=100, seconds=0.04)
        crowd.drop()
        crowd.leave()
        return right, str(caught.value)

    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        right, wrong = await asyncio.to_thread(load, port)
    assert right["deliveries"] == 4 * 3
    assert wrong == "3 subscribers did not get 4 messages each"


async def test_polling_clients_go_on_while_others_are_measured(harness: Any) -> None:
    """Waiting clients poll again, as real ones do: otherwise messages would queue at the
    server, which would close them.
    """
    ours, theirs = multiprocessing.Pipe()
    hub = rtmon.Hub(announce=60.0)

    def load(port: int) -> dict[str, float]:
        crowd = harness("crowd").Crowd("hub polling", port, theirs)
        crowd.open(to=3)
        crowd.go_on_polling()
        assert theirs.recv() == "go"
        crowd.publisher()
        counted: dict[str, float] = crowd.open_loop(rate=100, seconds=0.02)
        crowd.drop()
        crowd.leave()
        return counted

    async with serve_asgi(hub, port=0) as server:
        done = asyncio.create_task(asyncio.to_thread(load, server.port))
        await until(lambda: len(hub.registry.subscriptions.receivers("bench")) == 3)
        for number in range(3):
            await hub.publish("bench", number)
            sessions = hub.connections.values()
            await until(lambda s=sessions: all(not each.peer.waiting for each in s))
        ours.send("go")
        assert (await done)["deliveries"] == 2 * 3


@given(
    st.lists(st.tuples(st.sampled_from(Opcode), st.sampled_from([0, 5, 125, 126, 300, 66_000]))),
    st.lists(st.integers(1, 400), max_size=50),
)
def test_frames_are_counted_in_any_pieces(
    harness: Any, wanted: list[tuple[Opcode, int]], cuts: list[int]
) -> None:
    """Text and binary frames are counted, others are not, wherever the stream is cut."""
    stream = b"".join(
        Frame(opcode, bytes(min(size, 125) if opcode >= 8 else size)).serialize(mask=False)
        for opcode, size in wanted
    )
    counter = harness("frames").FrameCounter()
    found = at = 0
    for cut in [*cuts, len(stream)]:
        found += counter.feed(stream[at : at + cut])
        at += cut
    assert found == sum(opcode in {Opcode.TEXT, Opcode.BINARY} for opcode, _ in wanted)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
async def test_benchmark_leaves_no_process_behind(tmp_path: Path, how: signal.Signals) -> None:
    """Servers and load generators end with the benchmark, when it is interrupted or killed."""
    process = await asyncio.create_subprocess_exec(
        *quick("fanout.py", tmp_path / "results.json", "broadcast"),
        env={**os.environ, "TMPDIR": str(tmp_path)},  # a killed process leaves its folders behind
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    started: set[int] = set()
    try:
        # A server, a load generator, and what multiprocessing keeps beside it.
        await until(lambda: len(descendants(process.pid)) >= 3)
        started = descendants(process.pid)
    finally:
        process.send_signal(how)
        await asyncio.wait_for(process.wait(), 60)
    await until(lambda: not any(map(is_running, started)))


def descendants(pid: int) -> set[int]:
    """The descendants of a process."""
    try:
        found = set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except FileNotFoundError:
        return set()
    return found.union(*map(descendants, found))


def is_running(pid: int) -> bool:
    """True if the process exists and has not ended."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@given(
    frames=st.lists(st.tuples(st.sampled_from([1, 2, 8, 9, 10]), st.binary(max_size=140))),
    cuts=st.lists(st.integers(0, 600), max_size=4),
)
def test_idle_client_finds_every_ping(
    harness: Any, frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    """An idle client finds every ping, wherever messages and pings are cut."""
    pings_in = harness("frames").pings_in
    stream = b"".join(Frame(Opcode(kind), data).serialize(mask=False) for kind, data in frames)
    points = sorted({0, *(min(cut, len(stream)) for cut in cuts), len(stream)})
    found, rest = [], b""
    for begin, end in itertools.pairwise(points):
        more, rest = pings_in(rest + stream[begin:end])
        found += more
    assert (found, rest) == ([data for kind, data in frames if kind == 9], b"")
