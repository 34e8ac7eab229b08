"""Messages between the kernel and the pages that show a notebook's output, over Jupyter comms."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest_asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from rtmon.display.live_notebook_outputs import PAGES, _Shown
from rtmon.display.notebook_dashboard import FeedPicture
from rtmon.display.notebook_output_content import SILENCE
from rtmon.display.picture_output_content import PictureContent
from rtmon.display.saved_notebook_output import MARK
from tests.synthetic import SyntheticFeed

PATIENCE = 60.0
"""Seconds to wait for a message before a test fails."""

START = """
import sys, time
import rtmon
from rtmon.notebook import start, stop
server = await start(rtmon.Hub(), ping_interval=0.5)
"""

SHOW = """
began = time.thread_time()
server.monitor._ipython_display_()
print(time.thread_time() - began, "panel" in sys.modules)
"""

CHEAP = 0.1
"""CPU seconds that showing the first view may take. With Panel it took two seconds."""


class Recorder:
    """A fake Jupyter comm that stores what the kernel sends."""

    def __init__(self) -> None:
        self.comm_id = uuid.uuid4().hex
        self.frames: list[dict[str, Any]] = []
        self.closed: list[dict[str, Any]] = []

    def send(self, data: dict[str, Any]) -> None:
        """Store the message if it is a frame."""
        if "frame" in data:
            self.frames.append(json.loads(data["frame"]))

    def close(self, data: dict[str, Any]) -> None:
        """Store the closing message."""
        self.closed.append(data)

    def on_msg(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Ignore the callback: the tests pass a page's messages to ``hear`` directly."""

    def on_close(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Ignore the callback: the tests close no comm."""


class Clock:
    """A clock that moves only when the test advances it."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def shown(feed: SyntheticFeed, now: Callable[[], float]) -> _Shown:
    """Return a shown view that has received all points of the feed."""
    content = PictureContent(FeedPicture(feed))
    content.begin()
    return _Shown(content, lambda: None, ("", ""), now)


def test_dashboard_view_sends_no_frames_to_a_silent_page() -> None:
    """Dashboard view in a notebook sends no frames to a page that has stopped answering, and the
    full state when the page answers again.
    """
    feed, clock, page = SyntheticFeed(ago=10), Clock(), Recorder()
    view = shown(feed, clock)
    view.join(page)
    assert [len(frame["columns"]["time"]) for frame in page.frames] == [10]
    clock.time = SILENCE + 1
    feed.step()
    view._update()
    assert len(page.frames) == 1
    view.hear(page.comm_id, {"do": "alive"})
    assert page.frames[-1]["anew"]
    assert len(page.frames[-1]["columns"]["time"]) == 11
    feed.step()
    view._update()
    assert len(page.frames[-1]["columns"]["time"]) == 1


def test_dashboard_view_closes_the_longest_silent_page_when_too_many_connect() -> None:
    """Dashboard view in a notebook closes the page that has been silent longest when one page more
    than the limit connects.
    """
    clock = Clock()
    view = shown(SyntheticFeed(ago=1), clock)
    pages = [Recorder() for _ in range(PAGES + 1)]
    for page in pages:
        clock.time += 1
        view.join(page)
    assert [page.closed for page in pages] == [[{"gone": True}], *[[]] * PAGES]


class Page:
    """A page of JupyterLab as the kernel sees it: it opens a comm and exchanges messages."""

    def __init__(self, client: AsyncKernelClient) -> None:
        self._client = client
        self.comm = uuid.uuid4().hex

    def say(self, kind: str, data: Mapping[str, Any]) -> None:
        """Send a comm message of this kind to the kernel."""
        content = {"comm_id": self.comm, "target_name": "rtmon", "data": data}
        self._client.shell_channel.send(self._client.session.msg(kind, content))

    async def next(self, fits: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """Return the kernel's next message that matches."""
        async with asyncio.timeout(PATIENCE):
            while True:
                message: dict[str, Any] = await self._client.get_iopub_msg()
                if fits(message):
                    return message

    async def frame(self) -> dict[str, Any]:
        """Return the next frame that the kernel sends to this page's comm."""
        message = await self.next(
            lambda each: (
                each["content"].get("comm_id") == self.comm and "frame" in each["content"]["data"]
            )
        )
        frame: dict[str, Any] = json.loads(message["content"]["data"]["frame"])
        return frame

    async def shows(self, code: str, cell: str) -> tuple[str, str]:
        """Run a cell that shows a view; return the view's id and the cell's printed output."""
        request = self._client.session.msg("execute_request", {"code": code, "silent": False})
        request["metadata"]["cellId"] = cell
        self._client.shell_channel.send(request)
        view, said = "", ""
        while True:
            message = await self.next(lambda each: True)
            content, parent = message["content"], message["parent_header"]["msg_id"]
            if message["msg_type"] == "display_data":
                view = content["data"][MARK]["view"]
            elif message["msg_type"] == "stream":
                said += content["text"]
            assert message["msg_type"] != "error", content
            if parent == request["msg_id"] and content.get("execution_state") == "idle":
                return view, said


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Page]:
    """Start a kernel with a running server, and yield a page connected to it."""
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    client: AsyncKernelClient = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=PATIENCE)
        page = Page(client)
        await page.shows(START, "start")
        yield page
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def test_page_receives_full_state_updates_and_tables_from_the_kernel(page: Page) -> None:
    """Page that opens a comm to the kernel receives the full state, then new points, and tables
    on request.
    """
    view, said = await page.shows(SHOW, "show")
    cost, panel = said.split()
    assert float(cost) < CHEAP
    assert panel == "False"
    page.say("comm_open", {"view": view})
    assert (await page.frame())["anew"]
    while not (fresh := await page.frame())["columns"]["time"]:
        pass
    assert len(fresh["columns"]["time"]) <= 2
    page.say("comm_msg", {"do": "table", "key": "connections", "query": {}})
    table = await page.next(lambda each: "table" in each["content"].get("data", {}))
    assert table["content"]["data"]["table"]["page"]["rows"] == []
    update = await page.next(lambda each: each["msg_type"] == "update_display_data")
    assert update["content"]["data"][MARK] == {"view": view}


async def test_comm_of_a_replaced_view_is_closed_and_that_of_the_new_view_is_served(
    page: Page,
) -> None:
    """Kernel closes the comm of a page whose view was replaced by running its cell again, and
    serves the new view.
    """
    first, _ = await page.shows("server.monitor", "show")
    page.say("comm_open", {"view": first})
    await page.frame()
    second, _ = await page.shows("server.monitor", "show")
    assert second != first
    late = Page(page._client)
    late.say("comm_open", {"view": first})
    farewell = await late.next(
        lambda each: each["msg_type"] == "comm_close" and each["content"]["comm_id"] == late.comm
    )
    assert farewell["content"]["data"] == {"gone": True}
    late = Page(page._client)
    late.say("comm_open", {"view": second})
    assert await late.frame()
