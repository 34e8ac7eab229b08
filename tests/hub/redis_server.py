"""A real Redis server that a test can start, stop and pause."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.ports import reserved_port

__all__ = ["RedisServer"]

PATIENCE = 60.0


class RedisServer:
    """An empty ``redis-server`` process on a free port.

    Attributes:
        port: the TCP port that the server listens on; a restart keeps it.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("no redis-server on the PATH")
        self._held = contextlib.ExitStack()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = self._held.enter_context(reserved_port())
        self.start()

    @property
    def url(self) -> str:
        """URL of database 0 of this server."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        """Start the server without any data."""
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            ["redis-server", *words, "--save", "", "--appendonly", "no", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with self.client() as client:
                    client.ping()
            except redis.AuthenticationError:
                return
            except redis.RedisError:
                assert time.monotonic() < until
                time.sleep(0.005)
            else:
                return

    def stop(self) -> None:
        """Kill the server, which loses its data."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def pause(self) -> None:
        """Suspend the process: connections stay open, but commands get no answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the paused process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop the server, and release its reserved port."""
        self.resume()
        self.stop()
        self._held.close()

    def client(self) -> Any:
        """Return a Redis client with which a test runs its own commands."""
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))

    def ask(self, *words: Any) -> Any:
        """Run a Redis command, and return its answer."""
        with self.client() as client:
            return client.execute_command(*words)
