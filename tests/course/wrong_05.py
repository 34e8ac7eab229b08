"""Wrong answers to the exercises of course notebook 05. For each exercise: reason why it is wrong →
code.
"""

from __future__ import annotations

WRONG = [
    {
        "one frame": """
pen.write(frame(1, b"anatomy"))
""",
        "two frames": """
pen.write(frame(1, b"anat", final=False))
pen.write(frame(0, b"omy"))
""",
        "two frames and a ping": """
pen.write(frame(1, b"anat", final=False))
pen.write(frame(9, b""))
pen.write(frame(0, b"omy"))
""",
        "another word": """
pen.write(frame(1, b"ana", final=False))
pen.write(frame(0, b"lo", final=False))
pen.write(frame(0, b"gy"))
""",
        "three messages": """
for piece in (b"ana", b"to", b"my"):
    pen.write(frame(1, piece))
""",
        "no final frame": """
pen.write(frame(1, b"ana", final=False))
pen.write(frame(0, b"to", final=False))
pen.write(frame(0, b"my", final=False))
""",
        "the word written down where the server keeps it": """
heard["/by-hand"] = "anatomy"
""",
    },
    {
        "another code": """
ended = await die(lambda w: w.write(frame(8, (4322).to_bytes(2, "big"))))
""",
        "the bytes in the wrong order": """
ended = await die(lambda w: w.write(frame(8, (4321).to_bytes(2, "little"))))
""",
        "the code as a reason": """
ended = await die(lambda w: w.write(frame(8, (1000).to_bytes(2, "big") + b"4321")))
""",
        "a text, and no goodbye": """
(await meet())[1].write(frame(1, b"4321"))
""",
        "the server says goodbye": """
async with connect(server.url) as visitor:
    port = visitor.local_address[1]
    for each in server.websockets.connections:
        if each.remote_address[1] == port:
            await each.close(4321)
""",
    },
    {
        "the mask again": """
ended = await die(deaths["does not mask"])
""",
        "another rule, another code": """
ended = await die(deaths["sends no UTF-8"])
""",
        "an end without a close frame": """
ended = await die(reset)
""",
        "a client that says 1002 itself": """
ended = await die(lambda w: w.write(frame(8, (1002).to_bytes(2, "big"))))
""",
        "an opcode that is allowed": """
hand, pen = await meet()
pen.write(frame(2, b"?"))
""",
    },
    {
        "only short lengths": """
async def read_frame(reader):
    first, second = await reader.readexactly(2)
    mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
    payload = await reader.readexactly(second & 0x7F)
    payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bool(first & 0x80), first & 0x0F, payload
""",
        "takes what is there for all that was sent": """
async def read_frame(reader):
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    mask = await reader.read(4) if second & 0x80 else bytes(4)
    payload = await reader.read(length) if length < 126 else await reader.readexactly(length)
    payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bool(first & 0x80), first & 0x0F, payload
""",
        "does not unmask": """
async def read_frame(reader):
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    if second & 0x80:
        await reader.readexactly(4)
    return bool(first & 0x80), first & 0x0F, await reader.readexactly(length)
""",
        "the final bit is taken for a part of the opcode": """
async def read_frame(reader):
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
    payload = await reader.readexactly(length)
    payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return True, first & 0x0F, payload
""",
        "gives back half a frame": """
async def read_frame(reader):
    try:
        first, second = await reader.readexactly(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
        mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
        payload = await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        return True, 1, error.partial
    payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bool(first & 0x80), first & 0x0F, payload
""",
    },
]
