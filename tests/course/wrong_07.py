"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "TODO": """
await post("I am back.", "no token")
""",
    },
    {
        "TODO": """
await cleo.send("42" + json.dumps(["join_room", {"room": "cellar"}]))
""",
    },
]
