"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "TODO": """
race.size, race.delay = 5, 150
""",
    },
    {
        "TODO": """
async with rtmon.connect(server.url, name='thrifty') as thrifty:
    for number in range(100):
        await thrifty.publish('bulk', number)
    await thrifty.flush()
""",
    },
]
