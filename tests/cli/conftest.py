"""Fixtures that start rtmon commands and end them with the test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.cli.running import Command, descendants


@pytest.fixture
def command() -> Iterator[Callable[..., Command]]:
    """Return a function that starts an rtmon command. After the test, kill each command that still
    runs, with its child processes.
    """
    started: list[Command] = []

    def start(*arguments: str, environment: dict[str, str] | None = None) -> Command:
        started.append(Command(*arguments, environment=environment))
        return started[-1]

    yield start
    for one in started:
        for pid in [one.process.pid, *descendants(one.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        one.process.wait()
        if one.process.stdout is not None:
            one.process.stdout.close()


@pytest.fixture
def taken() -> Iterator[int]:
    """Listen on a free port, and yield the port, which is then in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        yield port
