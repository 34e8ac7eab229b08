"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

WRONG = [
    {
        "the other end of the queue": """
hub.change(channels={"prices": ChannelOptions(slow="drop_newest")})
""",
        "the latest, and all that fit before it": """
hub.change(channels={"prices": ChannelOptions(slow="drop_oldest")})
""",
        "all channels change": """
hub.change(slow="keep_latest")
""",
        "another channel": """
hub.change(channels={"price": ChannelOptions(slow="keep_latest")})
""",
        "a smaller queue for all": """
hub.change(max_waiting=131_072)
""",
        "hardly any messages wait": """
hub.change(max_waiting_messages=5)
""",
    },
    {
        "far too late": """
hub.change(stalled=30)
""",
        "another policy": """
hub.change(slow="disconnect")
""",
        "messages may wait for one second only": """
hub.change(max_waiting_age=1)
""",
        "less may wait": """
hub.change(max_waiting=131_072)
""",
        "everybody is cut off by hand": """
for connection in list(server.websockets.connections):
    connection.transport.abort()
""",
    },
]
