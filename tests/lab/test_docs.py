"""Runs the examples of docs/lab.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

import rtmon
from rtmon.testing import until

PAGE = (Path(__file__).parents[2] / "docs" / "lab.md").read_text(encoding="utf-8")
EXAMPLES = [
    block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "pytest" not in block
]


def test_lab_docs_have_examples_that_are_valid_python() -> None:
    """Page docs/lab.md has at least four examples, and all its Python blocks compile."""
    assert len(EXAMPLES) >= 4
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        compile(block, "docs/lab.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def test_examples_of_the_lab_docs_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Examples of docs/lab.md run one after another with a hub."""
    monkeypatch.chdir(tmp_path)
    async with rtmon.serve(rtmon.Hub(), "127.0.0.1", 0) as server:
        names: dict[str, Any] = {
            "connect": lambda url: connect(url, proxy=None),
            "rtmon": rtmon,
            "server": server,
            "until": until,
        }
        for block in EXAMPLES:
            code = compile(block, "docs/lab.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            running = eval(code, names)  # noqa: S307 - an example of our own docs
            if running is not None:
                await running
    assert "run.html" in {path.name for path in tmp_path.glob("*")}  # noqa: ASYNC240 - blocks only briefly
