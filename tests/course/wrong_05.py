"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "TODO": """
pen.write(frame(1, b"anatomy"))
""",
    },
    {
        "TODO": """
await die(lambda w: w.write(frame(8, (4322).to_bytes(2, "big"))))
""",
    },
    {
        "TODO": """
crime = await die(deaths["does not mask"])
""",
    },
]
