"""docs/cheat-sheet.md has a row for each name of common cheat sheets, and its examples run."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import rtmon
from rtmon.asgi import serve
from tests.peers.packages import install

CLONE = Path(__file__).parents[2]
PAGE = (CLONE / "docs" / "cheat-sheet.md").read_text(encoding="utf-8")
NAMES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "cheat_sheet_names.json").read_text(encoding="utf-8")
)
PRELUDE = """\
import {{ EventSource }} from "{peers}/eventsource/dist/index.js";
import {{ io }} from "{peers}/socket.io-client/build/esm-debug/index.js";
import {{ WebSocket }} from "{peers}/ws/wrapper.mjs";
import * as rtmon from "{web}/rtmon.js";

globalThis.WebSocket = WebSocket;
const {{ MESSAGE_TYPES }} = rtmon;
const [url, site] = process.argv.slice(2);
const clients = [];
const connect = (...given) => {{
  clients.push(rtmon.connect(...given));
  return clients.at(-1);
}};
"""


def blocks(language: str) -> list[Any]:
    """Return the page's examples in a language, each named by its section and number."""
    examples = []
    for section in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        found = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        for number, code in enumerate(found, 1):
            examples.append(pytest.param(code, id=f"{title} {number}"))
    return examples


def rows(section: str) -> set[str]:
    """Return the texts in backticks, and plain numbers, in the first column of a section's tables.

    An empty section name means all tables of the page.
    """
    text = PAGE.partition(f"\n{section}\n")[2] if section else PAGE
    text = re.split(r"^## ", text, flags=re.MULTILINE)[0] if section else text
    cells = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return {
        name for cell in cells for name in re.findall(r"`([^`]+)`|^(\d+)$", cell) for name in name
    }


def test_cheat_sheet_has_a_row_for_each_class_method_and_function() -> None:
    """Cheat sheet in the docs has a row for each class, method and function in the list of names
    that cheat sheets commonly explain.
    """
    wanted = {*NAMES["classes"], *NAMES["functions"]}
    for name, methods in NAMES["classes"].items():
        wanted |= {f"{name}.{method}" for method in methods}
    assert sorted(wanted - rows("")) == []


@pytest.mark.parametrize(
    ("kind", "section"),
    [("types", "## Message types and events"), ("options", "## Options"), ("tips", "## Tips")],
)
def test_cheat_sheet_has_a_row_for_each_message_type_option_and_tip(
    kind: str, section: str
) -> None:
    """Cheat sheet in the docs has a row for each message type, event, option and tip in the list of
    names that cheat sheets commonly explain.
    """
    assert sorted({str(name) for name in NAMES[kind]} - rows(section)) == []


def sections() -> list[Any]:
    """Return the sections of the page that have a table."""
    found = [part for part in re.split(r"^##+ ", PAGE, flags=re.MULTILINE) if "\n|---" in part]
    return [pytest.param(part, id=part.partition("\n")[0]) for part in found]


@pytest.mark.parametrize("section", sections())
def test_each_row_of_the_cheat_sheet_is_named_in_an_example(section: str) -> None:
    """Each row of the cheat sheet's tables is named by a comment in the examples of its section."""
    code = "\n".join(re.findall(r"^```\w+\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
    comments = re.findall(r"^ *(?://|#) (.*)$", code, re.MULTILINE)
    named = {name for comment in comments for name in re.split(r", |: ", comment)}
    first_cells = re.findall(r"^\| (.*?) \|", section.partition("\n|---")[2], re.MULTILINE)
    assert first_cells
    for cell in first_cells:
        names = re.findall(r"`([^`]+)`", cell) or [f"tip {cell}"]
        assert named & {*names, *(name.partition(".")[2] for name in names)}, cell


@contextlib.asynccontextmanager
async def served(files: Path) -> AsyncIterator[dict[str, Any]]:
    """Start a hub with two clients, and yield the names that the examples use."""
    hub = rtmon.Hub(files=files)
    async with (
        serve(hub, "127.0.0.1", 0) as server,
        rtmon.connect(server.url, name="ada", proxy=None) as client,
        rtmon.connect(server.url, name="bo", proxy=None) as friend,
    ):
        names = {"rtmon": rtmon, "asyncio": asyncio, "msgspec": msgspec, "hub": hub}
        yield {**names, "url": server.url, "client": client, "friend": friend}
    await hub.aclose()


@pytest.mark.parametrize("code", blocks("python"))
async def test_python_example_of_the_cheat_sheet_runs(code: str, tmp_path: Path) -> None:
    """Each Python example of the cheat sheet runs without an exception."""
    program = compile(code, "docs/cheat-sheet.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with served(tmp_path) as names, asyncio.timeout(30):
        awaited = eval(program, names)  # noqa: S307 - code from the project's docs
        if awaited is not None:
            await awaited


async def test_javascript_examples_of_the_cheat_sheet_run(tmp_path: Path) -> None:
    """All JavaScript examples of the cheat sheet run in Node without an error."""
    peers = install()
    parts = [PRELUDE.format(peers=peers, web=CLONE / "rtmon" / "web")]
    parts += [f"{{\n{param.values[0]}}}\n" for param in blocks("js")]
    parts.append("for (const client of clients) await client.close();\nprocess.exit(0);\n")
    script = tmp_path / "examples.mjs"
    script.write_text("".join(parts), encoding="utf-8")
    async with served(tmp_path) as names:
        site = names["url"].replace("ws:", "http:").removesuffix("/ws")
        running = await asyncio.create_subprocess_exec(
            *(shutil.which("node") or "node", str(script), names["url"], site),
            env={**os.environ, "NODE_NO_WARNINGS": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(60):
                output, _ = await running.communicate()
        finally:
            if running.returncode is None:
                running.kill()
    assert running.returncode == 0, output.decode()
