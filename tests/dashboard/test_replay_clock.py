"""Replay of a recording on dashboard pages: each viewer sees its own moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rtmon.dashboard import page_updater as updaters
from rtmon.dashboard.page_updater import PageUpdater
from rtmon.dashboard.page_updater_pool import PageUpdaters
from rtmon.recording import RecordingFeed
from rtmon.testing import until

from .viewer import BEGIN, KeptViewer, record


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let page updaters tick ten times a second."""
    monkeypatch.setattr(updaters, "PERIOD", 0.1)
    monkeypatch.setattr(updaters, "SHORTEST", 0.05)
    monkeypatch.setattr(updaters, "LATE", 0.0)


@asynccontextmanager
async def looking(path: Path) -> AsyncIterator[tuple[PageUpdater, KeptViewer]]:
    """Open a recording for one viewer; yield the page updater and the viewer."""
    viewer = KeptViewer()
    updater = PageUpdaters(lambda: RecordingFeed(path))()
    updater.join(viewer)
    await until(lambda: viewer.all_of("frame") and viewer.all_of("frame")[-1]["seq"])
    yield updater, viewer
    updater.leave(viewer)
    assert updater.task is not None
    await asyncio.wait([updater.task])


async def turned(viewer: KeptViewer, turn: int) -> None:
    """Wait until the viewer has a frame of this request to show another moment."""
    await until(lambda: any(f["replay"]["turn"] == turn for f in viewer.all_of("frame")))


async def test_viewer_of_a_recording_gets_frame_and_rows_of_the_requested_moment(
    tmp_path: Path,
) -> None:
    """Viewer of a recording gets the frame and the rows of each requested moment, also when a later
    request names an earlier moment.
    """
    await record(tmp_path / "run.rtmon")
    async with looking(tmp_path / "run.rtmon") as (updater, viewer):
        last = viewer.all_of("frame")[-1]
        assert (last["status"]["pill"], last["seq"]) == ("Recording", 201)
        assert last["replay"]["at"] is None
        updater.show(viewer, "connections", {})
        for turn, (at, rows, slow) in enumerate(((100, 2, True), (50, 1, False)), start=1):
            updater.seek(BEGIN + at, turn)
            await turned(viewer, turn)
            frame = next(f for f in viewer.all_of("frame") if f["replay"]["turn"] == turn)
            assert (frame["anew"], frame["seq"], frame["now"]) == (True, at, BEGIN + at)
            assert len(frame["points"][0]) == at
            assert frame["counts"]["connections"] == rows
            assert ("100" in str(frame["tiles"])) == slow
            # The rows may arrive with the frame or after it.
            await until(
                lambda rows=rows: [p["total"] for p in viewer.all_of("pane")][-1:] == [rows]
            )
            viewer.messages.clear()
        updater.seek(BEGIN + 900, 3)
        await turned(viewer, 3)
        assert viewer.all_of("frame")[-1]["replay"]["at"] is None


async def test_recording_plays_to_its_end_and_waits_while_the_page_is_hidden(
    tmp_path: Path,
) -> None:
    """Recording on a dashboard page plays at the requested speed to its end, and stands still
    while the viewer's page is not ready.
    """
    await record(tmp_path / "run.rtmon")
    async with looking(tmp_path / "run.rtmon") as (updater, viewer):
        updater.seek(BEGIN + 20, 1)
        await turned(viewer, 1)
        viewer.ready = False
        updater.play(60)
        await asyncio.sleep(0.2)
        assert updater.feed.now() == BEGIN + 20
        viewer.ready = True
        await until(lambda: viewer.all_of("frame")[-1]["replay"]["at"] is None)
        frames = viewer.all_of("frame")
        assert {frame["replay"]["speed"] for frame in frames} == {0, 60}
        assert frames[-1]["replay"]["speed"] == 0
        assert frames[-1]["seq"] == 201
        seqs = [frame["seq"] for frame in frames if frame["replay"]["turn"] == 1]
        assert seqs == sorted(seqs)
        assert len(set(seqs)) > 2


async def test_each_viewer_of_a_recording_has_its_own_moment(tmp_path: Path) -> None:
    """Viewer of a recording still sees the same moment when another viewer moves to an earlier one,
    and the recording opened for a viewer is closed when the viewer leaves.
    """
    path = tmp_path / "run.rtmon"
    await record(path, ticks=30)
    async with looking(path) as (first, _), looking(path) as (second, viewer):
        first.seek(BEGIN + 10, 1)
        await until(lambda: first.feed.now() == BEGIN + 10)
        assert second.feed.now() == BEGIN + 30
        assert viewer.all_of("frame")[-1]["seq"] == 31
    assert {updater.feed.status.state for updater in (first, second)} == {"closed"}


async def test_time_bar_of_a_recording_marks_errors_and_restarts(tmp_path: Path) -> None:
    """Time bar of a recording has marks for errors, with the connection's name, and for server
    restarts, but none for opened connections.
    """
    await record(tmp_path / "run.rtmon")
    await record(tmp_path / "run.rtmon", ticks=3, begin=BEGIN + 300)
    async with looking(tmp_path / "run.rtmon") as (updater, viewer):
        updater.seek(BEGIN + 20, 1)
        updater.ask(viewer, 7, "moments", {})
        await until(lambda: viewer.all_of("value"))
        found = viewer.all_of("value")[0]["moments"]
        assert [moment["kind"] for moment in found] == ["error", "restart", "error"]
        assert [found[0]["time"], found[1]["time"]] == [BEGIN + 133, BEGIN + 200]
        assert found[0]["text"].startswith("=bob · ")
