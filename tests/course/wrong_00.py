"""Wrong answers to the exercises of course notebook 00. For each exercise: reason why it is wrong →
code.
"""

from __future__ import annotations

WRONG = [
    {
        "too few users": """
users = await start(Load(server.url, LoadOptions(users=4, ramp=0)), name="users")
""",
        "users that do not talk": """
silent = LoadOptions(users=40, rate=0, ramp=0, churn=0)
users = await start(Load(server.url, silent), name="users")
""",
        "the eight are still there": """
crowd = LoadOptions(users=40, rate=2, ramp=0.5, churn=0, aborts=0)
await start(Load(server.url, talk), name="users")
users = await start(Load(server.url, crowd), name="more users")
await until(lambda: users.tally.sent > 300)
""",
        "users that were never started": """
from rtmon.notebook import stop

await stop("more users")
users = Load(server.url, LoadOptions(users=40, rate=2, ramp=0.5, churn=0, aborts=0))
""",
        "users that are gone again": """
users = await start(Load(server.url, LoadOptions(users=40, rate=5, ramp=0)), name="users")
await stop("users")
""",
    },
    {
        "a proper message": """
async with connect(server.url) as guest:
    await guest.send('{"type": "chat_message", "payload": {"text": "hi"}}')
""",
        "nothing sent": """
await (await connect(server.url)).close()
""",
        "a changed number": """
errors = 1
""",
        "a lost connection": """
(await connect(server.url)).transport.abort()
""",
        "a ping": """
async with connect(server.url) as guest:
    await (await guest.ping())
""",
    },
    {
        "the usual code": """
await (await connect(server.url)).close(1000)
""",
        "no goodbye": """
(await connect(server.url)).transport.abort()
""",
        "the code of a server that failed": """
await (await connect(server.url)).close(1011)
""",
        "still connected": """
visitor = await connect(server.url)
""",
        "simulated users that go away": """
options = LoadOptions(users=8, churn=1, stay=0.2, going_away=1, aborts=0)
users = await start(Load(server.url, options), name="users")
await until(lambda: ended_with(1001))
""",
    },
    {
        "nothing": "",
        "is open, so it is ok": """
async def health(urls):
    states = {}
    for url in urls:
        try:
            async with connect(url):
                states[url] = "ok"
        except OSError:
            states[url] = "down"
    return states
""",
        "lets an error out": """
async def ask(url):
    async with connect(url) as client:
        return "ok" if await (await client.ping()) <= SLOW else "slow"


async def health(urls):
    return dict(zip(urls, await asyncio.gather(*map(ask, urls))))
""",
        "ten seconds to close": """
from websockets.exceptions import WebSocketException


async def ask(url):
    try:
        async with asyncio.timeout(DOWN), connect(url) as client:
            seconds = await (await client.ping())
    except (OSError, TimeoutError, WebSocketException):
        return "down"
    return "ok" if seconds <= SLOW else "slow"


async def health(urls):
    return dict(zip(urls, await asyncio.gather(*map(ask, urls))))
""",
        "one after the other": """
from websockets.exceptions import WebSocketException


async def health(urls):
    states = {}
    for url in urls:
        try:
            async with asyncio.timeout(DOWN), connect(url, close_timeout=0.5) as client:
                states[url] = "ok" if await (await client.ping()) <= SLOW else "slow"
        except (OSError, TimeoutError, WebSocketException):
            states[url] = "down"
    return states
""",
    },
]
