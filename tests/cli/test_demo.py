"""`rtmon demo`: its processes, its end, its options."""

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
    """True if the address is free to listen on."""
    try:
        socket.create_server(("127.0.0.1", urlsplit(address).port or 0)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_demo_ends_soon_on_a_signal(command: Start, how: signal.Signals) -> None:
    """After Ctrl-C or SIGTERM no process and no open port of the demo remains."""
    demo = command("demo", *FREE)
    demo.read_until(READY)
    addresses = demo.addresses()
    children = descendants(demo.process.pid)
    assert len(children) == 3
    for address in (addresses["dashboard"], addresses["chat"]):
        with urllib.request.urlopen(address) as page:  # noqa: S310 - http, ours
            assert page.status == 200
    assert not any(can_listen(address) for address in addresses.values())

    code, seconds = demo.end(how)

    assert code == 0
    assert seconds < SOON
    assert not children.keys() & processes().keys()
    assert all(can_listen(address) for address in addresses.values())
    assert "Traceback" not in demo.rest()


def test_demo_ends_while_it_is_starting(command: Start) -> None:
    """A demo that is ended before it is ready leaves nothing behind."""
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
    """After SIGKILL of the demo its children end soon."""
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
    """The demo names the dead child and its exit, ends the others, and exits with an error."""
    demo = command("demo", "--no-dashboard", *UNSEEN)
    demo.read_until(READY)
    children = descendants(demo.process.pid)
    victim = next(pid for pid, line in children.items() if child in line)
    os.kill(victim, signal.SIGKILL)
    assert demo.process.wait(SOON) == 1
    assert f"rtmon: {name} (process {victim}) ended by SIGKILL" in demo.rest()
    assert not children.keys() & processes().keys()


def test_demo_ends_after_its_duration(command: Start) -> None:
    """With --duration the demo ends by itself with exit code 0."""
    demo = command("demo", "--no-dashboard", "--duration=0.5", *UNSEEN)
    demo.read_until(READY)
    children = descendants(demo.process.pid)
    assert demo.process.wait(PATIENCE) == 0
    assert not children.keys() & processes().keys()


@pytest.mark.parametrize("option", ["--port", "--admin-port", "--dashboard-port"])
def test_demo_names_the_port_when_it_is_in_use(taken: int, option: str) -> None:
    """A port in use is one sentence and exit code 2."""
    done = run("demo", *FREE, f"{option}={taken}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert f":{taken}" in done.stderr
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_demo_opens_the_browser(command: Start, tmp_path: Path) -> None:
    """The demo opens its page in the browser once the page answers, unless --no-browser is
    given.
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


def test_demo_source_runs_a_server_with_traffic() -> None:
    """demo_source() starts a server with traffic, which ends with the calling process."""
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
        with urllib.request.urlopen(f"{address}/healthz") as answer:  # noqa: S310 - http, ours
            assert b'"open": 0' not in answer.read()
        children = descendants(asker.pid)
        assert len(children) == 3
    finally:
        asker.kill()
        asker.communicate()
    wait_until(lambda: not children.keys() & processes().keys(), SOON)


def test_demo_prints_only_its_own_lines_in_a_terminal() -> None:
    """The simulated users share the demo's terminal and draw no progress bar there."""
    demo = Terminal("demo", *UNSEEN[:2], UNSEEN[3], "--no-dashboard", "--duration=3")
    demo.read_until(READY)
    assert demo.end() == 0
    lines = [line for line in demo.output.splitlines() if line]
    assert lines[0].startswith("Starting a server")
    assert lines[1] == "5 simulated users are chatting. Ctrl-C ends it."
    assert [line.split()[0] for line in lines[2:]] == ["chat", "server", "admin"]
