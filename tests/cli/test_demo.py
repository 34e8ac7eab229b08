"""`rtmon demo`: its child processes, how it ends, and its options."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.running import (
    PATIENCE,
    SOON,
    Command,
    Terminal,
    descendants,
    processes,
    run,
    wait_until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

UNSEEN = ("--port=0", "--admin-port=0", "--no-browser", "--users=5")
FREE = ("--dashboard-port=0", *UNSEEN)
READY = "  admin "

Start = Callable[..., Command]


def can_listen(address: str) -> bool:
    """Return True if a port is free to listen on."""
    try:
        socket.create_server(("127.0.0.1", urlsplit(address).port or 0)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_demo_leaves_no_process_and_no_open_port_on_a_signal(
    command: Start, how: signal.Signals
) -> None:
    """`rtmon demo` exits with code 0 on Ctrl-C or SIGTERM and leaves no child process and no open
    port.
    """
    demo = command("demo", *FREE)
    demo.read_until(READY)
    addresses = demo.addresses()
    children = descendants(demo.process.pid)
    assert len(children) == 3
    for address in (addresses["dashboard"], addresses["chat"]):
        with urllib.request.urlopen(address) as page:  # noqa: S310 - HTTP address of the demo
            assert page.status == 200
    assert not any(can_listen(address) for address in addresses.values())

    code, seconds = demo.end(how)

    assert code == 0
    assert seconds < SOON
    assert not children.keys() & processes().keys()
    assert all(can_listen(address) for address in addresses.values())
    assert "Traceback" not in demo.rest()


def test_demo_leaves_no_process_when_it_is_ended_while_starting(command: Start) -> None:
    """`rtmon demo` that receives SIGTERM before it is ready exits with code 0, prints nothing and
    leaves no child process.
    """
    demo = command("demo", *FREE)
    wait_until(
        lambda: any(" dashboard " in line for line in descendants(demo.process.pid).values())
    )
    children = descendants(demo.process.pid)
    code, seconds = demo.end(signal.SIGTERM)
    assert code == 0
    assert seconds < SOON
    assert not children.keys() & processes().keys()
    assert demo.rest() == ""


def test_demo_children_end_when_it_is_killed(command: Start) -> None:
    """Child processes of `rtmon demo` end within seconds when the demo is killed by SIGKILL."""
    demo = command("demo", *FREE)
    demo.read_until(READY)
    children = descendants(demo.process.pid)
    assert len(children) == 3
    demo.end(signal.SIGKILL)
    wait_until(lambda: not children.keys() & processes().keys(), SOON)


@pytest.mark.parametrize(
    ("child", "name"), [(" serve ", "the server"), (" load ", "the simulated users")]
)
def test_demo_fails_when_a_child_dies(command: Start, child: str, name: str) -> None:
    """`rtmon demo` names the dead child process and its signal, ends the other children, and exits
    with code 1 when a child dies.
    """
    demo = command("demo", "--no-dashboard", *UNSEEN)
    demo.read_until(READY)
    children = descendants(demo.process.pid)
    victim = next(pid for pid, line in children.items() if child in line)
    os.kill(victim, signal.SIGKILL)
    assert demo.process.wait(SOON) == 1
    assert f"rtmon: {name} (process {victim}) ended by SIGKILL" in demo.rest()
    assert not children.keys() & processes().keys()


def test_demo_ends_by_itself_when_a_duration_is_given(command: Start) -> None:
    """`rtmon demo --duration` ends by itself with exit code 0 and leaves no child process."""
    demo = command("demo", "--no-dashboard", "--duration=0.5", *UNSEEN)
    demo.read_until(READY)
    children = descendants(demo.process.pid)
    assert demo.process.wait(PATIENCE) == 0
    assert not children.keys() & processes().keys()


@pytest.mark.parametrize("option", ["--port", "--admin-port", "--dashboard-port"])
def test_demo_names_the_port_when_it_is_in_use(taken: int, option: str) -> None:
    """`rtmon demo` prints one sentence that names the port and exits with code 2 when one of its
    ports is in use.
    """
    done = run("demo", *FREE, f"{option}={taken}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert f":{taken}" in done.stderr
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_demo_opens_the_browser_only_with_the_browser_option(
    command: Start, tmp_path: Path
) -> None:
    """`rtmon demo --browser` opens the dashboard page in the web browser, and --no-browser opens
    none.
    """
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    demo = command("demo", *FREE, "--browser", environment={"BROWSER": str(browser)})
    demo.read_until(READY)
    wait_until(lambda: opened.exists() and bool(opened.read_text()))
    assert opened.read_text().strip() == demo.addresses()["dashboard"]
    demo.end(signal.SIGTERM)

    opened.unlink()
    demo = command("demo", *FREE, "--duration=0.5", environment={"BROWSER": str(browser)})
    assert demo.process.wait(PATIENCE) == 0
    assert not opened.exists()


def test_demo_source_ends_its_processes_with_the_calling_process() -> None:
    """Function demo_source() starts a server with simulated users, and its processes end when the
    calling process is killed.
    """
    script = (
        "import asyncio, sys\n"
        "from rtmon import export\n"
        "from rtmon.core.child_processes import demo_source\n"
        "source = demo_source(users=3)\n"
        "print(source.url, flush=True)\n"
        "sys.stdin.read()\n"
    )
    asker = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert asker.stdout is not None
    try:
        address = asker.stdout.readline().strip().replace("ws://", "http://")
        # HTTP address of the demo.
        with urllib.request.urlopen(f"{address}/healthz") as answer:  # noqa: S310
            assert b'"open": 0' not in answer.read()
        children = descendants(asker.pid)
        assert len(children) == 3
    finally:
        asker.kill()
        asker.communicate()
    wait_until(lambda: not children.keys() & processes().keys(), SOON)


def test_demo_prints_only_its_own_lines_in_a_terminal() -> None:
    """`rtmon demo` in a terminal prints only its own lines, and its simulated users draw no
    progress bar.
    """
    demo = Terminal("demo", *UNSEEN[:2], UNSEEN[3], "--no-dashboard", "--duration=3")
    demo.read_until(READY)
    assert demo.end() == 0
    lines = [line for line in demo.output.splitlines() if line]
    assert lines[0].startswith("Starting a server")
    assert lines[1] == "5 simulated users are chatting. Ctrl-C ends it."
    assert [line.split()[0] for line in lines[2:]] == ["chat", "server", "admin"]
