"""Commands that read an admin listener with a token."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from rtmon import Monitor
from rtmon.servers.admin_listener import serve_admin

TOKEN = "s3cret-s3cret"  # noqa: S105 - token of this test


async def _run(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rtmon", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.parametrize("given", ["--token-file", "address"])
async def test_export_reads_an_admin_listener_with_a_token_and_does_not_print_it(
    tmp_path: Path, given: str
) -> None:
    """`rtmon export` reads an admin listener when the token is in a file or in the URL, and does
    not print the token.
    """
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n", "utf-8")
    async with serve_admin(Monitor(interval=0.05), port=0, token=TOKEN) as admin:
        url, options = admin.url, [f"--token-file={file}"]
        if given == "address":
            url, options = f"{admin.url}/?token={TOKEN}", []
        code, output = await _run("export", url, f"--to={tmp_path / 'out'}", *options)
        assert (code, (tmp_path / "out" / "samples.csv").exists()) == (0, True), output
        assert TOKEN not in output


async def test_top_says_why_its_token_file_cannot_be_used(tmp_path: Path) -> None:
    """`rtmon top` exits with code 2 and says why when its token file is missing or empty."""
    (tmp_path / "empty").touch()
    for name, why in (("none", "No such file"), ("empty", "is empty or has other characters")):
        code, output = await _run("top", "--once", f"--token-file={tmp_path / name}")
        assert (code, why in " ".join(output.split())) == (2, True), output
