"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "TODO": """
in_seconds = await cut()
""",
    },
    {
        "TODO": """
quick = await start(rtmon.connect(proxy.url, name='quick'), name='quick')
""",
    },
    {
        "TODO": """
proxy.cut()
await until(lambda: client.stats.reconnects > returns)
""",
    },
]
