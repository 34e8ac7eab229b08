"""The dashboard's script shows a frame of charts and the table rows of the same tick together."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser

from rtmon.dashboard.script_bundle import asset

pytestmark = pytest.mark.asyncio(loop_scope="module")

TAKE = """(steps => {
  let time = 0
  const shown = []
  const rows = ({name, tick}) => `rows ${name ?? tick.seq}`
  const name = ({frame, pane}) => frame ? `frame ${frame.seq}` : rows(pane)
  const together = new OneTick((part) => shown.push(name(part)), () => time)
  for (const [at, message] of steps) {
    time = at
    if (message === "settle") together.settle()
    else if (message === "flush") together.flush()
    else together.take(message, {rows: true})
  }
  together.close()
  return shown
})"""


def frame(seq: int, epoch: str = "e") -> dict[str, Any]:
    """Return a message part with the frame of a tick."""
    return {"frame": {"epoch": epoch, "seq": seq}}


def rows(seq: int, epoch: str = "e") -> dict[str, Any]:
    """Return a message part with the table rows of a tick."""
    return {"pane": {"tick": {"epoch": epoch, "seq": seq}}}


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        pytest.param([(0, frame(1) | rows(1))], ["frame 1", "rows 1"], id="one message"),
        pytest.param([(0, frame(1))], [], id="frame waits for its rows"),
        pytest.param([(0, frame(1)), (9, rows(1))], ["frame 1", "rows 1"], id="rows come later"),
        pytest.param([(0, frame(1)), (1499, "settle")], [], id="frame still waits"),
        pytest.param([(0, frame(1)), (1500, "settle")], ["frame 1"], id="frame has waited enough"),
        pytest.param(
            [(0, frame(1) | rows(1)), (9, rows(2)), (99, frame(2))],
            ["frame 1", "rows 1", "frame 2", "rows 2"],
            id="rows come before their frame",
        ),
        pytest.param(
            [(0, frame(1) | rows(1)), (9, rows(2)), (259, "settle")],
            ["frame 1", "rows 1", "rows 2"],
            id="rows have waited enough",
        ),
        pytest.param(
            [(0, frame(1)), (9, frame(2)), (19, frame(3)), (29, rows(2))],
            ["frame 1", "frame 2", "rows 2"],
            id="frame after the rows waits",
        ),
        pytest.param(
            [(0, frame(7) | rows(7)), (9, frame(1, "f")), (19, rows(1, "f"))],
            ["frame 7", "rows 7", "frame 1", "rows 1"],
            id="server restarts",
        ),
        pytest.param(
            [(0, frame(1)), (9, {"pane": {"name": "error"}})],
            ["frame 1", "rows error"],
            id="rows of no tick",
        ),
        pytest.param(
            [(0, frame(1)), (9, frame(2)), (19, "flush")], ["frame 1", "frame 2"], id="flush"
        ),
    ],
)
async def test_page_shows_a_frame_and_the_rows_of_the_same_tick_together(
    chromium: Browser, steps: list[Any], shown: list[str]
) -> None:
    """Dashboard script shows a tick's chart frame and table rows together, and shows the frame
    without the rows, or the rows without the frame, when the other part does not come in time.
    """
    page = await chromium.new_page()
    script = f"(steps => {{ {asset('one_tick.js')}\nreturn {TAKE}(steps) }})"
    assert await page.evaluate(script, steps) == shown
    await page.close()
