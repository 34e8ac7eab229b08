"""Agreement of docs/client.md with the Python client."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

from rtmon.client import Change, Client, ClientOptions, ClientStats

Place = Any

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")


def test_client_docs_list_every_option_with_its_default() -> None:
    """Page docs/client.md lists every client option with its default."""
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", PAGE, re.MULTILINE)
    options = ClientOptions()
    fields = [(f.name, getattr(options, f.name)) for f in dataclasses.fields(options)]
    assert [name for name, _ in rows] == [name for name, _ in fields]
    namespace = {"Backoff": type(options.backoff)}
    assert [eval(text, namespace) for _, text in rows] == [value for _, value in fields]  # noqa: S307


def test_names_in_the_client_docs_exist() -> None:
    """Methods and fields that docs/client.md names exist in the Python client."""
    for name in re.findall(r"`@?(?:client\.)?(\w+)\(", PAGE):
        if name not in {"Backoff", "Batch", "connect"}:
            assert hasattr(Client, name), name
    for name in ("on_open", "on_close", "on_error", "on_reconnect", "on_gave_up", "state"):
        assert f"`{name}`" in PAGE or f"`client.{name}`" in PAGE
        assert hasattr(Client, name)
    for record in (ClientStats, Change):
        missing = [f.name for f in dataclasses.fields(record) if f"`{f.name}`" not in PAGE]
        assert missing == []


async def test_first_example_of_the_client_docs_runs(place: Place, tmp_path: Path) -> None:
    """First example in docs/client.md runs and receives its own messages."""
    example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    program = tmp_path / "example.py"
    program.write_text(example.replace("8765", str(place.server.port)))
    running = await asyncio.create_subprocess_exec(
        sys.executable, str(program), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, _ = await running.communicate()
    assert running.returncode == 0
    assert b"ada says hello" in out
    assert b"{'text': 'hi'} Position(" in out
