"""Message shapes from widespread WebSocket examples, which the hub accepts besides its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

Place = Any


@pytest.mark.parametrize("field", ["targetClientId", "target_client_id"])
async def test_hub_accepts_both_spellings_of_a_private_message_recipient(
    place: Place, field: str
) -> None:
    """Hub accepts ``targetClientId`` and ``target_client_id`` as the recipient of a private
    message.
    """
    ada, bo = await place.connect("ada"), await place.connect("bo")
    await ada.raw(json.dumps({"type": "private_message", "payload": {field: bo.id, "text": "hi"}}))
    assert (await bo.next("private_message"))["payload"]["text"] == "hi"


async def test_hub_accepts_room_id_as_the_name_of_a_room(place: Place) -> None:
    """Hub accepts ``roomId`` as the room's name, and publishes a chat message with ``roomId`` in
    that room.
    """
    ada = await place.connect("ada")
    await ada.raw('{"type":"join_room","payload":{"roomId":"general"}}')
    assert (await ada.next("ack"))["payload"]["room"] == "general"
    message = {
        "id": "msg_123456",
        "type": "chat_message",
        "timestamp": 1627891234567,
        "payload": {"text": "Hello world", "userId": "user_123", "roomId": "general"},
        "metadata": {"version": "1.0", "source": "web_client"},
    }
    await ada.raw(json.dumps(message))
    said = await ada.next("room_message")
    assert said["id"] == "msg_123456"
    assert (said["payload"]["room"], said["payload"]["text"]) == ("general", "Hello world")
    await ada.raw('{"type":"leave_room","payload":{"roomId":"general"}}')
    assert (await ada.next("ack"))["payload"]["room"] == "general"


async def test_hub_ignores_a_timestamp_inside_the_payload(place: Place) -> None:
    """Hub ignores a timestamp in a chat message's payload, and publishes the message with its
    own time.
    """
    ada = await place.connect("ada")
    await ada.raw('{"type":"chat_message","payload":{"text":"hi","timestamp":1627891234567}}')
    assert (await ada.next("chat_message"))["payload"]["timestamp"] > 1_700_000_000_000


async def test_hub_answers_pings_with_or_without_a_timestamp(place: Place) -> None:
    """Hub answers a ping with the ping's own timestamp, or with the server's time when the ping
    has none.
    """
    ada = await place.connect("ada")
    await ada.raw('{"type":"ping"}')
    assert isinstance((await ada.next("pong"))["payload"]["timestamp"], int)
    await ada.raw('{"type":"ping","payload":{"timestamp":1627891234567}}')
    assert (await ada.next("pong"))["payload"]["timestamp"] == 1627891234567


async def test_hub_publishes_pubsub_message_with_channel_beside_the_payload(place: Place) -> None:
    """Hub publishes the payload of a ``pubsub`` message in the channel named by its ``channel``
    field, and answers with an error when this field is missing.
    """
    ada = await place.connect("ada")
    await ada.raw('{"type":"subscribe","payload":{"channel":"news"}}')
    await ada.raw('{"type":"publish","payload":{"channel":"news","data":{"n":1}}}')
    await ada.raw('{"type":"pubsub","channel":"news","payload":{"n":2}}')
    got = [(await ada.next("publication"))["payload"]["data"] for _ in range(2)]
    assert got == [{"n": 1}, {"n": 2}]
    await ada.raw('{"type":"pubsub","payload":{"n":3}}')
    assert (await ada.next("error"))["payload"]["code"] == "invalid_payload"
    await ada.raw('{"type":"pubsub","channel":"news","payload":18446744073709551616}')
    assert (await ada.next("error"))["payload"]["code"] == "invalid_payload"


async def test_hub_answers_unknown_types_in_a_batch(place: Place) -> None:
    """Hub answers an unknown message type in a batch with ``unknown_type``, and handles the next
    message of the batch.
    """
    ada = await place.connect("ada")
    await ada.raw(
        '{"type":"batch","payload":{"messages":[{"type":"chat","text":"Hello"},'
        '{"type":"chat_message","payload":{"text":"World"}}]}}'
    )
    assert (await ada.next("error"))["payload"]["code"] == "unknown_type"
    assert (await ada.next("chat_message"))["payload"]["text"] == "World"


async def test_hub_stores_file_sent_as_arrays_of_numbers(start: Any, tmp_path: Path) -> None:
    """Hub stores a file whose chunks are sent after ``file_metadata`` as JSON arrays of byte
    values.
    """
    place = await start(files=tmp_path)
    ada = await place.connect("ada")
    data = bytes(range(256)) * 150
    meta = {"name": "picture.png", "type": "image/png", "size": len(data)}
    await ada.raw(json.dumps({"type": "file_metadata", "payload": meta}))
    size = 16384
    total = -(-len(data) // size)
    for index in range(total):
        chunk = list(data[index * size : (index + 1) * size])
        payload = {"chunkIndex": index, "totalChunks": total, "data": chunk}
        await ada.raw(json.dumps({"type": "file_chunk", "payload": payload}))
    done = (await ada.next("file_done"))["payload"]
    assert (done["name"], done["size"]) == ("picture.png", len(data))
    assert (tmp_path / "picture.png").read_bytes() == data


async def test_hub_stores_empty_file_after_its_metadata(start: Any, tmp_path: Path) -> None:
    """Hub stores an empty file at once when ``file_metadata`` has size 0."""
    place = await start(files=tmp_path)
    ada = await place.connect("ada")
    await ada.send("file_metadata", {"name": "empty.txt", "type": "text/plain", "size": 0})
    assert (await ada.next("file_done"))["payload"]["name"] == "empty.txt"
    assert (tmp_path / "empty.txt").read_bytes() == b""


async def test_hub_refuses_numbered_chunk_out_of_order_or_with_invalid_bytes(
    start: Any, tmp_path: Path
) -> None:
    """Hub refuses a numbered chunk that comes before its metadata, out of order, or with values
    that are not bytes.
    """
    place = await start(files=tmp_path)
    ada = await place.connect("ada")
    chunk: dict[str, Any] = {"chunkIndex": 1, "totalChunks": 3, "data": [1]}
    assert (await ada.ask("file_chunk", chunk))["payload"]["code"] == "unknown_file"
    await ada.ask("file_metadata", {"name": "a", "size": 3})
    assert (await ada.ask("file_chunk", chunk))["payload"]["code"] == "file_offset"
    for wrong in ([256], [-1], ["a"], [1.5]):
        answer = await ada.ask("file_chunk", {**chunk, "data": wrong})
        assert answer["payload"]["code"] == "invalid_payload"
