"""Wrong answers to the exercises of course notebook 01. For each exercise: reason why it is wrong →
code.
"""

from __future__ import annotations

WRONG = [
    {
        "three receivers": """
await friends["ada"].send("chat_message", {"text": "Only three hear this."})
""",
        "several messages": """
for _ in range(3):
    await friends["ada"].send("chat_message", {"text": "Again."})
""",
        "too many guests": """
silent = LoadOptions(users=10, rate=0, ramp=0, churn=0)
await start(Load(server.url, silent), name="users")
await until(lambda: chat.subscribers == 13)
await friends["ada"].send("chat_message", {"text": "Welcome, all!"})
""",
        "without the echo": """
silent = LoadOptions(users=7, rate=0, ramp=0, churn=0)
await start(Load(server.url, silent), name="users")
await until(lambda: chat.subscribers == 10)
await friends["ada"].send("chat_message", {"text": "Nine hear this.", "echo": False})
""",
        "guests that talk": """
await start(Load(server.url, LoadOptions(users=7, rate=20, ramp=0, churn=0)), name="users")
await until(lambda: chat.subscribers == 10)
await until(lambda: grown()["published"] > 2)
await stop("users")
""",
    },
    {
        "with the echo": """
await friends["ada"].send("chat_message", {"text": "I hear it, too.", "echo": True})
""",
        "Ben speaks": """
await friends["ben"].send("chat_message", {"text": "Not for me.", "echo": False})
""",
        "private messages": """
for name in ("ben", "cleo"):
    to = friends[name].client_id
    await friends["ada"].send("private_message", {"to": to, "text": "Psst!"})
""",
        "both ways": """
for echo in (True, False):
    await friends["ada"].send("chat_message", {"text": "Twice.", "echo": echo})
""",
        "nothing": """
heard["ben"]["chat_message"] += 1
heard["cleo"]["chat_message"] += 1
""",
    },
    {
        "to nobody": """
await friends["ada"].send("chat_message", {"text": "Psst!"})
""",
        "to Cleo": """
to = friends["cleo"].client_id
await friends["ada"].send("private_message", {"to": to, "text": "Psst!"})
""",
        "to herself": """
to = friends["ada"].client_id
await friends["ada"].send("private_message", {"to": to, "text": "Psst!"})
""",
        "from Cleo": """
to = friends["ben"].client_id
await friends["cleo"].send("private_message", {"to": to, "text": "Psst!"})
""",
        "to all of them": """
for name in ("ben", "cleo"):
    to = friends[name].client_id
    await friends["ada"].send("private_message", {"to": to, "text": "Psst!"})
""",
    },
    {
        "leaves out the sender": """
from websockets.asyncio.server import broadcast

members = set()


async def chat_server(websocket):
    members.add(websocket)
    try:
        async for text in websocket:
            broadcast(members - {websocket}, text)
    finally:
        members.discard(websocket)
""",
        "sends to connections that have ended": """
members = set()


async def chat_server(websocket):
    members.add(websocket)
    async for text in websocket:
        for member in members:
            await member.send(text)
""",
        "waits for each reader": """
members = set()


async def chat_server(websocket):
    members.add(websocket)
    try:
        async for text in websocket:
            for member in list(members):
                await member.send(text)
    finally:
        members.discard(websocket)
""",
        "echoes": """
async def chat_server(websocket):
    async for text in websocket:
        await websocket.send(text)
""",
        "nothing": "",
    },
]
