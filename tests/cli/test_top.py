"""`rtmon top` in a terminal and in a pipe."""

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
    """Start a server with one client, and yield its admin listener's address."""
    server = command("serve", "--port=0", "--admin-port=0")
    server.read_until("Ctrl-C")
    url, admin = [line.split()[-1] for line in server.output.splitlines()[:2]]
    with connect(f"{url}/somewhere", proxy=None):
        yield admin


@pytest.fixture
def terminal(admin: str) -> Iterator[Terminal]:
    """Run `rtmon top` for that server in a pseudo-terminal."""
    started = Terminal("top", admin)
    yield started
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.process.pid, signal.SIGKILL)
    started.process.wait()
    os.close(started.screen)


def test_top_shows_connections_obeys_keys_and_restores_the_terminal(terminal: Terminal) -> None:
    """`rtmon top` shows the open connection, filters by keys, and restores the terminal when the
    user presses q.
    """
    terminal.read_until("of 1 open")
    terminal.type("o")
    terminal.read_until("of 0 closed")
    terminal.type("/nobody")
    terminal.read_until("with “nobody”")
    terminal.type("\rq")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.screen) == terminal.settings
    assert terminal.output.endswith("\x1b[?25h\x1b[?1049l")


def test_top_refuses_a_timeout_without_once_in_a_terminal() -> None:
    """`rtmon top --timeout` in a terminal exits with code 2, because the option has no effect
    without --once.
    """
    terminal = Terminal("top", "--timeout", "1")
    assert terminal.end() == 2
    os.close(terminal.screen)
    assert "'--timeout': it has no effect without --once" in " ".join(terminal.output.split())


def test_top_restores_the_terminal_on_ctrl_c(terminal: Terminal) -> None:
    """`rtmon top` leaves the alternate screen, restores the terminal and exits with code 0 on
    Ctrl-C.
    """
    terminal.read_until("of 1 open")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.screen) == terminal.settings
    assert terminal.output.rindex("\x1b[?1049l") > terminal.output.rindex("\x1b[?1049h")


def test_top_prints_one_plain_screen_in_a_pipe(admin: str) -> None:
    """`rtmon top` in a pipe prints one screen without colours or cursor movements and exits with
    code 0.
    """
    result = run("top", admin, COLUMNS="90", LINES="24")
    assert (result.returncode, result.stderr) == (0, "")
    assert " Live " in result.stdout
    assert " open, by opened ▼" in result.stdout
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 90


def test_top_fails_when_the_server_or_the_sort_column_is_missing() -> None:
    """`rtmon top` exits with code 1 when no server answers, and with code 2 when the sort column is
    unknown.
    """
    result = run("top", "ws://127.0.0.1:9", "--once", "--timeout", "0.3")
    assert result.returncode == 1
    assert "no feed from ws://127.0.0.1:9 within 0.3 s" in result.stderr
    result = run("top", "--sort", "nothing")
    assert result.returncode == 2
    assert "messages_in" in result.stderr
