"""The programs and commands of the tutorials work as the pages say."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import rtmon
from rtmon.cli import app
from rtmon.testing import until

PAGES = {
    page.stem: page.read_text(encoding="utf-8")
    for page in (Path(__file__).parents[2] / "docs" / "tutorials").glob("*.md")
}
COMMANDS = sorted(
    {
        command
        for text in PAGES.values()
        for command in re.findall(r"^    rtmon (.*)$", text, re.MULTILINE)
    }
)

NAMES = ("before", "after")
"""Names of the recordings that a tutorial compares."""


def programs(page: str) -> list[str]:
    """Return the Python examples of a tutorial in their order."""
    return re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)


class Program:
    """A running program; ``lines`` contains its output so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._reading = asyncio.create_task(self._read())
        self.lines: list[str] = []

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().strip())

    async def ended(self) -> None:
        """Wait until the program has ended."""
        await self._reading
        await self._process.wait()

    async def stop(self) -> None:
        """End the program if it still runs."""
        if self._process.returncode is None:
            self._process.terminate()
        await self.ended()


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Program]:
    """Run Python with these arguments in its own process; end the process afterwards."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    program = Program(process)
    try:
        yield program
    finally:
        await program.stop()


def changed(text: str, changes: dict[str, object]) -> str:
    """Replace ports or file names in an example."""
    for written, other in changes.items():
        text = text.replace(written, str(other))
    return text


async def listens(port: int) -> None:
    """Wait until a program listens on a port."""
    async with asyncio.timeout(60):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_rtmon_command_of_the_tutorials_exists_with_its_options(command: str) -> None:
    """Every rtmon command in the tutorials exists and accepts the options shown."""
    done = CliRunner().invoke(app, [*command.split(), "--help"])
    assert done.exit_code == 0, done.output


async def test_tutorial_server_fails_on_an_unknown_command_and_rtmon_shows_the_error(
    reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """Server of the tutorial "I have a server" answers messages, fails on the command /dance, and
    rtmon exports the exception.
    """
    port, admin = reserve_port(), reserve_port()
    code = changed(programs("my-server")[0], {"8765": port, "8766": admin})
    async with running("-c", code):
        await listens(port)
        async with connect(f"ws://127.0.0.1:{port}", proxy=None) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            await client.send("/time")
            assert "T" in await client.recv()
            await client.send("/dance")
            with pytest.raises(ConnectionClosed) as caught:
                await client.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1011
        feed = rtmon.open_feed(f"ws://127.0.0.1:{admin}")
        await feed.start()
        await until(lambda: (now := feed.snapshot()) is not None and now.errors == 1)
        await feed.aclose()
        await rtmon.export(f"ws://127.0.0.1:{admin}", tmp_path)
    assert "the handler raised KeyError: '/dance'" in (tmp_path / "events.csv").read_text()


async def test_tutorial_client_receives_each_price_once_when_its_connection_is_cut(
    reserve_port: Callable[[], int],
) -> None:
    """Client of the tutorial "I build an app" receives each price once and in order through a proxy
    that cuts the connection.
    """
    server_port, proxy_port = reserve_port(), reserve_port()
    ports: dict[str, object] = {"8765": server_port, "8766": reserve_port(), "8760": proxy_port}
    server, client, proxy = programs("building")
    server = server.replace("await asyncio.sleep(0.5)", "await asyncio.sleep(0.05)")
    server = server.replace("price += random.uniform(-1, 1)", "price += 1")
    proxy = proxy.replace("await asyncio.sleep(5)", "await asyncio.sleep(1)")
    async with (
        running("-c", changed(server, ports)),
        running("-c", changed(proxy, ports)) as cutting,
    ):
        await listens(server_port)
        await listens(proxy_port)
        async with running("-c", client.replace("8765", str(proxy_port))) as listening:
            await until(lambda: "the server says 42" in listening.lines)
            before = len(cutting.lines)
            await until(lambda: len(cutting.lines) >= before + 2)
            seen = len(listening.lines)
            await until(lambda: len(listening.lines) > seen + 20)
    prices = [float(line) for line in listening.lines[1:]]
    assert prices == [prices[0] + step for step in range(len(prices))]


@pytest.mark.matrix
async def test_tutorial_commands_record_and_compare_two_loads(
    reserve_port: Callable[[], int], tmp_path: Path
) -> None:
    """Commands of the tutorial "I run a server" record 50 and 150 users, and `rtmon diff` shows
    different message rates.
    """
    port, admin = reserve_port(), reserve_port()
    changes = {"8765": port, "8766": admin, **{f"{name}.rtmon": tmp_path / name for name in NAMES}}

    def command(start: str) -> list[str]:
        """Return the arguments of the tutorial's command that begins with this text."""
        found = next(each for each in COMMANDS if each.startswith(start))
        return ["-m", "rtmon", *changed(found, changes).split()]

    ports = (f"--port={port}", f"--admin-port={admin}")
    async with running(*command("serve"), *ports):
        await listens(port)
        for users, name in zip(("50", "150"), NAMES, strict=True):
            load = command(f"load ws://127.0.0.1:8765 --users {users}")
            recording = running(*command(f"record ws://127.0.0.1:8766 {name}"))
            async with recording, running(*load, "--duration=12") as loading:
                await loading.ended()
    async with running(*command("diff")) as found:
        await found.ended()
    assert any("Messages out" in line for line in found.lines), found.lines
    async with running("-c", changed(programs("operating")[0], changes)) as shown:
        await shown.ended()
    assert any("opened" in line for line in shown.lines), shown.lines


async def test_tutorial_notebook_cell_connects_to_the_class_server(
    reserve_port: Callable[[], int],
) -> None:
    """Notebook cell of the tutorial "I teach" connects to the class server and sends "hello" to the
    teacher.
    """
    port = reserve_port()
    hub = rtmon.Hub()
    cell = nbformat.v4.new_code_cell(programs("classroom")[0].replace("8765", str(port)))
    async with (
        rtmon.serve(hub, "127.0.0.1", port),
        rtmon.connect(f"ws://127.0.0.1:{port}", name="teacher", proxy=None) as teacher,
    ):
        heard: list[str] = []
        teacher.on("chat_message")(lambda message: heard.append(message.payload["text"]))
        client = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), timeout=60)
        async with client.async_setup_kernel():
            await client.async_execute_cell(cell, 0)
            await until(lambda: heard == ["hello"])
    await hub.aclose()
