"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "TODO": """
await friends["ada"].send("chat_message", {"text": "Only three hear this."})
""",
    },
    {
        "TODO": """
await friends["ada"].send("chat_message", {"text": "I hear it, too.", "echo": True})
""",
    },
    {
        "TODO": """
await friends["ada"].send("chat_message", {"text": "Psst!"})
""",
    },
]
