"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

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
]
