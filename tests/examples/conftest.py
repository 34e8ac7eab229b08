"""Run the examples as a reader does: one command, in its own process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peers.packages import install
from tests.ports import reserved_port

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE = 120.0
"""Seconds to wait for an example before a test fails."""


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the examples that has Node's packages installed beside them."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(EXAMPLES, folder / "examples")
    shutil.copytree(EXAMPLES.parent / "rtmon" / "web", folder / "rtmon" / "web")
    packages = install()
    for place in (folder / "examples", folder):
        (place / "node_modules").symlink_to(packages)
    return folder / "examples"


def command(path: Path) -> list[str]:
    """Return the command that runs an example."""
    node = shutil.which("node")
    assert node is not None
    return [node if path.suffix == ".mjs" else sys.executable, str(path)]


@contextlib.asynccontextmanager
async def serving(path: Path) -> AsyncIterator[tuple[int, int]]:
    """Run a server of the examples; yield its port and its admin port."""
    with reserved_port() as port, reserved_port() as admin:
        async with _running(path, port, admin):
            yield port, admin


@contextlib.asynccontextmanager
async def _running(path: Path, port: int, admin: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command(path),
        env={**os.environ, "PORT": str(port), "ADMIN_PORT": str(admin), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            line = (await process.stdout.readline()).decode()
            assert str(port) in line, line
            # Some servers print their port just before they listen.
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        yield
        assert process.returncode is None
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()


async def run(path: Path, *arguments: str) -> str:
    """Run a client of the examples, and return its output."""
    process = await asyncio.create_subprocess_exec(
        *command(path), *arguments, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()
