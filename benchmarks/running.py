"""A running server with its load generator: two processes that end with this one."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import socket
import subprocess
import tempfile
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from compared import Peer
from crowd import crowd_process, pin

__all__ = ["Running", "ServerFailed"]

START_SECONDS = 30.0
STOP_SECONDS = 5.0
SETTLE_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class ServerFailed(Exception):
    """The measurement of a server failed; the other servers are measured without it."""


def _in_child() -> None:
    """Choose the server's core, and let the server end with this process.

    This runs in the child process before the server's program starts.
    """
    pin(0)
    # nginx ends its workers on SIGTERM, but not when it is killed. The other servers end on
    # SIGTERM, too.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Running:
    """A server with its load generator, to be used as a context manager.

    Args:
        name: Name of the server in messages.
        peer: The server to run.
    """

    def __init__(self, name: str, peer: Peer) -> None:
        self.name = name
        self.peer = peer
        self.size = 0
        self._folder = tempfile.TemporaryDirectory(prefix="rtmon-bench-")
        self._port = _free_port()
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        self._log = (folder / "output").open("w+")
        self._server = subprocess.Popen(
            peer.command(self._port, folder),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only the parent process, which ends the server
            preexec_fn=_in_child,  # noqa: PLW1509 - this process has one thread and holds no lock
        )
        self._crowds: list[BaseProcess] = []
        self._pipes: list[Connection] = []  # a load generator ends when its pipe closes
        self._pipe = self._add_crowd(peer.dialect, self._port)

    def _add_crowd(self, dialect: str, port: int) -> Connection:
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        crowd = context.Process(target=crowd_process, args=(dialect, port, theirs), daemon=True)
        crowd.start()
        theirs.close()
        self._crowds.append(crowd)
        self._pipes.append(pipe)
        return pipe

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for crowd in self._crowds:
            crowd.kill()
            crowd.join()
        self._server.terminate()
        try:
            self._server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._log.close()
        self._folder.cleanup()

    def ready(self) -> None:
        """Wait until the server listens, and open the publisher's connection."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.connect(("127.0.0.1", self._port))
                break
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(f"did not start: {self._said()}")
            time.sleep(0.02)

    def ask(self, method: str, **arguments: Any) -> Any:
        """Send a command to the load generator, and return its answer."""
        self.begin(method, **arguments)
        return self.answer()

    def begin(self, method: str, **arguments: Any) -> None:
        """Send a command to the load generator; :meth:`answer` must follow."""
        self._pipe.send((method, arguments))

    def answer(self) -> Any:
        """Return the load generator's answer to the last command.

        Raises:
            ServerFailed: The command failed, or the load generator has ended.
        """
        try:
            result, error = self._pipe.recv()
        except EOFError:
            raise ServerFailed("its load generator ended") from None
        if error is not None:
            raise ServerFailed(f"{error} {self._said()}")
        return result

    def interrupt(self) -> Any:
        """End the load generator's current command; return its answer."""
        self.begin("nothing")
        result = self.answer()
        self.answer()
        return result

    def grow(self, size: int) -> dict[str, float]:
        """Connect subscribers up to this number; return seconds and failed attempts."""
        opened = self.ask("open", to=size)
        self.size = size
        return opened

    def grow_beside(self, size: int) -> None:
        """Connect this many idle connections in each dialect of ``peer.beside``."""
        for dialect in self.peer.beside:
            port = int(Path(self._folder.name, "beside").read_text())
            pipe = self._add_crowd(dialect, port)
            pipe.send(("open", {"to": size}))
            _, error = pipe.recv()
            if error is not None:
                raise ServerFailed(f"{dialect}: {error} {self._said()}")

    def measured(self, method: str, **arguments: Any) -> dict[str, float]:
        """Run a command; return the load generator's counts with the server's CPU.

        ``cpu`` is in seconds, ``us`` in microseconds per delivery.
        """
        before = self.cpu()
        result = self.ask(method, **arguments)
        result["cpu"] = self.cpu() - before
        if "deliveries" in result:
            result["us"] = result["cpu"] / result["deliveries"] * 1e6
            result["rate"] = result["deliveries"] / result["seconds"]
        return result

    def settle(self) -> None:
        """Wait until the server is idle."""
        before, deadline = self.cpu(), time.monotonic() + SETTLE_SECONDS
        while True:
            time.sleep(0.2)
            now = self.cpu()
            if now - before < 0.01:
                return
            if time.monotonic() > deadline:
                raise ServerFailed(f"it was still busy after {SETTLE_SECONDS:g} s")
            before = now

    def cpu(self) -> float:
        """Return the CPU seconds of all processes of the server, user and system."""
        # Linux computes the id of a process's CPU clock from the process id (MAKE_PROCESS_CPUCLOCK,
        # CPUCLOCK_SCHED).
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self._pids())

    def memory(self) -> int:
        """Return the resident memory of all processes of the server, in bytes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._pids())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _pids(self) -> list[int]:
        if self._server.poll() is not None:
            raise ServerFailed(f"it ended with {self._server.returncode}. {self._said()}")
        pid = self._server.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read()[-2000:].strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
