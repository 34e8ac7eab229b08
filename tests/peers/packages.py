"""Installs the Node packages that tests use, in the versions of package-lock.json in this
folder.
"""

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
"""npm options that override the user's npm configuration."""

QUIETLY = ("--loglevel=error", "--no-audit", "--no-fund", "--no-update-notifier")


def install() -> Path:
    """Install the packages, and return their folder; skip the test when npm is missing or fails."""
    if problem := _problem():
        pytest.skip(problem)
    return HERE / "node_modules"


@functools.cache
def _problem() -> str | None:
    if not (shutil.which("node") and shutil.which("npm")):
        return "no node and npm on the PATH"
    installed, wanted = HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"
    with (HERE / "package.json").open() as lock, tempfile.TemporaryDirectory() as folder:
        # Only one of several parallel test processes installs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
            return None
        cache = () if os.access(Path.home(), os.W_OK) else (f"--cache={folder}",)
        command = ["npm", "ci", "--prefer-offline", *OPTIONS, *QUIETLY, *cache]
        failed = subprocess.run(command, cwd=HERE, check=False, timeout=280).returncode
    return f"npm could not install Node's packages into {HERE}" if failed else None


if __name__ == "__main__":
    sys.exit(_problem())
