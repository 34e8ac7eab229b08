"""The dashboard of a recording in a real browser: its time slider moves all numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rtmon
from rtmon.metrics.records import ConnectionInfo, Sample, Snapshot
from rtmon.recording.frame import Frame
from rtmon.recording.writer import Writer
from rtmon.testing import FakeClock

from .conftest import Open, exact, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGIN = 1_700_000_000.0
TICKS = 300


def _frame(seq: int, total: int) -> Frame:
    """A tick in which as many messages came in as its number, and another user came or went."""
    time = BEGIN + seq
    of: dict[str, Any] = {"node": "n", "epoch": "e", "seq": seq, "time": time}
    users = {"open": seq % 40, "peak": seq % 40}
    sample = Sample(**of, **users, elapsed=1.0, messages_in=seq)
    totals = Snapshot(**of, **users, uptime=float(seq), messages_in=total)
    opened = ConnectionInfo(id=f"c{seq}", name=f"user-{seq}", opened=time, messages_in=seq)
    return Frame(sample=sample, snapshot=totals, changed=[opened] if seq % 50 == 0 else ())


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording of five minutes."""
    path = tmp_path / "run.rtmon"
    writer = Writer(path, clock=FakeClock(time=BEGIN))
    writer.begin("n", "e")
    total = 0
    for seq in range(1, TICKS + 1):
        total += seq
        writer.write(_frame(seq, total))
    writer.end([])
    writer.close()
    return path


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1440), ("dark", 390)], ids=["light-1440", "dark-390"]
)
async def test_time_slider_shows_the_numbers_of_its_time(
    recording: Path, open_tab: Open, scheme: Any, width: int
) -> None:
    """Tiles, charts and table are those of the time, as the recording has them; End is the end."""
    with rtmon.read(recording) as run:
        samples = run.samples()
        names = list(run.connections().name)
    assert len(names) == TICKS // 50
    with serving("dashboard", str(recording), "--port=0", "--no-browser") as (_, facts):
        tab = await open_tab(facts["url"], width=width, scheme=scheme)
        slider = tab.page.get_by_role("slider", name="Time")
        await slider.wait_for()

        async def shown(seq: int) -> None:
            part = samples[samples.seq <= seq]
            count = exact(int(part.messages_in.sum()))
            users = {name for name in names if int(name.partition("-")[2]) <= seq}

            async def equal() -> bool:
                rows = await tab.rows()
                return (
                    await tab.total("messages_in") == f"{count} messages in all"
                    and {row[0] for row in rows} == users
                )

            await until(equal, f"the page is as of tick {seq}: {count} messages, {users}")
            assert exact(int(part.open.iloc[-1])) in await tab.text(".tiles")
            told = await slider.get_attribute("aria-valuetext")
            assert told == f"{part.time.iloc[-1]:%Y-%m-%d %H:%M:%S} UTC"

        await shown(TICKS)
        for seq in (120, 260, 30):  # back and forth
            await slider.fill(str(int(BEGIN) + seq))
            await shown(seq)
        await slider.press("ArrowRight")
        await shown(31)
        await tab.page.get_by_role("button", name="End").click()
        await shown(TICKS)
        overflow = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert await tab.page.evaluate(overflow)
        await tab.page.close()
