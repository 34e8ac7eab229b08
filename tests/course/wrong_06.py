"""Wrong answers to the exercises of a notebook: for each exercise, reason → answer."""

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
]
