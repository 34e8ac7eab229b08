"""Commands in environments whose output encoding is not UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import PATIENCE, Command

Start = Callable[..., Command]

ENCODINGS = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
COMMANDS: dict[str, list[str]] = {
    "top": ["top", "{admin}", "--once"],
    "export": ["export", "{admin}", "--to={folder}/out"],
    "load": ["load", "{url}", "--users=2", "--duration=0.5", "--admin={admin}"],
    "protocol": ["protocol"],
    "help": ["load", "--help"],
    "usage error": ["top", "--sort=größe"],
}


@pytest.mark.parametrize("encoding", ["cp1252", pytest.param("C locale", marks=pytest.mark.matrix)])
def test_command_replaces_characters_when_its_output_is_not_utf8(
    command: Start, tmp_path: Path, encoding: str
) -> None:
    """`rtmon` commands replace characters that the output encoding lacks, and never print a
    traceback.
    """
    environment = ENCODINGS[encoding]
    server = command("serve", "--port=0", "--admin-port=0", environment=environment)
    server.read_until("Ctrl-C")
    url, admin = (line.split()[-1] for line in server.output.splitlines()[:2])
    for name, words in COMMANDS.items():
        arguments = [word.format(url=url, admin=admin, folder=tmp_path) for word in words]
        ran = subprocess.run(
            [sys.executable, "-m", "rtmon", *arguments],
            capture_output=True,
            env={**os.environ, **environment},
            timeout=PATIENCE,
            check=False,
        )
        assert b"Traceback" not in ran.stderr, (name, ran.stderr)
        assert ran.returncode == (2 if name == "usage error" else 0), (name, ran.stderr)
