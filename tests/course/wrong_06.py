"""Wrong answers to the exercises of course notebook 06. For each exercise: reason why it is wrong →
code.
"""

from __future__ import annotations

WRONG = [
    {
        "a byte is missing": """
answer = (await eve.send_file(photo[1:], name="photo.jpg")).payload["name"]
""",
        "another name": """
answer = (await eve.send_file(photo, name="picture.jpg")).payload["name"]
""",
        "another client sent it": """
answer = (await readers["json"].send_file(photo, name="photo.jpg")).payload["name"]
""",
        "written beside the hub": """
answer = "photo-2.jpg"
(Path(folder.name) / answer).write_bytes(photo)
""",
        "the name is not the one that the server gave": """
await eve.send_file(photo, name="photo.jpg")
answer = "my photo.jpg"
""",
    },
    {
        "too little": """
await hub.publish("sensor", b"too little")
""",
        "text": """
await hub.publish("sensor", "x" * 1_500)
""",
        "a list of numbers": """
await hub.publish("sensor", list(os.urandom(1_500)))
""",
        "two halves": """
await hub.publish("sensor", os.urandom(500))
await hub.publish("sensor", os.urandom(500))
""",
        "another channel": """
await hub.publish("sensors", os.urandom(1_500))
""",
    },
    {
        "nobody took it": """
await eve.send_file(photo, name="for-max.bin", to=readers["msgpack"].client_id)
""",
        "written beside the hub": """
taken.write_bytes(b"cheat")
""",
        "the photo written beside the hub": """
taken.write_bytes(photo)
""",
        "sent to the hub, and copied": """
await eve.send_file(photo, name="for-max.bin")
taken.write_bytes(photo)
""",
        "to the other reader": """
from rtmon.testing import until

offers = []
readers["json"].on("file_offer")(offers.append)
await eve.send_file(photo, name="for-ann.bin", to=readers["json"].client_id)
await until(lambda: offers)
await readers["json"].receive_file(offers[0], taken)
""",
        "another file": """
from rtmon.testing import until

offers = []
readers["msgpack"].on("file_offer")(offers.append)
await eve.send_file(film, name="for-max.bin", to=readers["msgpack"].client_id)
await until(lambda: offers)
await readers["msgpack"].receive_file(offers[0], taken)
""",
    },
    {
        "begins anew after a cut": """
import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def fetch(url, path):
    data, size = bytearray(), None
    while size is None or len(data) < size:
        data.clear()
        try:
            async with connect(url) as source:
                await source.send("0")
                announced = json.loads(await source.recv())
                size = announced["size"]
                async for chunk in source:
                    data += chunk
        except (OSError, ConnectionClosed):
            await asyncio.sleep(0.1)
    if hashlib.sha256(data).hexdigest() != announced["sha256"]:
        raise ValueError("the file does not fit its hash")
    path.write_bytes(data)
""",
        "shows half a file": """
import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def fetch(url, path):
    path.write_bytes(b"")
    size = None
    while size is None or path.stat().st_size < size:
        try:
            async with connect(url) as source:
                await source.send(str(path.stat().st_size))
                announced = json.loads(await source.recv())
                size = announced["size"]
                async for chunk in source:
                    path.write_bytes(path.read_bytes() + chunk)
        except (OSError, ConnectionClosed):
            await asyncio.sleep(0.1)
    if hashlib.sha256(path.read_bytes()).hexdigest() != announced["sha256"]:
        path.unlink()
        raise ValueError("the file does not fit its hash")
""",
        "does not compare the hash": """
import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def fetch(url, path):
    data, size = bytearray(), None
    while size is None or len(data) < size:
        try:
            async with connect(url) as source:
                await source.send(str(len(data)))
                size = json.loads(await source.recv())["size"]
                async for chunk in source:
                    data += chunk
        except (OSError, ConnectionClosed):
            await asyncio.sleep(0.1)
    path.write_bytes(data)
""",
        "gives up at the first cut": """
import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def fetch(url, path):
    async with connect(url) as source:
        await source.send("0")
        announced = json.loads(await source.recv())
        data = b"".join([chunk async for chunk in source])
    if hashlib.sha256(data).hexdigest() != announced["sha256"]:
        raise ValueError("the file does not fit its hash")
    path.write_bytes(data)
""",
        "keeps what did not fit": """
kept = bytearray()


import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def fetch(url, path):
    size = None
    while size is None or len(kept) < size:
        try:
            async with connect(url) as source:
                await source.send(str(len(kept)))
                announced = json.loads(await source.recv())
                size = announced["size"]
                async for chunk in source:
                    kept.extend(chunk)
        except (OSError, ConnectionClosed):
            await asyncio.sleep(0.1)
    if hashlib.sha256(kept).hexdigest() != announced["sha256"]:
        raise ValueError("the file does not fit its hash")
    path.write_bytes(kept)
    kept.clear()
""",
    },
]
