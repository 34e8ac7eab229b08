"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "TODO": """
await start(eve.subscribe("weather.**"), name="eve all")
""",
    },
    {
        "TODO": """
latest = await hub.publish('news', 'the end')
since = Position(epoch=latest.epoch, offset=latest.offset - 4)
async with eve.subscribe('news', since=since) as last_news:
    late = [await anext(last_news) for _ in range(3)]
""",
    },
    {
        "TODO": """
await eve.join('garden')
await eve.send('room_message', {'room': 'garden', 'text': 'alone'})
""",
    },
]
