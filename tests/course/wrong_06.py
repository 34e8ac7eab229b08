"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "TODO": """
answer = (await eve.send_file(photo[1:], name="photo.jpg")).payload["name"]
""",
    },
    {
        "TODO": """
await hub.publish("sensor", b"too little")
""",
    },
    {
        "TODO": """
await eve.send_file(photo, name="nobody-took-it.bin", to=readers["msgpack"].client_id)
""",
    },
]
