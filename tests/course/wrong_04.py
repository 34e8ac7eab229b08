"""Wrong answers to the exercises of course notebook 04. For each exercise: reason why it is wrong →
code.
"""

from __future__ import annotations

RIGHT_CLIENT = """
import asyncio
import random

from websockets.asyncio.client import connect


async def follow(url, receive):
    last, failures = 0, 0
    while True:
        try:
            async with connect(url, open_timeout=2) as websocket:
                failures = 0
                await websocket.send(str(last))
                async for text in websocket:
                    last = int(text)
                    receive(last)
        except Exception:
            pass
        failures = min(failures + 1, 4)
        await asyncio.sleep(random.uniform(0.05, 0.1 * 2**failures))
"""
"""The right solution. Each wrong answer below changes one thing in it."""

WRONG = [
    {
        "as it was": """
in_seconds = await cut()
""",
        "a longer wait for all": """
storm.base = 4
in_seconds = await cut()
""",
        "chance over too short a time": """
storm.jitter = 1
in_seconds = await cut()
""",
        "a small crowd": """
few = ReconnectStorm(server, clients=10, base=4, jitter=1, away=0)
storm = await start(few, name="storm")
in_seconds = await cut()
storm = await start(ReconnectStorm(server, clients=100, **short), name="storm")
""",
        "no cut": """
storm.base, storm.jitter = 4, 1
""",
        "not back yet": """
storm.base, storm.jitter = 5, 1
storm.away = 5
storm.cut()
""",
    },
    {
        "usual heartbeats": """
quick = await start(rtmon.connect(proxy.url, name="quick"), name="quick")
""",
        "past the proxy": """
quick = await start(
    rtmon.connect(server.url, name="quick", heartbeat_interval=0.4, heartbeat_timeout=0.3),
    name="quick",
)
""",
        "too late": """
quick = careful
""",
        "already lost": """
quick = await start(rtmon.connect(proxy.url, name="quick"), name="quick")
proxy.cut()
""",
        "closed": """
quick = await rtmon.connect(proxy.url, heartbeat_interval=0.4, heartbeat_timeout=0.3)
await quick.close()
""",
    },
    {
        "nothing read": """
proxy.cut()
await until(lambda: back)
""",
        "published before the cut": """
import asyncio

for number in range(5):
    await hub.publish("news", {"number": number})
late = [await anext(news) for _ in range(5)]
await asyncio.sleep(0.01)
proxy.cut()
await until(lambda: back)
""",
        "published when she was back": """
proxy.cut()
await until(lambda: back and client.state == "open")
for number in range(5):
    await hub.publish("news", {"number": number})
late = [await anext(news) for _ in range(5)]
""",
        "old messages": """
proxy.cut()
await until(lambda: back)
late = missed[:5]
""",
        "one five times": """
proxy.cut()
await until(lambda: client.state == "reconnecting")
await hub.publish("news", {"number": 0})
late = [await anext(news)] * 5
await until(lambda: back)
""",
    },
    {
        "begins from the start": RIGHT_CLIENT.replace("str(last)", '"0"'),
        "hammers at a closed door": RIGHT_CLIENT.replace(
            "random.uniform(0.05, 0.1 * 2**failures)", "0.01"
        ),
        "waits in step with others": RIGHT_CLIENT.replace(
            "random.uniform(0.05, 0.1 * 2**failures)", "0.2 * 2**failures"
        ),
        "ends with the server's goodbye": RIGHT_CLIENT.replace(
            "        except Exception", "            return\n        except Exception"
        ),
        "gives up after the first loss": RIGHT_CLIENT.replace("while True", "for _ in [1]"),
    },
]
