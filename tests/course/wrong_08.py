"""Wrong answers to the exercises of course notebook 08. For each exercise: reason why it is wrong →
code.
"""

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
    {
        "waits for each reader": """
connections = set()


async def handler(connection):
    connections.add(connection)
    await connection.wait_closed()
    connections.discard(connection)


async def publish(text):
    for connection in list(connections):
        with suppress(Exception):
            await connection.send(text)
""",
        "queues without a bound": """
queues = set()


async def handler(connection):
    queue = asyncio.Queue()
    queues.add(queue)

    async def send():
        with suppress(Exception):
            while True:
                await connection.send(await queue.get())

    sending = asyncio.create_task(send())
    await connection.wait_closed()
    queues.discard(queue)
    sending.cancel()


def publish(text):
    for queue in queues:
        queue.put_nowait(text)
""",
        "gives up the newest": """
queues = set()


async def handler(connection):
    queue = asyncio.Queue(100)
    queues.add(queue)

    async def send():
        with suppress(Exception):
            while True:
                await connection.send(await queue.get())

    sending = asyncio.create_task(send())
    await connection.wait_closed()
    queues.discard(queue)
    sending.cancel()


def publish(text):
    for queue in queues:
        if not queue.full():
            queue.put_nowait(text)
""",
        "one full queue ends the publishing": """
queues = set()


async def handler(connection):
    queue = asyncio.Queue(100)
    queues.add(queue)

    async def send():
        with suppress(Exception):
            while True:
                await connection.send(await queue.get())

    sending = asyncio.create_task(send())
    await connection.wait_closed()
    queues.discard(queue)
    sending.cancel()


def publish(text):
    for queue in queues:
        queue.put_nowait(text)
""",
        "a task for each message": """
connections = set()


async def handler(connection):
    connections.add(connection)
    await connection.wait_closed()
    connections.discard(connection)


async def send(connection, text):
    with suppress(Exception):
        await connection.send(text)


def publish(text):
    for connection in connections:
        asyncio.create_task(send(connection, text))
""",
    },
]
