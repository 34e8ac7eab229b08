"""Run the command line as a user does: real processes, observed from outside."""

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
"""Seconds after which something that should have happened has not: only failures wait so long."""

SOON = 9.5
"""Seconds within which every process ends, on a busy machine. Waiting for a peer that does not
answer, as websockets does, would take ten; tests/servers/test_endings.py tests these waits."""


def processes() -> dict[int, tuple[int, str]]:
    """Process id → parent's id and command line, of all processes but zombies."""
    table = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if state != "Z":
                table[int(folder.name)] = (int(parent), command)
    return table


def descendants(root: int) -> dict[int, str]:
    """Process id → command line, of all descendants of a process."""
    table = processes()
    found: dict[int, str] = {}
    parents = {root}
    while parents:
        level = {pid: command for pid, (up, command) in table.items() if up in parents}
        found |= level
        parents = set(level)
    return found


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> float:
    """Wait for a condition, and return how long it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            pytest.fail(f"not so after {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - began


class Command:
    """A running rtmon command, and its output so far."""

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
        """Read its output until a text is in it."""
        assert self.process.stdout is not None
        while text not in self.output:
            line = self.process.stdout.readline()
            assert line, f"it ended before it printed {text!r}: {self.output}"
            self.output += line

    def addresses(self) -> dict[str, str]:
        """The addresses that a demo prints: dashboard, server, admin."""
        return dict(re.findall(r"^  (\w+) +(\S+)$", self.output, re.MULTILINE))

    def end(self, how: signal.Signals) -> tuple[int, float]:
        """Send a signal; return the exit code, and the seconds until the process had ended.

        As Ctrl-C in a terminal does, SIGINT goes to the whole process group.
        """
        began = time.monotonic()
        if how is signal.SIGINT:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        code = self.process.wait(PATIENCE)
        return code, time.monotonic() - began

    def rest(self) -> str:
        """Its whole output, once it has ended."""
        assert self.process.stdout is not None
        self.output += self.process.stdout.read()
        return self.output


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command until it ends."""
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
    """A command in its own pseudo-terminal."""

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
        """Read its screen until a text appears that was not there before this call."""
        fresh = ""
        end = time.monotonic() + PATIENCE
        while text not in fresh:
            left = end - time.monotonic()
            assert select.select([self.screen], [], [], max(0.0, left))[0], self.output
            drawn = os.read(self.screen, 65_536).decode(errors="replace")
            fresh += drawn
            self.output += drawn

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.screen, keys.encode())

    def rest(self) -> str:
        """Its whole output until it ends."""
        with contextlib.suppress(OSError):  # a pseudo-terminal raises once no program has it open
            while data := os.read(self.screen, 65_536):
                self.output += data.decode(errors="replace")
        return self.output

    def end(self) -> int:
        """Its exit code, once it has ended."""
        self.rest()
        return self.process.wait(PATIENCE)
