"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

from __future__ import annotations

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
]
