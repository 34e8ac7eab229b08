"""Node packages for tests, in the versions of package-lock.json beside this file."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent

OPTIONS = ("--ignore-scripts", "--include=optional", "--install-strategy=hoisted", "--no-global")
"""Settings that override the user's configuration of npm."""

QUIETLY = ("--loglevel=error", "--no-audit", "--no-fund", "--no-update-notifier")


def install() -> Path:
    """Install the packages; returns their folder. Without npm, or if it fails, the test is
    skipped.
    """
    if problem := _problem():
        pytest.skip(problem)
    return HERE / "node_modules"


@functools.cache
def _problem() -> str | None:
    if not (shutil.which("node") and shutil.which("npm")):
        return "no node and npm on the PATH"
    installed, wanted = HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"
    with (HERE / "package.json").open() as lock, tempfile.TemporaryDirectory() as folder:
        # Of the processes that test at the same time, one installs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
            return None
        cache = () if os.access(Path.home(), os.W_OK) else (f"--cache={folder}",)
        command = ["npm", "ci", "--prefer-offline", *OPTIONS, *QUIETLY, *cache]
        failed = subprocess.run(command, cwd=HERE, check=False, timeout=280).returncode
    return f"npm could not install Node's packages into {HERE}" if failed else None


if __name__ == "__main__":
    sys.exit(_problem())
