"""Turns on the event loop."""

from __future__ import annotations

import asyncio

from rtmon.core.turns import Turns


async def test_turns_run_one_callback_in_each_iteration_of_the_loop() -> None:
    """Callbacks run in their order, and other work of the loop runs between two of them."""
    turns = Turns()
    seen: list[str] = []
    loop = asyncio.get_running_loop()

    def other(left: int) -> None:
        seen.append("other")
        if left:
            loop.call_soon(other, left - 1)

    for name in "abc":
        turns.add(lambda name=name: seen.append(name))  # type: ignore[misc]
    loop.call_soon(other, 3)
    await turns.wait()
    assert seen[:6] == ["a", "other", "b", "other", "c", "other"]


async def test_turns_go_on_when_a_callback_fails() -> None:
    """An exception in a callback is the loop's to report, and those after it have their turn."""
    turns = Turns()
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: failures.append(context["exception"])
    )
    turns.add(lambda: 1 // 0)
    await turns.wait()
    assert [type(each) for each in failures] == [ZeroDivisionError]


def test_turns_start_anew_on_another_loop() -> None:
    """What waited on a loop that was closed does not hold up the next loop's turns."""
    turns = Turns()

    async def add() -> None:
        turns.add(lambda: None)

    asyncio.run(add())
    asyncio.run(turns.wait())
