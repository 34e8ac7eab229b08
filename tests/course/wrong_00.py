"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "TODO": """
users = await start(Load(server.url, LoadOptions(users=4, ramp=0)), name='users')
""",
    },
    {
        "TODO": """
async with connect(server.url) as guest:
    await guest.send('{"type": "chat_message", "payload": {"text": "hi"}}')
""",
    },
    {
        "TODO": """
await (await connect(server.url)).close(1000)
""",
    },
]
