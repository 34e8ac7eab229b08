"""`rtmon load`: its table, HTML report, CSV files and errors."""

from __future__ import annotations

import csv
import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rtmon
from rtmon.cli import main
from rtmon.cli.load_results import _planned
from rtmon.lab.load import LoadOptions
from tests.cli.running import PATIENCE, Command, run

Start = Callable[..., Command]


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, str]]:
    """Start a hub in its own process; yield its address and its admin listener's address."""
    server = Command("serve", "--port=0", "--admin-port=0")
    server.read_until("Ctrl-C")
    addresses = [line.split()[-1] for line in server.output.splitlines()]
    yield addresses[0], addresses[1]
    server.end(signal.SIGTERM)
    assert server.process.stdout is not None
    server.process.stdout.close()


def test_load_table_report_and_csv_files_agree_with_the_server(
    place: tuple[str, str], tmp_path: Path
) -> None:
    """`rtmon load` prints a table and writes an HTML report and CSV files, all with the message
    counts of the server.
    """
    url, admin = place
    page, folder = tmp_path / "run.html", tmp_path / "csv"
    done = run(
        *("load", url, "--users=5", "--rate=10", "--rate-to=20", "--duration=2", "--ramp=0"),
        *("--mix=room=2,chat=1,publish", "--group=2", "--churn=0", f"--admin={admin}"),
        *(f"--report={page}", f"--csv={folder}"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no progress bar outside a terminal"
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if "  " in line)
    assert rows["users"].startswith("5 asked for, 5 at once; 5 connections, 0 failed, 0 lost")
    assert "p99.9" in rows["latency"]
    lines = done.stdout.splitlines()
    ends = {
        line[:10]: line.split()[-4:] for line in lines if line.startswith(("sent", "server in"))
    }
    assert ends["server in "][0] == ends["sent      "][0], "messages"

    text = page.read_text("utf-8")
    assert "<script" not in text
    for part in ("Asked and reached", "The server&#x27;s own view", "Counted at both ends", "<svg"):
        assert part in text
    with (folder / "load.csv").open(encoding="utf-8", newline="") as file:
        seconds = list(csv.DictReader(file))
    assert len(seconds) >= 2
    sent = sum(int(row["sent"]) for row in seconds)
    assert f"{sent:,} sent" in rows["messages"]
    assert seconds[0]["latency_p50"]
    samples = rtmon.read_csv(folder / "samples.csv")
    assert samples["messages_in"].sum() == int(ends["sent      "][0].replace(",", ""))


def test_load_redacts_names_and_addresses_in_report_and_csv_files(
    place: tuple[str, str], tmp_path: Path
) -> None:
    """`rtmon load --redact` leaves no names in its CSV files and replaces client addresses by
    hashes in report and CSV files.
    """
    url, admin = place
    page, folder = tmp_path / "run.html", tmp_path / "csv"
    done = run(
        *("load", url, "--users=3", "--rate=5", "--duration=1", "--ramp=0", "--churn=0"),
        *(f"--admin={admin}", f"--report={page}", f"--csv={folder}"),
        "--redact=names=drop,addresses=hash",
    )
    assert done.returncode == 0, done.stderr
    connections = rtmon.read_csv(folder / "connections.csv")
    assert len(connections) >= 3
    assert connections["name"].isna().all()
    assert not connections["remote"].str.contains("127.0.0.1").any()
    assert rtmon.read_csv(folder / "events.csv")["name"].isna().all()
    text = page.read_text("utf-8")
    assert all(digest in text for digest in connections["remote"].unique())
    assert "127.0.0.1:" not in text.replace(url, "")


def test_load_prints_its_table_and_writes_its_report_on_ctrl_c(
    place: tuple[str, str], command: Start, tmp_path: Path
) -> None:
    """`rtmon load` without a duration prints its table, writes its HTML report and exits with code
    0 on Ctrl-C.
    """
    page = tmp_path / "run.html"
    load = command("load", place[0], "--users=3", "--rate=20", "--closed", f"--report={page}")
    load.read_until("Ctrl-C")
    code, _ = load.end(signal.SIGINT)
    assert code == 0
    printed = load.rest()
    assert f"wrote {page}" in printed
    assert "latency" in printed
    assert "closed" in page.read_text("utf-8")


def test_load_prints_nothing_on_ctrl_c_before_any_user_has_connected(command: Start) -> None:
    """`rtmon load` exits with code 0 and prints nothing on Ctrl-C while the server has answered no
    handshake.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        load = command("load", "ws://{}:{}".format(*silent.getsockname()), "--users=1")
        silent.settimeout(PATIENCE)
        connection, _ = silent.accept()
        with connection:
            code, _ = load.end(signal.SIGINT)
    assert code == 0
    assert load.rest() == ""


def test_load_says_why_when_no_user_can_connect(
    reserve_port: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon load` exits with code 1 and prints the operating system's error when no simulated user
    can connect.
    """
    assert main(["load", f"ws://127.0.0.1:{reserve_port()}", "--ramp=0"]) == 1
    said = capsys.readouterr().err
    assert "no user can connect to ws://127.0.0.1:" in said
    assert "Errno" in said


def test_planned_load_grows_with_users_and_rate() -> None:
    """Planned message rate in the load report grows with the number of users during the ramp and
    with the rate per user, and is None after the load's end.
    """
    options = LoadOptions(users=10, rate=1, rate_to=3, duration=10, ramp=4)
    planned = [_planned(options, time) for time in (0, 2, 5, 10, 10.5)]
    assert planned == [0, pytest.approx(5 * 1.4), pytest.approx(20), pytest.approx(30), None]
    assert _planned(LoadOptions(users=3, rate=2, ramp=0), 0) == 6


def test_load_prints_one_json_report_when_json_is_given(place: tuple[str, str]) -> None:
    """`rtmon load --json` prints one JSON report and nothing else on standard output."""
    done = run("load", place[0], "--users=2", "--duration=0.5", "--storm=0.2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["connected"] >= 2
    assert report["latency"].keys() >= {"count", "p50", "p99", "max", "buckets"}
    assert report["seconds"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mix=shout=1"], "shout"),
        (["--mix=chat=many"], "'--mix'"),
        (["--rate-to=5"], "duration"),
        (["--report=/nowhere/at/all.html"], "'--report'"),
        (["--report=/"], "'--report'"),
        (["--csv=/dev/null"], "'--csv'"),
        (["--users=0"], "'--users'"),
        (["--churn=2"], "'--churn'"),
        (["--admin=ftp://x", "--duration=1"], "ftp://x"),
    ],
)
def test_load_prints_one_sentence_when_an_option_is_wrong(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon load` prints one sentence that names the fault and exits with code 2 when an option is
    wrong.
    """
    assert main(["load", "ws://127.0.0.1:9", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


def test_load_fails_when_the_admin_listener_cannot_be_reached(
    place: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon load --admin` exits with code 1 and names the admin address when the admin listener
    cannot be reached.
    """
    monkeypatch.setattr("rtmon.cli.server_metrics_reader._ANSWERS", 0.2)
    assert main(["load", place[0], "--admin=ws://127.0.0.1:9"]) == 1
    assert "no feed from ws://127.0.0.1:9" in capsys.readouterr().err


def test_load_refuses_more_users_than_the_limit_of_open_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`rtmon load` exits with code 2 when the number of users is above the system's limit of open
    files.
    """
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 200))
    assert main(["load", "ws://127.0.0.1:9", "--users=1000"]) == 2
