"""Judges of the course's programming exercises, run on right and wrong sample solutions."""

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
    """Raise the judges' time limit, because other tests run on the machine at the same time."""
    monkeypatch.setattr("rtmon.course.judges.trial_runner._TIME_LIMIT", 100)


def open_sockets() -> int:
    """Return how many TCP sockets of this process listen or are connected."""
    states = {"LISTEN", "ESTABLISHED"}
    return sum(one.status in states for one in psutil.Process().net_connections("tcp"))


@pytest.mark.parametrize("name", BUILDS)
async def test_judge_passes_a_right_solution_and_leaves_no_task_or_socket(name: str) -> None:
    """Exercise judge passes a right solution in every test of the judge, and leaves no asyncio task
    and no socket open.
    """
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
async def test_judge_fails_a_wrong_solution_with_its_reason_and_a_hint(
    module: Any, make: Callable[[], Any], story: str
) -> None:
    """Exercise judge fails each wrong solution with the reason that fits its fault, and gives a
    hint.
    """
    verdict = await module.judge(make())
    assert story in verdict.story, verdict
    assert verdict.hint
    assert not verdict.holds


async def blocks(websocket: ServerConnection) -> None:
    """Faulty chat handler: block the event loop by time.sleep()."""
    async for _ in websocket:
        time.sleep(1000)  # noqa: ASYNC251


async def spins(websocket: ServerConnection) -> None:
    """Faulty chat handler: loop without end at the first message."""
    async for _ in websocket:
        while True:
            pass


async def raises(websocket: ServerConnection) -> None:
    """Faulty chat handler: raise KeyError at the first message."""
    async for text in websocket:
        broadcast([websocket], {}["ada"] if text else "")


async def hangs(websocket: ServerConnection) -> None:
    """Faulty chat handler: receive nothing and answer nothing."""
    await asyncio.Event().wait()


async def leaves_a_task(websocket: ServerConnection) -> None:
    """Faulty chat handler: start a task and return without ending it."""
    sleeping = asyncio.create_task(asyncio.sleep(0, asyncio.create_task(hangs(websocket))))
    await sleeping


def is_no_coroutine_function(websocket: ServerConnection) -> int:
    """Faulty chat handler: an ordinary function instead of a coroutine function."""
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
async def test_judge_names_the_fault_when_code_blocks_raises_hangs_or_is_not_async(
    handler: Any, story: str
) -> None:
    """Exercise judge names the fault and leaves no asyncio task when a solution blocks the event
    loop, raises, hangs or is not a coroutine function.
    """
    before = asyncio.all_tasks()
    began = time.monotonic()
    verdict = await judges.chat_server(handler)
    assert story in verdict.story, verdict
    assert [fact.holds for fact in verdict.facts] == [False, None, None, None]
    assert "not tried yet" in repr(verdict)
    assert time.monotonic() - began < 20
    assert asyncio.all_tasks() <= before


async def test_judge_names_the_unfinished_test_when_the_time_limit_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exercise judge stops at its time limit and names the test that was not done by then."""
    monkeypatch.setattr("rtmon.course.judges.trial_runner._TIME_LIMIT", 0.5)
    verdict = await judges.chat_server(hangs)
    assert "was not done after 0.5 s" in verdict.story


async def test_judge_waits_longer_for_a_solution_when_the_patience_variable_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exercise judge waits longer for a solution to return, and extends its own time limit, when
    RTMON_COURSE_PATIENCE gives a larger number of seconds.
    """
    monkeypatch.setattr("rtmon.course.judges.trial.PATIENCE", 0.001)
    verdict = await judges.worker_pool(pool.right())
    assert "had not returned after 0.001 s" in verdict.story
    monkeypatch.setattr("rtmon.course.judges.trial_runner._TIME_LIMIT", 5)
    monkeypatch.setenv("RTMON_COURSE_PATIENCE", "100")
    verdict = await judges.worker_pool(pool.right())
    assert verdict.holds, verdict


async def test_patience_variable_does_not_extend_the_time_limit_of_an_exercise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exercise judge fails a solution that answers after the time limit that the exercise sets,
    even when RTMON_COURSE_PATIENCE is longer.
    """

    async def late(urls: Sequence[str]) -> dict[str, str]:
        await asyncio.sleep(0.2)
        return dict.fromkeys(urls, "ok")

    monkeypatch.setattr("rtmon.course.judges.health_checks._ANSWER", 0.1)
    monkeypatch.setenv("RTMON_COURSE_PATIENCE", "100")
    verdict = await judges.health_check(late)
    assert "`late` had not returned after 0.1 s" in verdict.story


async def test_judge_restores_the_alarm_timer_that_was_set_before() -> None:
    """Exercise judge, which runs a learner's solution under an alarm timer, restores the process's
    own alarm timer and signal handler afterwards.
    """
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
