"""Checks of exercises, and repeated actions, of rtmon.course."""

from __future__ import annotations

import pytest

from rtmon.course import check, every
from rtmon.testing import until


async def test_a_check_never_raises(capsys: pytest.CaptureFixture[str]) -> None:
    """A check says "right" when its claim comes to hold, and "not yet" whatever goes wrong."""
    looks: list[int] = []
    await check("third time", lambda: looks.append(1) or len(looks) == 3)
    await check("broken", lambda: 1 / 0, within=0.01)
    await check("undone", lambda: None, within=0.01)
    assert capsys.readouterr().out.splitlines() == [
        "✓ Right: third time",
        "○ Not yet: broken",
        "  The check met ZeroDivisionError: division by zero",
        "○ Not yet: undone",
    ]


async def test_every_goes_on_beside_and_ends() -> None:
    """What is repeated goes on until the context ends, and what it raises is not lost."""
    done: list[int] = []
    async with every(0.001, lambda: done.append(1)) as task:
        await until(lambda: len(done) > 3)
    assert task.cancelled()

    async def fail() -> None:
        raise ValueError(done)

    with pytest.raises(ValueError, match="1"):
        async with every(0.001, fail) as task:
            await until(task.done)
