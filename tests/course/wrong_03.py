"""Wrong answers to the exercises of course notebook 03. For each exercise: reason why it is wrong →
code.
"""

from __future__ import annotations

RIGHT_BATCHER = """
import asyncio


class Batcher:
    def __init__(self, send, *, size, delay):
        self.send, self.size, self.delay = send, size, delay
        self.items, self.timer = [], None

    async def put(self, item):
        self.items.append(item)
        if len(self.items) >= self.size:
            await self.flush()
        elif self.timer is None:
            self.timer = asyncio.create_task(self.wait())

    async def wait(self):
        await asyncio.sleep(self.delay)
        self.timer = None
        await self.flush()

    async def flush(self):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        items, self.items = self.items, []
        if items:
            await self.send(items)

    async def close(self):
        await self.flush()
"""
"""The right solution. Each wrong answer below changes one thing in it."""

WRONG = [
    {
        "small batches": """
race.size, race.delay = 5, 150
""",
        "too patient": """
race.size, race.delay = 100, 2000
""",
        "more traffic": """
race.rate, race.size, race.delay = 1000, 100, 100
""",
        "too little delay": """
race.size, race.delay = 100, 10
""",
        "nothing changed": """
race.size = race.size
""",
    },
    {
        "no batches": """
async with rtmon.connect(server.url, name="thrifty") as thrifty:
    for number in range(100):
        await thrifty.publish("bulk", number)
    await thrifty.flush()
""",
        "batches of four": """
async with rtmon.connect(server.url, name="thrifty", batch=Batch(size=4)) as thrifty:
    for number in range(100):
        await thrifty.publish("bulk", number)
    await thrifty.flush()
""",
        "published by the server": """
async with rtmon.connect(server.url, name="thrifty") as thrifty:
    for number in range(100):
        await hub.publish("bulk", number)
""",
        "a single publication": """
async with rtmon.connect(server.url, name="thrifty", batch=Batch(size=20)) as thrifty:
    await thrifty.publish("bulk", str(list(range(100))))
    await thrifty.flush()
""",
        "by another client": """
async with rtmon.connect(server.url, name="other", batch=Batch(size=20)) as thrifty:
    for number in range(100):
        await thrifty.publish("bulk", number)
    await thrifty.flush()
""",
    },
    {
        "no timer": f"""{RIGHT_BATCHER}

class NoTimer(Batcher):
    async def put(self, item):
        self.items.append(item)
        if len(self.items) >= self.size:
            await self.flush()


Batcher = NoTimer
""",
        "each item starts the timer anew": f"""{RIGHT_BATCHER}

class Anew(Batcher):
    async def put(self, item):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        await super().put(item)


Batcher = Anew
""",
        "clears the list after sending": f"""{RIGHT_BATCHER}

class ClearsLate(Batcher):
    async def flush(self):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        await self.send(self.items)
        self.items.clear()


Batcher = ClearsLate
""",
        "drops the rest": f"""{RIGHT_BATCHER}

class Drops(Batcher):
    async def close(self):
        if self.timer is not None:
            self.timer.cancel()


Batcher = Drops
""",
        "sends each item at once": """
class Batcher:
    def __init__(self, send, *, size, delay):
        self.send = send

    async def put(self, item):
        await self.send([item])

    async def close(self):
        pass
""",
    },
]
