"""Faults of a recording's file: the server continues, and no file is overwritten."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import rtmon
from rtmon import Monitor, Recording, RecordingLimits
from rtmon.core.backoff import Backoff
from rtmon.errors import FileFormatError, OptionError, QueryError
from rtmon.feeds.queries import Row, RowsAnswer, RowsQuery
from rtmon.monitor import sink_thread
from rtmon.recording.database import network_file_system
from rtmon.recording.query_reader import QueryReader
from rtmon.testing import until
from tests.full_disk import ROUNDS, on_full_disk


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry failed writes after a short delay."""
    monkeypatch.setattr(sink_thread, "BACKOFF", Backoff(base=0.01, max=0.05))


def _kinds(monitor: Monitor) -> list[str]:
    events = monitor.collector.history.events()
    return [event.kind for event in events if event.kind.startswith(("recording", "sink"))]


def _recorded(path: Path, ticks: int = 3) -> Monitor:
    """Record this many ticks into a file, and close the recording."""
    monitor = Monitor(interval=3600, node="n")
    meter = monitor.collector.meter()
    with monitor.attach(Recording(path)):
        monitor.connection_opened(meter)
        monitor.collector.rtt(meter, 0.25)
        for _ in range(ticks):
            monitor.tick()
    monitor.close()
    return monitor


def test_closed_recording_leaves_no_log_or_lock_file(tmp_path: Path) -> None:
    """Closed recording leaves only its own file in the folder, without a log or lock file."""
    _recorded(tmp_path / "run.rtmon")
    assert [path.name for path in tmp_path.iterdir()] == ["run.rtmon"]


def test_second_recording_of_the_same_file_is_refused_until_the_first_closes(
    tmp_path: Path,
) -> None:
    """Second recording of the same file raises OptionError, and works once the first recording is
    closed.
    """
    path, first, second = tmp_path / "run.rtmon", Monitor(interval=3600), Monitor(interval=3600)
    with first.attach(Recording(path)):
        with pytest.raises(OptionError, match="is being written by another recording"):
            second.attach(Recording(path))
        first.tick()
    with second.attach(Recording(path)):
        second.tick()
    with rtmon.read(path) as run:
        assert sorted(set(run.samples().epoch)) == sorted([first.epoch, second.epoch])
    first.close()
    second.close()


def test_forked_process_does_not_write_or_close_its_parents_recording(tmp_path: Path) -> None:
    """Forked child process that ticks and closes the inherited Monitor and recording does not
    change the parent's recording, which has only the parent's ticks.
    """
    path = tmp_path / "run.rtmon"
    program = (
        "import os, sys, rtmon\n"
        "monitor = rtmon.Monitor(interval=3600)\n"
        f"recording = rtmon.Recording({str(path)!r})\n"
        "with monitor.attach(recording):\n"
        "    monitor.tick()\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        monitor.tick()\n"
        "        recording.close([])\n"
        "        monitor.close()\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        f"    assert os.path.exists({str(path) + '.lock'!r})\n"
        "    monitor.tick()\n"
        "monitor.close()\n"
        "print(monitor.epoch)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    with rtmon.read(path) as run:
        assert set(run.samples().epoch) == {done.stdout.strip()}
        assert list(run.samples().seq) == [1, 2, 3]


@pytest.mark.parametrize(
    "content", [b"this is no database" * 100, b"SQLite format 3\x00" + b"x" * 4096]
)
def test_recording_renames_a_broken_file_and_begins_a_new_one(
    tmp_path: Path, content: bytes
) -> None:
    """Recording renames an unreadable file, keeps its content unchanged, and begins a new file."""
    path = tmp_path / "run.rtmon"
    for number in (1, 2):
        path.write_bytes(content)
        _recorded(path)
        assert (tmp_path / f"run.rtmon.broken-{number}").read_bytes() == content
        with rtmon.read(path) as run:
            assert len(run.samples()) == 4


def _fill(monitor: Monitor, ticks: int) -> None:
    for _ in range(ticks):
        for _ in range(40):
            monitor.event("note", "x" * 250)
        monitor.tick()


async def test_recording_renames_its_file_when_it_becomes_corrupt(tmp_path: Path) -> None:
    """Recording whose file becomes corrupt during writing reports a failure and renames the file
    instead of deleting it.
    """
    path, monitor = tmp_path / "run.rtmon", Monitor(interval=3600, node="n")
    attached = monitor.attach(Recording(path))
    for _ in range(10):  # more data than SQLite keeps in memory
        _fill(monitor, 30)
        await until(lambda: attached.waiting == 0)
    _zero(path)
    monitor.close()
    assert "put aside as" in str(attached.failed)
    assert not path.exists()
    assert (tmp_path / "run.rtmon.broken-1").stat().st_size > 1_000_000


def _zero(path: Path) -> None:
    """Overwrite all of a file except its first 4,096 bytes with zeros."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\0" * (size - 4096))


def test_recording_refuses_files_of_a_newer_rtmon_or_another_program(tmp_path: Path) -> None:
    """Writing to or reading from a file of a newer rtmon or of another program raises
    FileFormatError and leaves the file unchanged.
    """
    newer, foreign = tmp_path / "newer.rtmon", tmp_path / "foreign.rtmon"
    _recorded(newer)
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    for path, words in (
        (newer, "was written by a newer rtmon .format 99"),
        (foreign, "is an SQLite database, but not a recording of rtmon's"),
    ):
        before = path.read_bytes()
        with pytest.raises(FileFormatError, match=words):
            Monitor(interval=3600).attach(Recording(path))
        with pytest.raises(FileFormatError, match=words):
            rtmon.read(path)
        assert path.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign.rtmon", "newer.rtmon"]


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_reading_a_file_that_is_no_recording_raises(tmp_path: Path, content: bytes | None) -> None:
    """Reading a missing, empty or foreign file raises an error that says that it is not a
    recording.
    """
    path = tmp_path / "run.rtmon"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((FileFormatError, FileNotFoundError), match="recording"):
        rtmon.read(path)


async def test_recording_keeps_all_ticks_while_its_file_is_locked(tmp_path: Path) -> None:
    """Recording keeps its ticks while another process locks the file, writes all of them
    afterwards, and records one event when writing fails and one when it works again.
    """
    path, monitor = tmp_path / "run.rtmon", Monitor(interval=3600, node="n")
    attached = monitor.attach(Recording(path))
    monitor.tick()
    await until(lambda: attached.waiting == 0)
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    monitor.tick()
    await until(lambda: attached.problem is not None)
    monitor.tick()
    assert "locked" in str(attached.problem)
    assert monitor.failing_sinks == 1
    assert monitor.waiting_ticks == 2
    locker.execute("ROLLBACK")
    locker.close()
    await until(lambda: attached.waiting == 0)
    monitor.tick()
    monitor.tick()
    assert _kinds(monitor) == ["recording degraded", "recording recovered"]
    monitor.close()
    with rtmon.read(path) as run:
        assert list(run.samples().seq) == [1, 2, 3, 4, 5, 6]


async def test_recording_pauses_when_a_reader_keeps_the_sqlite_log_growing(
    tmp_path: Path,
) -> None:
    """Recording stops writing when a reader's open transaction makes SQLite's write-ahead log reach
    the size limit, and continues when the reader has finished.
    """
    path, monitor = tmp_path / "run.rtmon", Monitor(interval=3600, node="n")
    limits = RecordingLimits(log=1024 * 1024)
    attached = monitor.attach(Recording(path, limits=limits))
    monitor.tick()
    await until(lambda: attached.waiting == 0)
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM samples").fetchone()
    log = tmp_path / "run.rtmon-wal"
    for _ in range(2000):
        if attached.problem is not None:
            break
        for _ in range(50):
            monitor.event("note", "x" * 200)
        monitor.tick()
        await until(lambda: attached.waiting == 0 or attached.problem is not None)
    assert "a reader keeps the log" in str(attached.problem)
    assert log.stat().st_size < 2 * limits.log
    reader.execute("COMMIT")
    reader.close()
    await until(lambda: attached.problem is None and attached.waiting == 0)
    monitor.close()
    assert not log.exists()


def test_recording_writes_every_tick_once_when_the_disk_is_full_three_times(tmp_path: Path) -> None:
    """Recording on a disk that is full three times reports three faults and recoveries, and has
    each tick once.
    """
    told = on_full_disk("recording", tmp_path, "2m")
    kinds = [kind for kind in told["kinds"] if kind.startswith("recording")]
    assert kinds == ["recording degraded", "recording recovered"] * ROUNDS
    assert told["seqs"] == list(range(1, told["ticks"] + 1))
    assert (told["dropped"], told["failed"], list(told["files"])) == (0, "None", ["run"])


def test_network_file_system_is_found_by_the_longest_mount_point() -> None:
    """Function network_file_system() looks up the longest mount point that contains the path, and
    returns None when a local disk is mounted there.
    """
    mounts = (
        "/dev/vda / ext4 rw 0 0\n"
        "server:/home /home nfs4 rw 0 0\n"
        "/dev/vdb /home/local\\040disk xfs rw 0 0\n"
        "share /mnt/s cifs rw 0 0\n"
        "broken line\n"
    )
    cases = {
        "/var/run.rtmon": None,
        "/home/ada/run.rtmon": "nfs4",
        "/home/local disk/run.rtmon": None,
        "/homestead/run.rtmon": None,
        "/mnt/s/run.rtmon": "cifs",
    }
    assert {p: network_file_system(Path(p), mounts) for p in cases} == cases


def test_attaching_a_recording_raises_when_its_folder_is_missing(tmp_path: Path) -> None:
    """Attaching a recording to a Monitor raises OSError when the folder of the recording's file
    does not exist.
    """
    with pytest.raises(OSError, match="No such file"):
        Monitor(interval=3600).attach(Recording(tmp_path / "missing" / "run.rtmon"))


def test_recording_of_an_older_release_can_be_read_and_continued(tmp_path: Path) -> None:
    """Recording of an older release can be read although it lacks newer tables, and has these
    tables once the current release continues the file.
    """
    path = tmp_path / "run.rtmon"
    before = _recorded(path)
    db = sqlite3.connect(path)
    for table in ("labels", "states"):
        db.execute(f"DROP TABLE {table}")
    for table in ("connections", "open_connections"):
        db.execute(f"ALTER TABLE {table} DROP COLUMN rtt_p99")
    db.execute("ALTER TABLE events DROP COLUMN client_id")
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    reader, query = QueryReader(path), RowsQuery(table="latencies")
    slow = RowsQuery(where="rtt_p99>0", sort="rtt_p99")
    assert [row.record.rtt_p99 for row in _rows(reader, RowsQuery(sort="rtt_p99"))] == [None]
    assert _rows(reader, slow) == []
    assert {row.record.client_id for row in _rows(reader, RowsQuery(table="events"))} == {None}
    assert reader.tables.names == ("channels",)
    with pytest.raises(QueryError, match="latencies are not in this recording, which an older"):
        reader.answer(query)
    reader.close()
    after = _recorded(path)
    reader = QueryReader(path)
    assert [each.epoch for each in reader.epochs()] == [before.epoch, after.epoch]
    assert reader.answer(query)
    assert [row.epoch for row in _rows(reader, slow)] == [after.epoch]
    reader.close()


def _rows(reader: QueryReader, query: RowsQuery) -> Sequence[Row]:
    answer = reader.answer(query)
    assert isinstance(answer, RowsAnswer)
    return answer.rows
