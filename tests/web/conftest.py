"""Node's packages, for tests that run Node."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest

PEERS = Path(__file__).parents[1] / "peers"


@pytest.fixture(scope="session")
def node_packages() -> Path:
    """What tests/peers/package-lock.json names, installed; its folder."""
    installed = PEERS / "node_modules" / ".package-lock.json"
    wanted = PEERS / "package-lock.json"
    with (PEERS / ".npmrc").open() as lock:
        # One of the processes that test at the same time installs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
            subprocess.run(["npm", "ci", "--silent"], cwd=PEERS, check=True, timeout=100)
    return PEERS / "node_modules"
