"""A dashboard page as the output of a notebook cell, with its page updater."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import rtmon
from rtmon.dashboard.notebook_page import NotebookPage
from rtmon.dashboard.view_parameters import address
from rtmon.display.notebook_output_content import SILENCE, Content, Page
from rtmon.testing import FakeClock, until
from tests.synthetic import SyntheticFeed

from .viewer import record

LARGEST = 300_000
"""Largest size of a saved view in bytes."""


class KeptComm:
    """A fake Jupyter comm that stores the messages sent to it."""

    def __init__(self) -> None:
        self.comm_id = uuid.uuid4().hex
        self.messages: list[Any] = []

    def send(self, data: dict[str, Any]) -> None:
        self.messages.append(json.loads(data["text"]))

    def close(self, data: dict[str, Any]) -> None:
        """Do nothing when the kernel closes this comm."""

    def on_msg(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Ignore the callback: the tests pass a page's messages to ``hear`` directly."""

    def on_close(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Ignore the callback: the tests close no comm."""

    def all_of(self, part: str) -> list[Any]:
        """Return this part of each message that has it."""
        return [message[part] for message in self.messages if part in message]


@asynccontextmanager
async def shown(
    source: Any, page: str | None = None, *, beside: list[Content] | None = None, **given: Any
) -> AsyncIterator[NotebookPage]:
    """Show a dashboard page as a cell's output, and close it afterwards.

    ``beside`` lists the views that the notebook shows already.
    """
    cell = NotebookPage(source, parameters=address(page, given), height=400)
    cell.meet(beside or [])
    cell.begin()
    await cell.start()
    try:
        yield cell
    finally:
        await cell.aclose()


def attributes(html: str) -> dict[str, str]:
    """Return the attributes of the view's HTML element."""
    found: list[dict[str, str]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag.startswith("rtmon-page-"):
                found.append(dict(attrs))

    Parser().feed(html)
    return found[0]


async def test_views_of_one_monitor_share_an_updater_until_the_last_is_closed() -> None:
    """Two views of one Monitor share an updater, which keeps running for the remaining view when
    one is closed.
    """
    with rtmon.Monitor() as monitor:
        async with shown(monitor, "latency") as first:
            async with shown(monitor, "events", beside=[first]) as second:
                assert second._updater is first._updater
                async with shown(rtmon.open_feed(monitor), beside=[first, second]) as other:
                    assert other._updater is not first._updater
            comm = KeptComm()
            first.welcome(Page(comm, lambda: 0.0, 0.0))
            frames = len(comm.all_of("frame"))
            await until(lambda: len(comm.all_of("frame")) > frames)


async def test_notebook_view_sends_state_rows_and_files_to_its_page() -> None:
    """Notebook view sends its page the full state when the page connects, and rows and CSV files on
    request.
    """
    clock = FakeClock()
    with rtmon.Monitor(interval=3600, clock=clock) as monitor:
        meter = monitor.collector.meter()
        meter.name = "ada"
        monitor.connection_opened(meter)
        monitor.tick()
        async with shown(monitor, "connections") as cell:
            comm = KeptComm()
            page = Page(comm, lambda: 0.0, 0.0)
            cell.welcome(page)
            assert comm.all_of("frame")[0]["anew"]
            show = {"do": "show", "page": "connections", "asked": {}}
            assert not cell.hear(page, show)
            assert cell.hear(page, show), "the user has changed what it shows"
            await until(lambda: comm.all_of("pane"))
            assert comm.all_of("pane")[0]["rows"][0]["cells"][0] == "ada"
            asked = {"format": "csv", "table": "connections", "columns": ["name"]}
            assert not cell.hear(page, {"do": "file", "id": 7, "asked": asked})
            await until(lambda: comm.all_of("value"))
            assert comm.all_of("answer") == [7]
            file = comm.all_of("value")[0]
            assert (file["name"][-4:], file["text"]) == (".csv", "name\r\nada\r\n")


async def test_notebook_view_sends_no_frames_to_a_silent_page() -> None:
    """Notebook view sends no frames to a page that has stopped answering, and the full state when
    the page answers again.
    """
    now = 0.0
    with rtmon.Monitor() as monitor:
        async with shown(monitor) as cell, shown(monitor, beside=[cell]) as other:
            silent, awake = KeptComm(), KeptComm()
            page = Page(silent, lambda: now, 0.0)
            cell.welcome(page)
            now = SILENCE + 1
            other.welcome(Page(awake, lambda: 0.0, 0.0))
            await until(lambda: len(awake.all_of("frame")) > 2)
            assert len(silent.all_of("frame")) == 1
            page.heard = now
            cell.welcome(page)
            assert len(silent.all_of("frame")) == 2
            assert silent.all_of("frame")[1]["anew"]


async def test_notebook_view_closes_only_the_feed_that_it_opened() -> None:
    """Notebook view that is closed leaves a feed open that the caller passed in, and closes a feed
    that the view opened itself.
    """
    feed = SyntheticFeed(ago=1)
    async with shown(feed):
        pass
    assert feed.status.state == "live"
    with rtmon.Monitor() as monitor:
        async with shown(monitor) as cell:
            opened = cell._feed
        assert opened.status.state == "closed"


async def test_views_of_one_recording_have_separate_updaters(tmp_path: Path) -> None:
    """Two notebook views of one recording have separate updaters, and the saved output of a view
    has rows of the recording.
    """
    await record(tmp_path / "run.rtmon", ticks=30)
    run = tmp_path / "run.rtmon"
    async with (
        shown(run, "connections", state="all") as one,
        shown(run, "events", beside=[one]) as other,
    ):
        assert one._updater is not other._updater
        await one.prepare()
        saved = json.loads(
            attributes(one.output(view="v", kernel="k")["text/html"])["data-message"]
        )
        assert "ada" in str(saved["pane"]["rows"])


async def test_saved_view_has_its_last_rows_in_less_than_300_kb() -> None:
    """Saved notebook view holds its last frame and rows in less than 300 kB and names no other
    host.
    """
    async with shown(SyntheticFeed(ago=310), "connections", query="rtt>1ms") as cell:
        await cell.prepare()
        html = cell.output(view="v1", kernel="k1")["text/html"]
    assert len(html.encode()) < LARGEST
    outside = set(re.findall(r"(?:https?|wss?)://[^\s\"'&<]+", html))
    assert outside <= {"ws://127.0.0.1:8766"}, "the source's own name"
    given = attributes(html)
    assert given["data-address"] == "?page=connections&where=rtt%3E1ms"
    saved = json.loads(given["data-message"])
    assert saved["frame"]["anew"]
    assert saved["pane"]["rows"]


async def test_saved_view_shows_its_time_and_a_chart_without_scripts() -> None:
    """Saved notebook view that is displayed without scripts shows since when it is not live, and
    shows its chart as an image.
    """
    async with shown(SyntheticFeed(ago=30), chart="rtt") as cell:
        html = cell.output(view="v1", kernel="k1")["text/html"]
    assert re.search(r"Not live since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", html)
    assert html.count("<img ") == 1


async def test_saved_view_escapes_a_hostile_server_name() -> None:
    """Saved notebook view escapes markup in a server's name and in the query."""
    evil = "</script><img src=x onerror=alert(1)>"
    feed = SyntheticFeed(ago=5)
    feed.state = type(feed.state)(state="live", source=evil, node=f'"{evil}')
    async with shown(feed, "connections", query='name:"<b>"') as cell:
        html = cell.output(view="v1", kernel="k1")["text/html"]
    assert "<img src=x" not in html
    assert html.count("</script>") == 1
