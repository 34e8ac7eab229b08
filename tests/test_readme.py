"""The examples of the README work as the README says."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from websockets.asyncio.client import connect

import rtmon
from rtmon import Feed, open_feed
from rtmon.testing import until

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PROBES = (Path(__file__).parents[1] / "docs" / "probes.md").read_text(encoding="utf-8")
(ASGI,) = re.findall(r"```python\n((?:(?!```).)*?FastAPI\(lifespan.*?)```", PROBES, re.DOTALL)


def test_every_python_example_of_the_readme_has_a_test() -> None:
    """README has exactly the four Python examples that the other tests of this module run."""
    words = ("create_connection=probe", "rtmon.Hub(history", "notebook", "read_csv")
    assert len(EXAMPLES) == len(words)
    assert all(word in text for word, text in zip(words, EXAMPLES, strict=True))


@asynccontextmanager
async def running(
    folder: Path, text: str, *command: str, port: int, admin: int
) -> AsyncIterator[Feed]:
    """Run an example on free ports, and yield a feed of it once the feed is live."""
    text = text.replace("8765", str(port)).replace("8766", str(admin))
    (folder / "example.py").write_text(text)
    program = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=folder)
    feed = open_feed(f"ws://127.0.0.1:{admin}")
    try:
        await feed.start()
        await until(lambda: feed.status.state == "live")
        yield feed
    finally:
        await feed.aclose()
        program.terminate()
        await program.wait()


def accepts(port: int) -> bool:
    """Return True if a server accepts connections on the port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.parametrize("asgi", [False, True], ids=["websockets", "asgi"])
async def test_readme_echo_servers_count_their_messages(
    tmp_path: Path, reserve_port: Callable[[], int], *, asgi: bool
) -> None:
    """Echo servers of the README and of docs/probes.md count a client's message, and `rtmon export`
    and `read_csv` return the count.
    """
    port, admin = reserve_port(), reserve_port()
    uvicorn = ("-m", "uvicorn", "example:app", f"--port={port}", "--log-level=error")
    command, text = (uvicorn, ASGI) if asgi else (("example.py",), EXAMPLES[0])
    async with running(tmp_path, text, *command, port=port, admin=admin) as feed:
        path = "/echo" if asgi else ""
        await until(lambda: accepts(port))
        async with connect(f"ws://127.0.0.1:{port}{path}", proxy=None) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
        await until(lambda: (now := feed.snapshot()) is not None and now.bytes_out == 5)
        await rtmon.export(f"ws://127.0.0.1:{admin}", tmp_path / "run")
    result: dict[str, Any] = {}
    code = EXAMPLES[3].replace("rtmon.read_csv", "frame = rtmon.read_csv")
    exec(code.replace("run/", f"{tmp_path}/run/"), result)  # noqa: S102 - code from the README
    assert result["frame"].bytes_out.sum() == 5


async def test_readme_hub_returns_its_history(
    tmp_path: Path, reserve_port: Callable[[], int]
) -> None:
    """Hub of the README returns its earlier publication when a client requests the history."""
    port, admin = reserve_port(), reserve_port()
    async with (
        running(tmp_path, EXAMPLES[1], "example.py", port=port, admin=admin),
        rtmon.connect(f"ws://127.0.0.1:{port}") as client,
    ):
        answer = await client.request("history", {"channel": "news"})
        found = [each["payload"]["data"] for each in answer.payload["messages"]]
        assert found == [{"text": "hello"}]


def test_readme_notebook_cell_shows_a_dashboard() -> None:
    """Notebook cell of the README shows an rtmon dashboard as its output."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(EXAMPLES[2])])
    NotebookClient(notebook, timeout=60).execute()
    shown = [output for output in notebook.cells[0].outputs if "data" in output]
    assert any("rtmon" in output["data"].get("text/html", "") for output in shown), shown
