"""Copies of recordings, also of a recording that is being written."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

import rtmon
from rtmon import Monitor, Recording
from rtmon.errors import OptionError
from rtmon.testing import FakeClock

from .conftest import BEGIN, busy_monitor, run


async def test_copy_is_complete_while_the_recording_is_written(tmp_path: Path) -> None:
    """Copy of a recording that is being written is one intact file with all ticks written before
    the copy began.
    """
    path, clock = tmp_path / "run.rtmon", FakeClock(time=BEGIN)
    with busy_monitor(clock) as monitor, monitor.attach(Recording(path, clock=clock)):
        await run(monitor, clock, 20)
        writing = asyncio.create_task(run(monitor, clock, 400))
        for number in range(4):
            with rtmon.read(path) as found:
                before = len(found.samples())
            copy = tmp_path / "copies" / f"{number}.rtmon"
            copy.parent.mkdir(exist_ok=True)
            assert await rtmon.export(path, copy, format="rtmon") == [copy]
            db = sqlite3.connect(copy)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            db.close()
            with rtmon.read(copy) as found:
                seqs = list(found.samples().seq)
            assert seqs == list(range(1, len(seqs) + 1))
            assert len(seqs) >= before
        await writing
    assert sorted(each.name for each in copy.parent.iterdir()) == [
        f"{number}.rtmon" for number in range(4)
    ]


async def test_copy_of_a_closed_recording_is_equal(recording: Path, tmp_path: Path) -> None:
    """Copy of a closed recording has every row of every table, and replaces the file that was at
    the copy's path.
    """
    copy = tmp_path / "copy.rtmon"
    copy.write_bytes(b"before")
    await rtmon.export(recording, copy, format="rtmon")

    def dump(path: Path) -> list[str]:
        db = sqlite3.connect(path)
        try:
            return list(db.iterdump())
        finally:
            db.close()

    assert dump(copy) == dump(recording)


async def test_copy_into_a_missing_folder_raises_and_leaves_nothing(
    recording: Path, tmp_path: Path
) -> None:
    """Copying a recording into a missing folder raises OSError that names the folder, and creates
    nothing.
    """
    copy = tmp_path / "away" / "copy.rtmon"
    with pytest.raises(OSError, match="away"):
        await rtmon.export(recording, copy, format="rtmon")
    assert not copy.parent.exists()


async def test_export_of_a_monitor_as_rtmon_file_is_refused(tmp_path: Path) -> None:
    """Exporting a running Monitor with format="rtmon" raises OptionError that names `rtmon record`,
    and writes no file.
    """
    with Monitor(interval=3600) as monitor, pytest.raises(OptionError, match="rtmon record"):
        await rtmon.export(monitor, tmp_path / "copy.rtmon", format="rtmon")
    assert not (tmp_path / "copy.rtmon").exists()
