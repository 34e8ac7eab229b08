"""Learners' reports to the class server, and the progress wall that reads them, over WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from nbclient import NotebookClient
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

import rtmon
from rtmon import Hub
from rtmon.course.class_server_reporter import Reporter
from rtmon.course.progress_files import CHANNEL, Result
from rtmon.course.progress_wall import ProgressBoard, WallServer, follow
from rtmon.hub import Credentials, User
from rtmon.testing import until

RIGHT = Result(right=True, tries=1)
WRONG = Result(right=False, tries=1, note="open is 8, this asks for at least 40")


@contextlib.contextmanager
def reporting(url: str, learner: str) -> Iterator[Reporter]:
    """Create a learner's reporter, and close it afterwards."""
    reporter = Reporter(url, learner)
    try:
        yield reporter
    finally:
        reporter.close()


class Heard:
    """A progress board that receives the reports from a class server."""

    def __init__(self) -> None:
        self.board = ProgressBoard([])

    def results(self) -> dict[str, dict[str, Any]]:
        """Return learner → exercise → (right, tries, note)."""
        return {row["name"]: row["results"] for row in self.board.state()["learners"]}

    @contextlib.asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[None]:
        """Connect the board to a class server."""
        async with rtmon.connect(url, name="wall") as client:
            task = asyncio.create_task(follow(client, self.board.report))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])


async def test_progress_wall_shows_reports_sent_before_and_after_it_connects() -> None:
    """Progress wall shows the newest report of each learner, whether sent before or after the wall
    connected.
    """
    heard = Heard()
    async with rtmon.serve(hub := Hub(), "127.0.0.1", 0) as server:
        with reporting(server.url, "ada") as ada, reporting(server.url, "ben") as ben:
            ada.send({"01-1": WRONG})
            await until(lambda: f"channel:{CHANNEL}" in hub.channel_stats())
            async with heard.at(server.url):
                await until(lambda: "ada" in heard.results())
                ben.send({"01-1": RIGHT})
                ada.send({"01-1": RIGHT, "01-2": WRONG})
                await until(lambda: len(heard.results().get("ada", ())) == 2)
                await until(lambda: "ben" in heard.results())
    assert heard.results() == {
        "ada": {"01-1": (True, 1, ""), "01-2": (False, 1, WRONG.note)},
        "ben": {"01-1": (True, 1, "")},
    }


async def test_learner_results_are_sent_in_one_report_when_the_class_server_starts(
    reserve_port: Callable[[], int],
) -> None:
    """Class server that starts after a learner has made several tries receives one report, which
    has the result of the learner's last try.
    """
    port = reserve_port()
    heard = Heard()
    with reporting(f"ws://127.0.0.1:{port}", "ada") as ada:
        for tries in range(1, 5):
            ada.send({"01-1": Result(right=False, tries=tries)})
        await until(lambda: ada.problem)
        hub = Hub()
        async with rtmon.serve(hub, "127.0.0.1", port) as server, heard.at(server.url):
            await until(lambda: heard.results() == {"ada": {"01-1": (False, 4, "")}})
            await until(lambda: not ada.problem)
            assert hub.channel_stats()[f"channel:{CHANNEL}"].published == 1


async def test_report_is_sent_again_when_the_class_server_restarts(
    reserve_port: Callable[[], int],
) -> None:
    """Learner's report is sent again when the class server has restarted, without the learner
    checking another exercise.
    """
    port = reserve_port()
    reporter = Reporter(f"ws://127.0.0.1:{port}", "ada", again=0.2)
    for _ in range(2):
        heard = Heard()
        async with rtmon.serve(Hub(), "127.0.0.1", port) as server, heard.at(server.url):
            reporter.send({"01-1": RIGHT})
            await until(lambda heard=heard: heard.results() == {"ada": {"01-1": (True, 1, "")}})
    heard = Heard()
    async with rtmon.serve(Hub(), "127.0.0.1", port) as server, heard.at(server.url):
        await until(lambda: heard.results() == {"ada": {"01-1": (True, 1, "")}})
    reporter.close()
    reporter.wait_closed()


async def test_reporter_names_the_problem_when_the_class_server_requires_a_token() -> None:
    """Object that reports a learner's results without a token stores the reason of the failure and
    raises no exception when the class server requires a token.
    """

    async def refuse(_: object) -> None:
        return None

    async with rtmon.serve(Hub(auth=refuse, auth_timeout=0.2), "127.0.0.1", 0) as server:
        with reporting(server.url, "ada") as ada:
            ada.send({"01-1": RIGHT})
            await until(lambda: ada.problem)
            ada.wait_closed()
            ada.send({"01-1": RIGHT})  # the reporter has stopped trying, and must not raise
    assert "showed no token" in ada.problem


async def test_progress_wall_shows_the_authenticated_name_instead_of_the_claimed_one() -> None:
    """Progress wall shows the name of the authenticated user when a learner reports under another
    name.
    """

    async def known(shown: Credentials) -> User | None:
        return User(id="7", name="ben") if shown.token == "of-ben" else None  # noqa: S105

    heard = Heard()
    async with rtmon.serve(Hub(auth=known), "127.0.0.1", 0) as server:
        reporter = Reporter(server.url, "ada", "of-ben")
        reporter.send({"01-1": RIGHT})
        async with rtmon.connect(server.url, token="of-ben") as client:  # noqa: S106
            task = asyncio.create_task(follow(client, heard.board.report))
            await until(lambda: heard.results().keys() == {"ben"})
            task.cancel()
            await asyncio.wait([task])
        reporter.close()


async def test_check_works_without_the_class_server_and_reports_once_it_runs(
    tmp_path: Path, reserve_port: Callable[[], int]
) -> None:
    """Exercise check in a notebook gives its result while the class server does not run, prints why
    the result was not sent, and sends all results once the class server runs.
    """
    port = reserve_port()
    heard = Heard()
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=120, kernel_name="python3")

    async def run(source: str) -> str:
        cell = nbformat.v4.new_code_cell(source)
        client.nb.cells.append(cell)
        await client.async_execute_cell(cell, len(client.nb.cells) - 1)
        return "".join(output.get("text") or output.data["text/plain"] for output in cell.outputs)

    async with client.async_setup_kernel(cwd=str(tmp_path)):
        await run(
            "import asyncio\nfrom rtmon.course import check\n"
            f"%env RTMON_CLASS=ws://127.0.0.1:{port}\n%env RTMON_LEARNER=ada\n"
            "%env RTMON_PROGRESS=progress.jsonl"
        )
        one = 'await check("one", lambda: True, exercise="01-1")'
        assert (await run(one)).startswith("✓ Right: one")
        assert await run("[t for t in asyncio.all_tasks() if t.get_name()[:5] == 'rtmon']") == "[]"
        two = 'await check("two", lambda: False, within=0.5, exercise="01-2")'
        said = await run(two)
        assert "○ Not yet: two" in said
        assert f"RTMON_CLASS=ws://127.0.0.1:{port}: " in said
        async with rtmon.serve(Hub(), "127.0.0.1", port) as server, heard.at(server.url):
            await until(lambda: heard.results().get("ada", {}).keys() == {"01-1", "01-2"})
        said = await run("%env RTMON_CLASS=nonsense\n" + one)
        assert "✓ Right: one\n  (The class server does not know of this yet: " in said


async def test_progress_wall_page_receives_the_whole_state_at_each_change() -> None:
    """Page of the progress wall receives the wall's whole state when the page connects, and the
    whole new state after a change.
    """
    state = {"learners": 1}
    async with (
        WallServer(lambda: state) as server,
        websocket(server.url.replace("http", "ws") + "feed") as page,
    ):
        assert json.loads(await page.recv()) == {"learners": 1}
        state["learners"] = 2
        server.changed()
        server.changed()
        assert json.loads(await page.recv()) == {"learners": 2}


async def test_progress_wall_answers_403_to_other_origins_and_hosts() -> None:
    """Progress wall answers 403 to a WebSocket from another origin and to a request for another
    host name.
    """
    async with WallServer(dict) as server:
        feed = server.url.replace("http", "ws") + "feed"
        with pytest.raises(InvalidStatus) as caught:
            async with websocket(feed, origin=Origin("https://evil.example")):
                pass
        assert caught.value.response.status_code == 403
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
        writer.write(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert b" 403 " in await reader.readline()
        writer.close()
        async with websocket(feed, origin=Origin(server.url.rstrip("/"))) as page:
            assert await page.recv() == "{}"
