"""Judges of learners' solutions: right ones pass, wrong ones fail for their own reason."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil
import pytest
from websockets.asyncio.server import ServerConnection, broadcast

from rtmon.course import judges
from tests.course.builds import (
    batcher,
    chat,
    chunks,
    frames,
    health,
    pool,
    presence,
    reconnecting,
    slow,
    sse,
    votes,
)

BUILDS: dict[str, Any] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        *(batcher, chat, chunks, frames, health),
        *(pool, presence, reconnecting, slow, sse, votes),
    )
}

WRONG = [
    pytest.param(module, make, story, id=f"{name}-{make.__name__}")
    for name, module in BUILDS.items()
    for make, story in module.wrong.items()
]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a longer patience, since the machine runs other tests, too."""
    monkeypatch.setattr("rtmon.course.judges.trial_runner._TIME_LIMIT", 100)


def open_sockets() -> int:
    """Return how many TCP sockets this process listens on or has connected."""
    states = {"LISTEN", "ESTABLISHED"}
    return sum(one.status in states for one in psutil.Process().net_connections("tcp"))


@pytest.mark.parametrize("name", BUILDS)
async def test_right_solution_passes_every_test(name: str) -> None:
    """A right solution passes, and the trial leaves neither task nor socket behind."""
    module = BUILDS[name]
    before, sockets = asyncio.all_tasks(), open_sockets()
    verdict = await module.judge(module.right())
    assert verdict.holds, verdict
    assert verdict.kept == len(verdict.facts) >= 4
    assert (verdict.story, verdict.hint) == ("", "")
    assert asyncio.all_tasks() <= before
    assert open_sockets() == sockets


@pytest.mark.course
@pytest.mark.parametrize(("module", "make", "story"), WRONG)
async def test_wrong_solution_fails_for_its_own_reason(
    module: Any, make: Callable[[], Any], story: str
) -> None:
    """The verdict of a wrong solution has the right reason, and a hint."""
    verdict = await module.judge(make())
    assert story in verdict.story, verdict
    assert verdict.hint
    assert not verdict.holds


async def blocks(websocket: ServerConnection) -> None:
    """Block the event loop by time.sleep()."""
    async for _ in websocket:
        time.sleep(1000)  # noqa: ASYNC251


async def spins(websocket: ServerConnection) -> None:
    """Loop for ever."""
    async for _ in websocket:
        while True:
            pass


async def raises(websocket: ServerConnection) -> None:
    """Raise at the first message."""
    async for text in websocket:
        broadcast([websocket], {}["ada"] if text else "")


async def hangs(websocket: ServerConnection) -> None:
    """Receive nothing and answer nothing."""
    await asyncio.Event().wait()


async def leaves_a_task(websocket: ServerConnection) -> None:
    """Start a task and never end it."""
    sleeping = asyncio.create_task(asyncio.sleep(0, asyncio.create_task(hangs(websocket))))
    await sleeping


def is_no_coroutine_function(websocket: ServerConnection) -> int:
    """Return at once."""
    return 7


@pytest.mark.parametrize(
    ("handler", "story"),
    [
        (blocks, "kept the event loop busy for 2 s"),
        (spins, "everything else had to wait (line "),
        (raises, "your code raised KeyError: 'ada' (line"),
        (hangs, "message 1 of 1 from ada never reached ada"),
        (leaves_a_task, "ended the connection of ada"),
        (is_no_coroutine_function, "is it an `async def`?"),
        (None, "None was given"),
    ],
)
async def test_verdict_names_the_fault_of_broken_code(handler: Any, story: str) -> None:
    """Code that blocks, raises, hangs or is no coroutine function fails, and leaves no task
    behind.
    """
    before = asyncio.all_tasks()
    began = time.monotonic()
    verdict = await judges.chat_server(handler)
    assert story in verdict.story, verdict
    assert [fact.holds for fact in verdict.facts] == [False, None, None, None]
    assert "not tried yet" in repr(verdict)
    assert time.monotonic() - began < 20
    assert asyncio.all_tasks() <= before


async def test_judge_ends_when_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that takes too long ends with the name of the running test."""
    monkeypatch.setattr("rtmon.course.judges.trial_runner._TIME_LIMIT", 0.5)
    verdict = await judges.chat_server(hangs)
    assert "was not done after 0.5 s" in verdict.story


async def test_judge_waits_longer_when_patience_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """RTMON_COURSE_PATIENCE is the minimum of each wait, and the trial has as much more time."""
    monkeypatch.setattr("rtmon.course.judges.trial.PATIENCE", 0.001)
    verdict = await judges.worker_pool(pool.right())
    assert "had not returned after 0.001 s" in verdict.story
    monkeypatch.setattr("rtmon.course.judges.trial_runner._TIME_LIMIT", 5)
    monkeypatch.setenv("RTMON_COURSE_PATIENCE", "100")
    verdict = await judges.worker_pool(pool.right())
    assert verdict.holds, verdict


async def test_judge_keeps_the_time_limits_of_an_exercise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RTMON_COURSE_PATIENCE does not extend the time within which an exercise requires an
    answer.
    """

    async def late(urls: Sequence[str]) -> dict[str, str]:
        await asyncio.sleep(0.2)
        return dict.fromkeys(urls, "ok")

    monkeypatch.setattr("rtmon.course.judges.health_check._ANSWER", 0.1)
    monkeypatch.setenv("RTMON_COURSE_PATIENCE", "100")
    verdict = await judges.health_check(late)
    assert "`late` had not returned after 0.1 s" in verdict.story


async def test_judge_restores_an_earlier_alarm() -> None:
    """A timer that was set before a trial, such as a test's time limit, still fires after it."""
    heard: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    rest, _ = signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        await judges.worker_pool(pool.right())
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] < 1000
        signal.raise_signal(signal.SIGALRM)
        assert heard
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, rest)
