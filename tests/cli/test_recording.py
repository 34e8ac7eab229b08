"""Commands that write, export and compare recordings, run in real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.client import connect

import rtmon
from rtmon.metrics.records import Sample
from rtmon.recording.tick_data import TickData
from rtmon.recording.tick_writer import Writer
from rtmon.testing import FakeClock
from tests.cli.running import Command, run, wait_until
from tests.isolated import isolated

Start = Callable[..., Command]


def _samples(path: Path) -> int:
    with rtmon.read(path) as recording:
        return len(recording.samples())


def test_serve_leaves_one_redacted_recording_on_ctrl_c(
    command: Start, reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """`rtmon serve --record --redact` leaves one file on Ctrl-C, in which names are hashed and
    addresses shortened to their network.
    """
    path, port = tmp_path / "run.rtmon", reserve_port()
    redact = "addresses=network,names=hash"
    server = command(
        *("serve", f"--port={port}", "--admin-port=off"),
        *(f"--record={path}", f"--redact={redact}"),
        environment={"RTMON_REDACT_KEY": "secret"},
    )
    server.read_until("Ctrl-C")
    with connect(f"ws://127.0.0.1:{port}/?name=ada", proxy=None) as client:
        client.recv()
        wait_until(lambda: _samples(path) >= 2)
    assert server.end(signal.SIGINT)[0] == 0, server.rest()
    assert [each.name for each in tmp_path.iterdir()] == ["run.rtmon"]
    with rtmon.read(path) as recording:
        (row,) = recording.connections().itertuples()
        events = recording.events()
    hashed = rtmon.Redaction(names="hash", key=b"secret")
    assert row.name == hashed._hash("ada")
    assert row.remote == "127.0.0.0"
    assert "ada" not in set(events.name)
    assert b"ada" not in path.read_bytes()


def test_record_command_continues_when_the_server_restarts(
    command: Start, reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """`rtmon record` writes both runs of a server that was killed and restarted into one file, and
    refuses a second recorder of that file.
    """
    path, admin = tmp_path / "run.rtmon", reserve_port()
    serve = ("serve", "--port=0", f"--admin-port={admin}")
    first = command(*serve)
    first.read_until("Ctrl-C")
    recorder = command("record", f"ws://127.0.0.1:{admin}", str(path))
    recorder.read_until("Ctrl-C")
    wait_until(lambda: _samples(path) >= 2)
    first.end(signal.SIGKILL)
    second = command(*serve)
    second.read_until("Ctrl-C")

    def epochs() -> int:
        with rtmon.read(path) as recording:
            return int(recording.samples().epoch.nunique())

    wait_until(lambda: epochs() == 2)
    refused = run("record", f"ws://127.0.0.1:{admin}", str(path))
    assert refused.returncode == 2
    assert "is being written by another recording" in refused.stderr
    assert recorder.end(signal.SIGINT)[0] == 0, recorder.rest()
    assert "Traceback" not in recorder.rest()
    assert [each.name for each in tmp_path.iterdir()] == ["run.rtmon"]
    assert epochs() == 2


def test_record_command_fails_when_no_server_listens(
    reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """`rtmon record` prints one sentence, exits with code 1 and leaves no file when no server
    listens at the given address.
    """
    path = tmp_path / "run.rtmon"
    done = run("record", f"ws://127.0.0.1:{reserve_port()}", str(path), "--timeout=0.5")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_record_command_says_why_it_waits_when_no_server_listens_for_two_seconds(
    reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """`rtmon record` prints why it is not connected before its timeout when no server listens."""
    path = tmp_path / "run.rtmon"
    done = run("record", f"ws://127.0.0.1:{reserve_port()}", str(path), "--timeout=2.5")
    notice, error = done.stderr.splitlines()
    assert "connecting to ws://127.0.0.1:" in notice
    assert "nothing listens there" in notice
    assert "within 2.5 s" in error


FULL = """
import signal, subprocess, sys, time
from pathlib import Path
import rtmon

folder, admin = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
path, filler = folder / "run.rtmon", folder / "filler"
command = [sys.executable, "-m", "rtmon", "record", admin, str(path)]
recorder = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert "Recording" in recorder.stdout.readline(), recorder.communicate()

def ticks():
    with rtmon.read(path) as recording:
        return len(recording.samples())

def until(done):
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)

until(lambda: path.exists() and ticks() >= 1)
with filler.open("wb", buffering=0) as file:
    try:
        while file.write(b"x" * 512):
            pass
    except OSError:
        pass
line = recorder.stderr.readline()
assert "nothing can be written" in line, line
before = ticks()
filler.unlink()
until(lambda: ticks() > before + 1)
recorder.send_signal(signal.SIGINT)
assert recorder.wait(60) == 0, recorder.communicate()
with rtmon.read(path) as recording:
    seqs = list(recording.samples().seq)
assert seqs == list(range(seqs[0], seqs[-1] + 1)), seqs
assert [each.name for each in folder.iterdir()] == ["run.rtmon"]
"""


def test_record_command_loses_no_tick_when_the_disk_is_full_for_a_while(
    command: Start, reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """`rtmon record` reports that the disk is full, and writes every missed tick once when the disk
    has space again.
    """
    port = reserve_port()
    server = command("serve", "--port=0", f"--admin-port={port}")
    server.read_until("Ctrl-C")
    arguments = [sys.executable, "-c", FULL, str(tmp_path), f"ws://127.0.0.1:{port}"]
    done = subprocess.run(
        [*isolated(), *arguments], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr


def _recording(path: Path, errors: int) -> Path:
    """Write a recording of 30 seconds with this many errors per second."""
    writer = Writer(path, clock=FakeClock(time=1_700_000_000.0))
    writer.begin("n", path.stem)
    for seq in range(1, 31):
        sample = Sample(
            node="n",
            epoch=path.stem,
            seq=seq,
            time=1_700_000_000.0 + seq,
            elapsed=1.0,
            messages_in=100,
            errors=errors,
        )
        writer.write(TickData(sample=sample))
    writer.end([])
    writer.close()
    return path


def test_diff_exits_with_code_3_when_a_number_is_worse(tmp_path: Path) -> None:
    """`rtmon diff` exits with code 3 when a rate or percentile is worse in the second recording
    than in the first, and with code 0 when none is worse.
    """
    good, bad = _recording(tmp_path / "good.rtmon", 1), _recording(tmp_path / "bad.rtmon", 9)
    worse = run("diff", str(good), str(bad))
    assert worse.returncode == 3, worse.stderr
    assert [line.split() for line in worse.stdout.splitlines() if "Errors" in line] == [
        ["Errors", "1.00", "/s", "9.00", "/s", "+800%", "worse"]
    ]
    assert "Messages in" not in worse.stdout
    assert run("diff", str(bad), str(good)).returncode == 0
    halves = [f"{good}@..2023-11-14T22:13:35", f"{good}@2023-11-14T22:13:36.."]
    same = run("diff", *halves, "--all")
    assert same.returncode == 0
    assert "Messages in" in same.stdout
    assert run("diff", *halves).stdout.count("No rate or percentile differs beyond noise.") == 1


def test_export_writes_only_the_chosen_table_and_time_range(tmp_path: Path) -> None:
    """`rtmon export` writes only the chosen table and time range of a recording; with
    --format=rtmon the command writes a complete copy of the recording.
    """
    path, out = _recording(tmp_path / "run.rtmon", 1), tmp_path / "out"
    chosen = ("--table=samples", "--since=2023-11-14T22:13:30", "--until=2023-11-14T22:13:39")
    done = run("export", str(path), "--to", str(out), "--format=json", *chosen)
    assert done.stdout.splitlines() == [str(out / "samples.jsonl")]
    rows = [json.loads(line) for line in (out / "samples.jsonl").read_text("utf-8").splitlines()]
    assert [row["seq"] for row in rows] == list(range(10, 20))
    copy = tmp_path / "copy.rtmon"
    assert run("export", str(path), "--to", str(copy), "--format=rtmon").returncode == 0
    assert _samples(copy) == 30


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["export", "away.rtmon", "--to", "out"], 1, "there is no such recording"),
        (["export", "run.rtmon", "--to", "out", "--table", "people"], 2, "no table 'people'"),
        (["export", "run.rtmon", "--to", "out", "--since", "noon"], 2, "'noon' is not a time"),
        (["export", "run.rtmon", "--to", "out", "--redact", "names"], 2, "the rules are keep"),
        (
            ["export", "run.rtmon", "--to", "x", "--format", "rtmon", "--redact", "names=drop"],
            2,
            "'--redact'",
        ),
        (["export", "run.rtmon", "--to", "x", "--format", "rtmon", "--every", "10"], 2, "--every"),
        (["serve", "--port=0", "--redact", "names=drop"], 2, "without --record"),
        (["diff", "run.rtmon", "run.rtmon@2023"], 2, "write a range as FILE@SINCE..UNTIL"),
        (["diff", "run.rtmon", "run.rtmon@2030-01-01.."], 2, "holds no numbers of that time"),
        (["diff", "run.rtmon", "away.rtmon"], 1, "there is no such recording"),
    ],
)
def test_recording_commands_print_one_sentence_when_they_fail(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    """`rtmon` commands for recordings print one sentence and exit with code 2 for a wrong call
    and 1 for a failure.
    """
    _recording(tmp_path / "run.rtmon", 1)
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["run.rtmon"]
