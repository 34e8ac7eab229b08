"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "TODO": """
hub.change(channels={"prices": ChannelOptions(slow="drop_newest")})
""",
    },
    {
        "TODO": """
hub.change(stalled=30)
""",
    },
]
