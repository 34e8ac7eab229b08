"""Recordings of a process that is killed by SIGKILL keep every written tick."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rtmon
from rtmon.recording.tick_writer import Writer
from rtmon.testing import FakeClock

ROOT = Path(__file__).parents[2]


def _killed_after(path: Path, log: Path, seconds: float, pause: float) -> tuple[int, int]:
    """Record for some seconds, then kill the recording process.

    Returns:
        Number of the last tick that the process printed, and how many ticks were not yet written.
    """
    command = [sys.executable, "-m", "tests.recording.killed", str(path), str(pause)]
    with (
        log.open("wb") as synced,
        subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, bufsize=0) as program,
    ):
        assert program.stdout is not None
        deadline: float | None = None
        while deadline is None or time.monotonic() < deadline:
            line = program.stdout.readline()
            assert line, "the program ended by itself"
            synced.write(line)
            synced.flush()
            os.fdatasync(synced.fileno())
            deadline = deadline or time.monotonic() + seconds
        program.send_signal(signal.SIGKILL)
        program.stdout.read()
    seq, waiting = log.read_text("utf-8").splitlines()[-1].split()
    return int(seq), int(waiting)


def _kill_and_check(folder: Path, number: int, seconds: float, pause: float) -> None:
    path = folder / "run.rtmon"
    seq, waiting = _killed_after(path, folder / f"log{number}", seconds, pause)
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (epoch,) = db.execute("SELECT max(id) FROM epochs").fetchone()
    written = "SELECT max(seq) FROM samples WHERE level = 1 AND epoch = ?"
    (last,) = db.execute(written, (epoch,)).fetchone()
    db.close()
    # The number of waiting ticks includes the one that is being written. The process may have made
    # further ticks after its last line, so the recording may have more.
    assert (last or 0) >= seq - max(waiting, 1)


def _check_whole(path: Path) -> None:
    """Check that each row is in the recording once, and that a writer closes the killed server
    runs.
    """
    Writer(path, clock=FakeClock()).close()
    db = sqlite3.connect(path)
    for (epoch,) in db.execute("SELECT id FROM epochs ORDER BY id").fetchall():
        for level in (1, 10, 60):
            rows = db.execute(
                "SELECT seq, ticks, opened FROM samples WHERE level = ? AND epoch = ? ORDER BY seq",
                (level, epoch),
            ).fetchall()
            assert all(ticks == opened for _, ticks, opened in rows)
            firsts = [seq - ticks + 1 for seq, ticks, _ in rows]
            assert firsts[1:] == [seq + 1 for seq, _, _ in rows[:-1]]
    assert db.execute("SELECT count(*) FROM epochs WHERE ended IS NULL").fetchone() == (0,)
    db.close()
    with rtmon.read(path) as run:
        assert len(run.samples(every=10)) > 0


def test_recording_killed_twice_has_only_complete_rows(tmp_path: Path) -> None:
    """Recording whose process is killed twice loses only ticks that were not yet written, and has
    only complete rows.
    """
    for number in range(2):
        _kill_and_check(tmp_path, number, 0.4 + 0.3 * number, 0.002)
    _check_whole(tmp_path / "run.rtmon")


@pytest.mark.matrix
def test_recording_is_intact_after_fifty_kills(tmp_path: Path) -> None:
    """Recording is intact after its process was killed at 50 random moments, while every third tick
    ran a checkpoint.
    """
    moments = random.Random(7)
    for number in range(50):
        _kill_and_check(tmp_path, number, moments.uniform(0.01, 0.6), 0.001)
    _check_whole(tmp_path / "run.rtmon")
