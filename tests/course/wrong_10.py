"""Wrong answers to the exercises of course notebook 10. For each exercise: reason why it is wrong →
code.
"""

from __future__ import annotations

WRONG = [
    {
        "an echo": """
async def shout(websocket):
    async for message in websocket:
        await websocket.send(message)
""",
        "only the first message": """
async def shout(websocket):
    await websocket.send((await websocket.recv()).upper())
""",
        "small letters": """
async def shout(websocket):
    async for message in websocket:
        await websocket.send(message.lower())
""",
        "always the same": """
async def shout(websocket):
    async for message in websocket:
        await websocket.send("HELLO")
""",
        "an ordinary function": """
def shout(websocket):
    return "HELLO"
""",
        "only the first client": """
async def shout(websocket, served=[]):
    served.append(websocket)
    if len(served) % 2 == 0:
        return
    async for message in websocket:
        await websocket.send(message.upper())
""",
    },
    {
        "not seen": """
loud = await start(serve(shout, "127.0.0.1", 0), name="loud")
""",
        "seen by another monitor": """
loud = await start(serve(shout, "127.0.0.1", 0, **visible), name="loud")
""",
        "not served": """
loud = server
""",
        "another handler": """
probe = rtmon.probe(mine)
loud = await start(serve(echo, "127.0.0.1", 0, create_connection=probe), name="loud")
""",
        "a monitor that is not there": """
loud = await start(serve(shout, "127.0.0.1", 0), name="loud")
other = rtmon.Monitor()
rtmon.probe(mine)
""",
        "a server that has ended": """
probe = rtmon.probe(mine)
async with serve(shout, "127.0.0.1", 0, create_connection=probe) as loud:
    pass
""",
    },
    {
        "nobody is greeted": """
async def vote(websocket):
    voters.add(websocket)
    try:
        async for word in websocket:
            if isinstance(word, str) and 1 <= len(word) <= 20:
                counts[word] += 1
                broadcast(voters, json.dumps(counts))
    finally:
        voters.discard(websocket)
""",
        "only the voter is told": """
async def vote(websocket):
    await websocket.send(json.dumps(counts))
    async for word in websocket:
        if isinstance(word, str) and 1 <= len(word) <= 20:
            counts[word] += 1
            await websocket.send(json.dumps(counts))
""",
        "everything counts": """
async def vote(websocket):
    voters.add(websocket)
    try:
        await websocket.send(json.dumps(counts))
        async for word in websocket:
            counts[word] += 1
            broadcast(voters, json.dumps(counts))
    finally:
        voters.discard(websocket)
""",
        "the dead are told, too": """
async def vote(websocket):
    voters.add(websocket)
    await websocket.send(json.dumps(counts))
    async for word in websocket:
        if isinstance(word, str) and 1 <= len(word) <= 20:
            counts[word] += 1
            for voter in voters:
                await voter.send(json.dumps(counts))
    voters.discard(websocket)
""",
        "each client has its own counts": """
async def vote(websocket):
    counts = Counter()
    await websocket.send(json.dumps(counts))
    async for word in websocket:
        counts[word] += 1
        await websocket.send(json.dumps(counts))
""",
    },
]
