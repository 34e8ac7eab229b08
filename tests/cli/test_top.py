from __future__ import annotations

import contextlib
import os
import signal
import termios
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.client import connect

from tests.cli.running import Command, Terminal, run

Start = Callable[..., Command]


@pytest.fixture
def admin(command: Start) -> Iterator[str]:
    """The admin address of a server with one client."""
    server = command("serve", "--port=0", "--admin-port=0")
    server.read_until("Ctrl-C")
    url, admin = [line.split()[-1] for line in server.output.splitlines()[:2]]
    with connect(f"{url}/somewhere", proxy=None):
        yield admin


@pytest.fixture
def terminal(admin: str) -> Iterator[Terminal]:
    """`rtmon top` in a terminal, watching that server."""
    started = Terminal("top", admin)
    yield started
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.process.pid, signal.SIGKILL)
    started.process.wait()
    os.close(started.screen)


def test_it_shows_a_server_live_and_obeys_keys(terminal: Terminal) -> None:
    """Connections appear by themselves, keys choose which, and q leaves the terminal as it was."""
    terminal.read_until("of 1 open")
    terminal.type("o")
    terminal.read_until("of 0 closed")
    terminal.type("/nobody")
    terminal.read_until("with “nobody”")
    terminal.type("\rq")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.screen) == terminal.settings
    assert terminal.output.endswith("\x1b[?25h\x1b[?1049l")


def test_a_timeout_is_for_one_screen() -> None:
    """An option that would do nothing at a terminal is refused there."""
    terminal = Terminal("top", "--timeout", "1")
    assert terminal.end() == 2
    os.close(terminal.screen)
    assert "'--timeout': it has no effect without --once" in " ".join(terminal.output.split())


def test_ctrl_c_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    """Ctrl-C ends it successfully, and out of the alternate screen."""
    terminal.read_until("of 1 open")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.screen) == terminal.settings
    assert terminal.output.rindex("\x1b[?1049l") > terminal.output.rindex("\x1b[?1049h")


def test_without_a_terminal_it_prints_one_screen(admin: str) -> None:
    """In a pipe, one screen of numbers is printed, without colours or cursor movements."""
    result = run("top", admin, COLUMNS="90", LINES="24")
    assert (result.returncode, result.stderr) == (0, "")
    assert " Live " in result.stdout
    assert " open, by opened ▼" in result.stdout
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 90


def test_nobody_answers() -> None:
    """A server that is not there is one sentence; a column that is none, another."""
    result = run("top", "ws://127.0.0.1:9", "--once", "--timeout", "0.3")
    assert result.returncode == 1
    assert "no feed from ws://127.0.0.1:9 within 0.3 s" in result.stderr
    result = run("top", "--sort", "nothing")
    assert result.returncode == 2
    assert "messages_in" in result.stderr
