"""The progress wall of a class in Chromium, with thirty learners that report over WebSockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rtmon.course.class_server_reporter import Reporter
from rtmon.course.progress_files import Result

from .conftest import Open, Tab, serving, until
from .visitor import CONTRAST

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = ("<img src=x onerror=alert(1)>", "</bdi><script>alert(2)</script>", "\u202egnissim")
LEARNERS = [*HOSTILE, *(f"learner {number}" for number in range(27))]
NOTEBOOKS = ("00_start", "01_chat", "02_rooms", "03_batching", "04_storms", "05_frames", "06_files")

SEEN = (
    """table => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.innerText))"""
)
"""JavaScript: the text of every cell of the wall's table."""

FITS = """() => {
  const main = document.querySelector("main");
  const rows = [...document.querySelectorAll("tbody tr")].map(row => row.getBoundingClientRect());
  return {
    whole: main.scrollHeight <= main.clientHeight && main.scrollWidth <= main.clientWidth,
    last: rows.at(-1).bottom <= innerHeight,
    height: Math.min(...rows.map(row => row.height)),
  };
}"""
"""JavaScript: whether all rows are on the screen, and the lowest row height in pixels."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a course of seven notebooks with four exercises each."""
    folder = tmp_path_factory.mktemp("course")
    for stem in NOTEBOOKS:
        cells = [
            {
                "cell_type": "code",
                "metadata": {"tags": ["check"]},
                "source": f'await check("claim", print, exercise="{stem[:2]}-{n}", points=2)',
            }
            for n in range(1, 5)
        ]
        (folder / f"{stem}.ipynb").write_text(json.dumps({"cells": cells}))
    return folder


@pytest.fixture(scope="module")
def wall(server: dict[str, Any], course: Path) -> Iterator[str]:
    """Start the progress wall of a class server in its own process, and yield its address."""
    arguments = ("course", "wall", server["url"], "--port=0", f"--course={course}")
    with serving(*arguments) as (_, facts):
        yield facts["url"]


@pytest.fixture(scope="module")
def learners(server: dict[str, Any]) -> Iterator[dict[str, Reporter]]:
    """Connect thirty learners to that class server, some with hostile names."""
    reporters = {name: Reporter(server["url"], name) for name in LEARNERS}
    yield reporters
    for reporter in reporters.values():
        reporter.close()


async def rows(tab: Tab) -> dict[str, list[str]]:
    """Return the wall's table as learner's name → texts of the row's other cells."""
    table: list[list[str]] = await tab.page.locator("#wall").evaluate(SEEN)
    return {name: cells for name, *cells in table}


async def test_progress_wall_shows_how_to_join_when_no_learner_has_reported(
    wall: str, open_tab: Open
) -> None:
    """Progress wall without learners shows the command with which a learner joins, with the class
    server's address.
    """
    tab = await open_tab(wall)
    await tab.page.wait_for_selector("#empty h2")
    assert "%env RTMON_CLASS=ws://127.0.0.1:" in await tab.text("#how")
    await tab.page.close()


async def test_progress_wall_shows_thirty_learners_live_on_one_screen(
    wall: str, learners: dict[str, Reporter], open_tab: Open
) -> None:
    """Progress wall shows thirty learners without scrolling at 1920 × 1080 pixels, and a new
    right answer without a reload.
    """
    exercises = [f"{stem[:2]}-{number}" for stem in NOTEBOOKS for number in range(1, 5)]
    for at, learner in enumerate(LEARNERS):
        done = {name: Result(right=True, tries=1, points=2) for name in exercises[: at % 28]}
        learners[learner].send({**done, exercises[-1]: Result(right=False, tries=3)})
    tabs = [await open_tab(wall, width=1920, height=1080, scheme=s) for s in ("light", "dark")]
    for tab in tabs:

        async def thirty(tab: Tab = tab) -> bool:
            return len(await rows(tab)) == 30

        await until(thirty, "thirty learners are on the wall")
        seen = await rows(tab)
        assert seen["learner 0"] == ["✓"] * 3 + ["·"] * 24 + ["3", "6 / 56"]
        shown = {name.replace("\u202e", " ") for name in LEARNERS}
        assert {name.strip() for name in seen} == {name.strip() for name in shown}
        fits = await tab.page.evaluate(FITS)
        assert fits["whole"]
        assert fits["last"]
        assert fits["height"] >= 26
        assert (
            await tab.page.evaluate("document.querySelectorAll('table img, table script').length")
            == 0
        )
        faint = await tab.page.evaluate(CONTRAST)
        assert [words for words in faint if " none " not in words] == []

    learners["learner 0"].send({exercises[10]: Result(right=True, tries=1, points=2)})

    async def told() -> bool:
        return (await rows(tabs[1]))["learner 0"][10] == "✓"

    await until(told, "a right answer is on the wall")
    assert (await rows(tabs[1]))["learner 0"][-1] == "8 / 56"
    for tab in tabs:
        await tab.page.close()


async def test_progress_wall_keeps_the_theme_that_the_button_chose(
    wall: str, open_tab: Open
) -> None:
    """Theme button of the progress wall switches between light and dark, and the choice survives a
    reload.
    """
    tab = await open_tab(wall, scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await tab.page.evaluate(ground)
    await tab.page.click("#theme")
    dark = await tab.page.evaluate(ground)
    assert dark != light
    await tab.page.reload()
    assert await tab.page.evaluate(ground) == dark
    await tab.page.click("#theme")
    assert await tab.page.evaluate(ground) == light
    await tab.page.close()


async def test_progress_wall_says_which_server_is_away(course: Path, open_tab: Open) -> None:
    """Progress wall says "Class server away since" when the class server has ended, and "Not live
    since" when the wall's own server has ended.
    """
    with serving("serve", "--port=0", "--admin-port=off") as (server, facts):
        arguments = ("course", "wall", facts["url"], "--port=0", f"--course={course}")
        with serving(*arguments) as (_, wall):
            tab = await open_tab(wall["url"])

            async def shown(words: str) -> bool:
                return words in await tab.text("#pill")

            await until(lambda: shown("Live"), "the wall is live")
            server.process.terminate()
            await until(lambda: shown("Class server away since"), "the class server is away")
        await until(lambda: shown("Not live since"), "the wall's own server is away")
        await tab.page.close()
    tab.console.clear()  # Chromium logs errors for the servers that the test has ended
