"""Wrong answers to the exercises of course notebook 07. For each exercise: reason why it is wrong →
code.
"""

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
        "he comes, and says nothing": """
ben = await ben_comes()
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
    {
        "does not look where the reader was": """
async def handle(reader, writer, log):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
    async for number, text in log.since(0):
        lines = [f"id: {number}", *(f"data: {line}" for line in text.splitlines())]
        writer.write(("\\n".join(lines) + "\\n\\n").encode())
        await writer.drain()
""",
        "a text of several lines breaks the event": """
async def handle(reader, writer, log):
    request = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
    last = 0
    for line in request.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "last-event-id":
            last = int(value)
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
    async for number, text in log.since(last):
        writer.write(f"id: {number}\\ndata: {text}\\n\\n".encode())
        await writer.drain()
""",
        "the content type of a web page": """
async def handle(reader, writer, log):
    request = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
    last = 0
    for line in request.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "last-event-id":
            last = int(value)
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\n\\r\\n")
    async for number, text in log.since(last):
        lines = [f"id: {number}", *(f"data: {line}" for line in text.splitlines())]
        writer.write(("\\n".join(lines) + "\\n\\n").encode())
        await writer.drain()
""",
        "nothing leaves before the first event": """
async def handle(reader, writer, log):
    request = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
    last = 0
    for line in request.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "last-event-id":
            last = int(value)
    head = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n"
    async for number, text in log.since(last):
        lines = [f"id: {number}", *(f"data: {line}" for line in text.splitlines())]
        writer.write(head + ("\\n".join(lines) + "\\n\\n").encode())
        head = b""
        await writer.drain()
""",
        "one queue for all readers": """
waiting = asyncio.Queue()


async def collect(log):
    async for event in log.since(0):
        waiting.put_nowait(event)


async def handle(reader, writer, log):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
    collecting = asyncio.create_task(collect(log))
    try:
        while True:
            number, text = await waiting.get()
            lines = [f"id: {number}", *(f"data: {line}" for line in text.splitlines())]
            writer.write(("\\n".join(lines) + "\\n\\n").encode())
            await writer.drain()
    finally:
        collecting.cancel()
""",
    },
]
