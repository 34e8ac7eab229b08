"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "no token of a stream": """
await post("I am back.", "no token")
""",
        "Cleo says it": """
said_by_cleo = {"room": "lobby", "text": "I am back."}
await cleo.send("42" + json.dumps(["room_message", said_by_cleo]))
""",
        "Ada says it": """
await ada.send("room_message", {"room": "lobby", "text": "I am back."})
""",
        "a WebSocket that calls itself ben": """
async with rtmon.connect(server.url + "/ws", name="ben") as other:
    await other.join("lobby")
    await other.send("room_message", {"room": "lobby", "text": "I am back."})
""",
        "the server says it": """
await hub.publish("lobby", "I am back.")
""",
        "an empty text": """
await post("", named("welcome", ben)[0].message["payload"]["session"])
""",
    },
    {
        "another room": """
await cleo.send("42" + json.dumps(["join_room", {"room": "cellar"}]))
""",
        "another client": """
await zoe.join("attic")
""",
        "the digits are missing": """
await cleo.send(json.dumps(["join_room", {"room": "attic"}]))
""",
        "another client that calls itself cleo": """
other = await start(rtmon.connect(server.url + "/ws", name="cleo"), name="other")
await other.join("attic")
""",
        "a message to the room": """
await cleo.send("42" + json.dumps(["room_message", {"room": "attic", "text": "me"}]))
""",
    },
]
