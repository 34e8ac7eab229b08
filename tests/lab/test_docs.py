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


def test_lab_page_has_examples() -> None:
    """The page has examples, and each of its pytest blocks is Python."""
    assert len(EXAMPLES) >= 4
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        compile(block, "docs/lab.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def test_lab_page_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of docs/lab.md run as they stand, one after the other, against a hub."""
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
            running = eval(code, names)  # noqa: S307 - our own documentation
            if running is not None:
                await running
    assert "run.html" in {path.name for path in tmp_path.glob("*")}  # noqa: ASYNC240 - a look
