"""The chat page in Chromium on a real server: several users, bad networks, hostile texts."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

import rtmon
from rtmon.client import Client
from rtmon.testing import FaultProxy

from .conftest import Open, serving
from .visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><b>&amp;"
"""Markup that the page must always show as plain text."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Start one chat server for all tests of this module; each test uses its own rooms."""
    folder = tmp_path_factory.mktemp("files")
    with serving("serve", "--port=0", "--admin-port=off", f"--files={folder}") as (_, facts):
        yield facts


@pytest_asyncio.fixture(loop_scope="module")
async def friend(served: dict[str, Any]) -> AsyncIterator[Client]:
    """Connect another user to the same server with the Python client."""
    async with rtmon.connect(served["url"], name="friend", user="friend", proxy=None) as client:
        yield client


async def test_chat_page_lets_two_users_chat_in_a_room_and_in_private(
    open_tab: Open, served: dict[str, Any]
) -> None:
    """Two users of the chat page exchange room and private messages, and see the room's history,
    typing notices, links and unread counts; one user works by keyboard alone.
    """
    ada = await Visitor(await open_tab(served["page"])).enters("ada", "tea")
    await ada.says("first things\nfirst")
    bo = await Visitor(await open_tab(f"{served['page']}?room=tea", width=390, height=844)).enters(
        "bo"
    )
    await expect(bo.page.locator("#talk-title")).to_have_text("tea")
    await bo.page.click("#show-places")
    await expect(bo.page.locator("#hide-places")).to_be_focused()
    await bo.page.keyboard.press("Escape")
    await expect(bo.page.locator("#show-places")).to_be_focused()
    assert "- button\n" not in await bo.page.locator("body").aria_snapshot(), "each says what it is"
    await expect(bo.rows).to_have_text(["first things\nfirst"], use_inner_text=True)
    await expect(bo.page.locator(".row.theirs .who")).to_have_text("ada")
    await expect(ada.page.locator(".row.mine.sent .words")).to_have_count(1)

    await bo.page.locator("#field").press_sequentially("hm")
    await expect(ada.page.locator("#typing")).to_have_text("bo is typing")
    await bo.says("see http://127.0.0.1/x). And javascript:alert(1)")
    await expect(ada.page.locator("#typing")).to_have_text("")
    links = ada.page.locator(".words a")
    await expect(links).to_have_count(1)
    assert await links.get_attribute("href") == "http://127.0.0.1/x"

    # By keyboard alone: move along the list of rooms, return to the message field, and open a
    # private conversation.
    await ada.page.focus("#everybody .place")
    await ada.page.keyboard.press("ArrowDown")
    await expect(ada.page.locator("#rooms .place")).to_be_focused()
    await ada.page.keyboard.press("Tab")
    await expect(ada.page.locator("#places :focus")).to_have_count(0)
    await ada.page.keyboard.press("Escape")
    await expect(ada.page.locator("#field")).to_be_focused()
    await ada.page.focus("#crowd button.place")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.locator("#talk-title")).to_have_text("bo")
    await ada.page.keyboard.type("just you")
    await ada.page.keyboard.press("Enter")
    await expect(bo.page.locator("#menu-unread")).to_have_text("1")
    assert await bo.page.title() == "(1) rtmon chat"
    await bo.page.click("#show-places")
    await bo.page.click("#persons .place")
    await expect(bo.rows).to_have_text(["just you"])
    await expect(bo.page.locator("#menu-unread")).to_be_hidden()
    assert await bo.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await ada.page.keyboard.press("Alt+ArrowUp")
    await expect(ada.page.locator("#talk-title")).to_have_text("tea")

    assert await ada.faint() == []
    buttons = await ada.page.locator("button").all()
    assert all(
        [
            await button.get_attribute("aria-label") or await button.text_content()
            for button in buttons
        ]
    )
    await bo.page.reload()
    await bo.is_("Live")
    await bo.page.click("#show-places")
    await bo.page.click("#rooms .place")
    await expect(bo.rows).to_have_count(2)
    await expect(bo.page.locator(".row.mine .words")).to_have_count(1)
    await bo.page.click("#leave")
    await expect(bo.page.locator("#rooms .place")).to_have_count(0)
    await expect(ada.page.locator("#crowd-count")).to_have_text("1")


@pytest.mark.matrix
async def test_chat_page_loses_no_message_when_its_link_is_cut(
    open_tab: Open, served: dict[str, Any], friend: Client
) -> None:
    """Chat page shows every message exactly once when its connection is cut repeatedly and then
    frozen.
    """
    async with FaultProxy(served["url"]) as proxy:
        address = proxy.url.replace("ws:", "http:")
        ada = await Visitor(await open_tab(address)).enters("ada", "cuts")
        await friend.join("cuts")
        for number in range(60):
            await friend.send("room_message", {"room": "cuts", "text": f"f{number}"})
            if number % 20 == 10:
                await friend.flush()
                proxy.cut()
                await ada.says(f"a{number}")
        await expect(ada.rows).to_have_count(63)
        await expect(ada.page.locator(".row.pending")).to_have_count(0)
        texts = await ada.rows.all_inner_texts()
        assert [text for text in texts if text[0] == "f"] == [f"f{n}" for n in range(60)]
        assert [text for text in texts if text[0] == "a"] == ["a10", "a30", "a50"]
        assert await ada.page.locator(".notice").count() == 0

        await ada.is_("Live")
        await expect(ada.page.locator("#pill-rtt")).to_contain_text("ms")
        proxy.freeze()
        await ada.says("into the silence")
        await expect(ada.page.locator(".row.pending .words")).to_have_text("into the silence")
        await ada.is_("Offline")
        await expect(ada.page.locator("#banner")).to_be_visible()
        proxy.thaw()
        proxy.cut()
        await ada.tries_now()
        await ada.is_("Live")
        await expect(ada.page.locator("#banner")).to_be_hidden()
        await expect(ada.page.locator(".row.pending")).to_have_count(0)
        await expect(ada.rows).to_have_count(64)
        ada.forgive()
        await ada.page.close()


async def test_chat_page_sends_waiting_messages_once_when_a_killed_server_restarts(
    open_tab: Open, reserve_port: Callable[[], int]
) -> None:
    """Chat page sends its waiting messages once when a server killed by SIGKILL restarts, and says
    that the server lost its history.
    """
    arguments = ("serve", f"--port={reserve_port()}", "--admin-port=off")
    with serving(*arguments) as (child, facts):
        ada = await Visitor(await open_tab(facts["page"])).enters("ada", "r")
        bo = await Visitor(await open_tab(facts["page"], scheme="light")).enters("bo", "r")
        await ada.says("before")
        await expect(bo.rows).to_have_text(["before"])
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()
        await ada.is_("Offline")
        await bo.is_("Offline")
        await ada.says("meanwhile")
        await expect(ada.page.locator(".row.pending .words")).to_have_text("meanwhile")
        await expect(ada.page.locator("#hint")).to_contain_text("offline")
        assert await bo.faint() == []
        with serving(*arguments):
            for visitor in (ada, bo):
                await visitor.tries_now()
                await visitor.is_("Live")
                await expect(visitor.page.locator(".notice")).to_contain_text("no longer has them")
            await bo.says("after")
            for visitor in (ada, bo):
                await expect(visitor.rows).to_have_count(3)
                await expect(visitor.page.locator(".row.pending")).to_have_count(0)
                texts = await visitor.rows.all_inner_texts()
                assert texts[0] == "before"
                assert sorted(texts) == ["after", "before", "meanwhile"]
                assert await visitor.page.locator(".notice").count() == 1
                await expect(visitor.page.locator("#crowd .place")).to_have_count(2)
            for visitor in (ada, bo):
                visitor.forgive()
                await visitor.page.close()


async def test_chat_page_transfers_a_file_of_ten_megabytes(
    open_tab: Open, served: dict[str, Any], tmp_path: Path
) -> None:
    """A file of 10 MB that one user selects on the chat page is downloaded by another user without
    a changed byte.
    """
    source = tmp_path / "numbers.bin"
    content = await asyncio.to_thread(_write, source, 10_000_000)
    ada = await Visitor(await open_tab(served["page"])).enters("ada", "files")
    bo = await Visitor(await open_tab(served["page"])).enters("bo", "files")
    await ada.page.set_input_files("#picker", source)
    await expect(ada.page.locator("progress")).to_have_count(1)
    await expect(ada.page.locator(".row.mine .state")).to_contain_text("sent")
    await expect(bo.page.locator(".file-name")).to_have_text("numbers.bin")
    async with bo.page.expect_download() as expected:
        await bo.page.click(".act")
    got = await expected.value
    assert got.suggested_filename == "numbers.bin"
    assert await asyncio.to_thread(_digest, await got.path()) == content
    await expect(bo.page.locator(".state")).to_contain_text("saved")
    assert len(bo.page.context.pages) == 1


async def test_chat_page_shows_hostile_texts_as_text(
    open_tab: Open, served: dict[str, Any]
) -> None:
    """Chat page shows markup in names, rooms, messages and file names as plain text, and its
    security policy blocks HTML set by scripts.
    """
    ada = await Visitor(await open_tab(served["page"])).enters("ada", HOSTILE[:64])
    policy = await ada.page.evaluate(
        "fetch('/').then((response) => response.headers.get('Content-Security-Policy'))"
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    options = {"name": HOSTILE, "user": HOSTILE, "proxy": None}
    async with rtmon.connect(served["url"], **options) as stranger:
        room = HOSTILE[:64]
        await stranger.join(room)
        await stranger.send("typing_start", {"room": room})
        await expect(ada.page.locator("#typing")).to_contain_text(HOSTILE)
        await stranger.send("room_message", {"room": room, "text": HOSTILE})
        name = "../<img src=x onerror=alert(1)>\u202egnp.exe"
        await stranger.send_file(b"boo", name=name, room=room, mime="text/html")
        await expect(ada.rows).to_have_text([HOSTILE], use_inner_text=True)
        assert await ada.page.locator(".who").first.inner_text() == HOSTILE
        assert await ada.tab.text("#rooms .title") == room
        assert HOSTILE in await ada.page.locator("#crowd").inner_text()
        async with ada.page.expect_download() as expected:
            await ada.page.click(".act")
        saved = (await expected.value).suggested_filename
        assert saved.endswith(".exe")
        assert not set(saved) & set('<>/\\\u202e"')
        await ada.page.locator("#crowd button.place").click()
        await expect(ada.page.locator("#talk-title")).to_have_text(HOSTILE)
    await ada.says("are you there?")
    await expect(ada.page.locator("#hint")).to_contain_text(HOSTILE)
    assert await ada.page.locator("img, #rows b").count() == 0
    assert "hacked" not in await ada.page.title()
    inline = await ada.page.evaluate(
        "(() => { try { document.body.innerHTML = '<b>x</b>' } catch { return 'refused' } })()"
    )
    assert inline == "refused", "the page's policy leaves no way from text to markup"
    ada.tab.console[:] = [line for line in ada.tab.console if "TrustedHTML" not in line]


async def test_chat_page_shows_a_hostile_close_reason_as_text(open_tab: Open) -> None:
    """Chat page shows markup as plain text when the server closes the connection with markup in the
    close reason, and tells the user to connect again.
    """
    hub = rtmon.Hub()
    async with rtmon.serve(hub, "127.0.0.1", 0, page=True) as server:
        ada = await Visitor(await open_tab(str(server.page_url))).enters("ada", "lobby")
        for session in hub.connections.values():
            session.peer.close(4500, HOSTILE)
        await expect(ada.page.locator("#banner-why")).to_contain_text(HOSTILE)
        assert await ada.page.locator("img").count() == 0
        await expect(ada.page.locator("#hint")).to_have_text(
            "Connect again to send what you write."
        )
        await ada.page.close()
    await hub.aclose()


def _write(path: Path, size: int) -> str:
    data = os.urandom(size)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
