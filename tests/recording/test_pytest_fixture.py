"""The pytest fixture `recorded`, which records a test."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection

import rtmon
from rtmon.recording.pytest_fixture import Recorded
from rtmon.testing import recorded, until

__all__ = ["recorded"]


async def _slow_echo(connection: ServerConnection) -> None:
    async for message in connection:
        await asyncio.sleep(0.02)
        await connection.send(message)


async def _talk(monitor: rtmon.Monitor, *, vanish: bool) -> None:
    async with rtmon.serve(_slow_echo, "127.0.0.1", 0, monitor=monitor) as server:
        client = await connect(server.url)
        await client.send("hello")
        await client.recv()
        if vanish:
            client.transport.abort()
        else:
            await client.close()
        await until(lambda: monitor.snapshot().open == 0)


async def test_recorded_fixture_passes_when_all_values_are_within_the_limits(
    recorded: Recorded,
) -> None:
    """Pytest fixture `recorded` passes when every measured value is within its limit, and checks
    only values for which the test gives a limit.
    """
    await _talk(recorded.monitor, vanish=False)
    recorded.expect(handler_p99=10.0, dropped=0, slow=0, errors=0, unexplained=0)
    recorded.expect()


async def test_recorded_fixture_fails_when_a_value_is_above_its_limit(recorded: Recorded) -> None:
    """Pytest fixture `recorded` raises AssertionError that lists each value above its limit and the
    command that opens the recording.
    """
    await _talk(recorded.monitor, vanish=True)
    with pytest.raises(AssertionError) as failed:
        recorded.expect(handler_p99=0.001, unexplained=0, dropped=0)
    assert "handler_p99 is 0.0" in str(failed.value)
    assert "unexplained is 1, allowed 0" in str(failed.value)
    assert "dropped" not in str(failed.value)
    assert f"rtmon dashboard {recorded.path}" in str(failed.value)


INNER = """
from pathlib import Path

import rtmon
from rtmon.testing import recorded


async def test_it(recorded):
    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0, monitor=recorded.monitor):
        recorded.monitor.event("note", "here")
    Path(__file__).with_name("where").write_text(str(recorded.path))
"""


def test_recorded_fixture_leaves_a_readable_recording_after_the_test(tmp_path: Path) -> None:
    """Pytest fixture `recorded` leaves a recording file that can be read after the test."""
    test = tmp_path / "test_it.py"
    test.write_text(INNER, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", str(test)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    path = Path((tmp_path / "where").read_text("utf-8"))
    with rtmon.read(path) as run:
        assert "here" in list(run.events().detail)
