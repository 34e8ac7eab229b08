"""The programs of benchmarks/: they count every message, and end their processes."""

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
    """Return the command of a short benchmark run with these servers."""
    chosen = ["--peers", ",".join(peers), "--json", str(written)]
    return [sys.executable, str(BENCHMARKS / script), "--quick", *chosen]


def run(script: str, written: Path, *peers: str) -> dict[str, Any]:
    """Return the results of a short benchmark run in which no server was skipped."""
    subprocess.run(quick(script, written, *peers), check=True, timeout=250)
    record = json.loads(written.read_text())
    assert record["skipped"] == {}
    results: dict[str, Any] = record["results"]
    return results


@pytest.fixture(scope="module")
def harness() -> Any:
    """Return a function that imports a module of benchmarks/, which is a folder of scripts."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))


def test_fanout_benchmark_counts_every_message_and_its_bytes(tmp_path: Path) -> None:
    """Fan-out benchmark counts every message for every subscriber of a websockets broadcast and of
    an rtmon Group, with its exact bytes.
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


def test_transport_benchmark_counts_every_message_over_sse_and_polling(tmp_path: Path) -> None:
    """Transport benchmark counts every message for 50 subscribers over server-sent events, polling
    and WebSocket.
    """
    results = run("transports.py", tmp_path / "results.json", "beside", "sse", "polling")
    for section in ("one", "burst", "paced"):
        assert sorted(results[section]) == ["beside", "polling", "sse"]
        for each in itertools.chain(*results[section].values()):
            assert each["deliveries"] == each["messages"] * 50 > 0
    assert len(results["greet"]["sse"]) == len(results["greet"]["polling"]) == 5


def test_connection_benchmark_connects_all_clients_and_measures_memory(tmp_path: Path) -> None:
    """Connection benchmark connects 100 and 200 clients at once, each number twice without a
    failure, and measures CPU use, memory, and CPU use while idle.
    """
    results = run("connections.py", tmp_path / "results.json", "rtmon")
    for section in ("storm 100", "storm 200"):
        (round_,) = results[section]["rtmon"]
        assert round_["up"]["failed"] == round_["again"]["failed"] == 0
        assert round_["up"]["cpu"] > 0
    assert results["memory"]["rtmon"] > 1
    assert results["idle"]["rtmon"]["percent"] > 0


async def test_benchmark_fails_when_a_message_arrives_twice(harness: Any) -> None:
    """Benchmark raises AssertionError when subscribers receive a message twice."""
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


async def test_waiting_benchmark_clients_continue_to_poll(harness: Any) -> None:
    """Polling clients of a benchmark continue to poll while they wait for the measurement to start,
    so that no message waits in the hub.
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
def test_frame_counter_counts_data_frames_wherever_the_stream_is_split(
    harness: Any, wanted: list[tuple[Opcode, int]], cuts: list[int]
) -> None:
    """Benchmark's frame counter counts text and binary frames and no others, wherever the stream is
    split.
    """
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
async def test_benchmark_leaves_no_process_when_it_is_interrupted_or_killed(
    tmp_path: Path, how: signal.Signals
) -> None:
    """Benchmark's server and load generator end when the benchmark is interrupted by SIGINT or
    killed by SIGKILL.
    """
    process = await asyncio.create_subprocess_exec(
        *quick("fanout.py", tmp_path / "results.json", "broadcast"),
        # A killed process does not delete its temporary folders.
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    started: set[int] = set()
    try:
        # A server, a load generator, and the helper process of multiprocessing.
        await until(lambda: len(descendants(process.pid)) >= 3)
        started = descendants(process.pid)
    finally:
        process.send_signal(how)
        await asyncio.wait_for(process.wait(), 60)
    await until(lambda: not any(map(is_running, started)))


def descendants(pid: int) -> set[int]:
    """Return the process ids of a process's descendants."""
    try:
        found = set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except FileNotFoundError:
        return set()
    return found.union(*map(descendants, found))


def is_running(pid: int) -> bool:
    """Return True if the process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@given(
    frames=st.lists(st.tuples(st.sampled_from([1, 2, 8, 9, 10]), st.binary(max_size=140))),
    cuts=st.lists(st.integers(0, 600), max_size=4),
)
def test_idle_benchmark_client_finds_every_ping(
    harness: Any, frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    """Benchmark's idle client finds every ping frame, wherever the stream is split."""
    pings_in = harness("frames").pings_in
    stream = b"".join(Frame(Opcode(kind), data).serialize(mask=False) for kind, data in frames)
    points = sorted({0, *(min(cut, len(stream)) for cut in cuts), len(stream)})
    found, rest = [], b""
    for begin, end in itertools.pairwise(points):
        more, rest = pings_in(rest + stream[begin:end])
        found += more
    assert (found, rest) == ([data for kind, data in frames if kind == 9], b"")
