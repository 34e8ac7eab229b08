"""Run rtmon's command line in real processes, and observe them from outside."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE = 120.0
"""Seconds to wait for an event before a test fails."""

SOON = 9.5
"""Longest time in seconds in which a process must end, also on a busy machine.

Waiting for a peer that does not answer takes ten seconds in websockets. So this value shows that no
command waits for such a peer. tests/servers/test_endings.py tests these waits.
"""


def processes() -> dict[int, tuple[int, str]]:
    """Return process id → (parent's id, command line) of all processes except zombies."""
    table = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process has ended meanwhile
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if state != "Z":
                table[int(folder.name)] = (int(parent), command)
    return table


def descendants(root: int) -> dict[int, str]:
    """Return process id → command line of all descendants of a process."""
    table = processes()
    found: dict[int, str] = {}
    parents = {root}
    while parents:
        level = {pid: command for pid, (up, command) in table.items() if up in parents}
        found |= level
        parents = set(level)
    return found


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> float:
    """Wait until a condition is true; return how many seconds it took. Fail the test after
    `seconds`.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            pytest.fail(f"not so after {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - began


class Command:
    """A running rtmon command with its output so far."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rtmon", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def read_until(self, text: str) -> None:
        """Read the command's output until it contains this text."""
        assert self.process.stdout is not None
        while text not in self.output:
            line = self.process.stdout.readline()
            assert line, f"it ended before it printed {text!r}: {self.output}"
            self.output += line

    def addresses(self) -> dict[str, str]:
        """Return the addresses that `rtmon demo` printed, by name: dashboard, chat, server,
        admin.
        """
        return dict(re.findall(r"^  (\w+) +(\S+)$", self.output, re.MULTILINE))

    def end(self, how: signal.Signals) -> tuple[int, float]:
        """Send a signal; return the exit code, and the seconds until the process ended.

        SIGINT is sent to the whole process group, as Ctrl-C in a terminal does.
        """
        began = time.monotonic()
        if how is signal.SIGINT:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        code = self.process.wait(PATIENCE)
        return code, time.monotonic() - began

    def rest(self) -> str:
        """Return the command's whole output once the command has ended."""
        assert self.process.stdout is not None
        self.output += self.process.stdout.read()
        return self.output


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an rtmon command until it ends, and return its exit code and output."""
    return subprocess.run(
        [sys.executable, "-m", "rtmon", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
        check=False,
    )


class Terminal:
    """An rtmon command that runs in its own pseudo-terminal."""

    def __init__(self, *arguments: str, width: int = 100, height: int = 30) -> None:
        self.screen, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.settings = termios.tcgetattr(self.screen)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rtmon", *arguments],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(inside)
        self.output = ""

    def read_until(self, text: str) -> None:
        """Read the terminal's output until text appears that was written after this call began."""
        fresh = ""
        end = time.monotonic() + PATIENCE
        while text not in fresh:
            left = end - time.monotonic()
            assert select.select([self.screen], [], [], max(0.0, left))[0], self.output
            drawn = os.read(self.screen, 65_536).decode(errors="replace")
            fresh += drawn
            self.output += drawn

    def type(self, keys: str) -> None:
        """Send these keys to the command."""
        os.write(self.screen, keys.encode())

    def rest(self) -> str:
        """Return the command's whole output once the command has ended."""
        # A read raises OSError once no program has the pseudo-terminal open.
        with contextlib.suppress(OSError):
            while data := os.read(self.screen, 65_536):
                self.output += data.decode(errors="replace")
        return self.output

    def end(self) -> int:
        """Wait until the command has ended, and return its exit code."""
        self.rest()
        return self.process.wait(PATIENCE)
