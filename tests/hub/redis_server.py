"""A real Redis that a test starts, stops and disturbs."""

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
    """``redis-server`` on a port of its own, with nothing in it.

    Attributes:
        port: the port it listens on, the same after a restart.
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
        """URL of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        """Start the server, empty."""
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
        """Kill the server; its data is lost."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def pause(self) -> None:
        """Stop the process: it answers nothing, and connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the paused process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop the server, and free its port."""
        self.resume()
        self.stop()
        self._held.close()

    def client(self) -> Any:
        """Return a client for commands of a test."""
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))

    def ask(self, *words: Any) -> Any:
        """Run a command, and return its answer."""
        with self.client() as client:
            return client.execute_command(*words)
