"""Run a program in its own mount namespace, for tests that need a small disk."""

from __future__ import annotations

import shutil
import subprocess

import pytest

__all__ = ["isolated"]


def isolated() -> list[str]:
    """Return the command that runs another command in its own mount namespace. Skip the test if the
    system cannot do so.
    """
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare on the PATH")
    probe = "mount -t tmpfs -o size=64k tmpfs /mnt"
    if subprocess.run([*command, "sh", "-c", probe], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    return command
