"""Wrong answers to the exercises of course notebook 02. For each exercise: reason why it is wrong →
code.
"""

from __future__ import annotations

WRONG = [
    {
        "everything": """
await start(eve.subscribe("weather.**"), name="eve all")
""",
        "three subscriptions": """
for town in TOWNS:
    await start(eve.subscribe(f"weather.{town}.rain"), name=f"eve {town}")
""",
        "one town": """
await start(eve.subscribe("weather.oslo.rain"), name="eve oslo")
""",
        "wind and rain": """
await start(eve.subscribe("weather.*.*"), name="eve both")
""",
        "no subscription": """
eves.update(f"weather.{town}.rain" for town in TOWNS)
""",
        "a subscription of Dora": """
await start(dora.subscribe("weather.*.rain"), name="dora rain")
""",
    },
    {
        "one too early": """
latest = await hub.publish("news", "the end")
earlier = Position(epoch=latest.epoch, offset=latest.offset - 4)
async with eve.subscribe("news", since=earlier) as last_news:
    late = [await anext(last_news) for _ in range(3)]
""",
        "heard live": """
async with eve.subscribe("news") as live:
    for word in ("one", "two", "three"):
        await hub.publish("news", word)
    late = [await anext(live) for _ in range(3)]
""",
        "with a gap": """
long_ago = Position(epoch=last.epoch, offset=1)
async with eve.subscribe("news", since=long_ago) as all_news:
    late = [await anext(all_news) for _ in range(20)][:1] * 3
""",
        "the news of Dora": """
late = caught_up
""",
        "words": """
late = ["event 28", "event 29", "the end"]
""",
    },
    {
        "alone": """
await eve.join("garden")
await eve.send("room_message", {"room": "garden", "text": "alone"})
""",
        "four members": """
for client in (eve, dora, people["ada"], people["cleo"]):
    await client.join("garden")
await eve.send("room_message", {"room": "garden", "text": "One too many."})
""",
        "nobody speaks": """
for client in (eve, dora, people["cleo"]):
    await client.join("garden")
""",
        "spoken too early": """
await eve.join("garden")
for number, client in enumerate((dora, people["cleo"])):
    await eve.send("room_message", {"room": "garden", "text": "Is anybody here?"})
    await client.join("garden")
""",
        "another room": """
for client in (eve, dora, people["cleo"]):
    await client.join("kitchen")
await eve.send("room_message", {"room": "kitchen", "text": "Tea?"})
""",
    },
    {
        "notices only who says goodbye": """
import json

from websockets.asyncio.server import broadcast

here = {}


async def presence(websocket):
    here[websocket] = await websocket.recv()
    broadcast(here, json.dumps(sorted(set(here.values()))))
    async for _ in websocket:
        pass
    del here[websocket]
    broadcast(here, json.dumps(sorted(set(here.values()))))
""",
        "forgets a user with the first connection": """
import json

from websockets.asyncio.server import broadcast

names, connections = set(), set()


async def presence(websocket):
    name = await websocket.recv()
    names.add(name)
    connections.add(websocket)
    broadcast(connections, json.dumps(sorted(names)))
    try:
        await websocket.wait_closed()
    finally:
        names.discard(name)
        connections.discard(websocket)
        broadcast(connections, json.dumps(sorted(names)))
""",
        "tells only the newcomer": """
import json

here = {}


async def presence(websocket):
    here[websocket] = await websocket.recv()
    await websocket.send(json.dumps(sorted(set(here.values()))))
    await websocket.wait_closed()
    del here[websocket]
""",
        "always the same list": """
async def presence(websocket):
    await websocket.send('["ada"]')
    await websocket.wait_closed()
""",
        "nothing": "",
    },
]
