"""Node's packages that tests need, as package-lock.json beside this file names them."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def install() -> Path:
    """Have them installed; returns their folder."""
    installed, wanted = HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"
    with (HERE / "package.json").open() as lock:
        # Of the processes that test at the same time, one installs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
            subprocess.run(["npm", "ci", "--loglevel=error"], cwd=HERE, check=True, timeout=100)
    return HERE / "node_modules"
