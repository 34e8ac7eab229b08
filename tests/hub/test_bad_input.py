"""Malformed messages: the hub answers each with an error, and keeps the connection open."""

from __future__ import annotations

import json
import struct
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rtmon.protocol import limits
from rtmon.protocol.binary_messages import encode_attached

Place = Any


def publish(data: str) -> str:
    """Return the JSON text of a publish message with this JSON text as its data."""
    return f'{{"type": "publish", "id": "x", "payload": {{"channel": "c", "data": {data}}}}}'


BAD_TEXT = {
    "nothing": ("", "invalid_message"),
    "not JSON": ("hello", "invalid_message"),
    "a list": ("[1, 2]", "invalid_message"),
    "null": ("null", "invalid_message"),
    "a number": ("7", "invalid_message"),
    "no type": ('{"payload": {}}', "invalid_message"),
    "a type that is no text": ('{"type": 7}', "invalid_message"),
    "an empty type": ('{"type": ""}', "invalid_message"),
    "an endless type": (json.dumps({"type": "x" * 65}), "invalid_message"),
    "an unknown type": ('{"type": "nope"}', "unknown_type"),
    "a type only the server sends": ('{"type": "welcome"}', "unknown_type"),
    "a payload that is a list": ('{"type": "ping", "payload": []}', "invalid_payload"),
    "a payload that is null": ('{"type": "ping", "payload": null}', "invalid_payload"),
    "a field of the wrong type": (
        '{"type": "chat_message", "payload": {"text": 7}}',
        "invalid_payload",
    ),
    "a field that is missing": ('{"type": "chat_message", "payload": {}}', "invalid_payload"),
    "lists 100,000 deep": (publish("[" * 50_000 + "]" * 50_000), "invalid_message"),
    "lists 33 deep": (publish("[" * 33 + "]" * 33), "invalid_payload"),
    "an integer of 5,000 digits": (publish("9" * 5_000), "invalid_payload"),
    "an integer of 400 digits": (publish("9" * 400), "invalid_payload"),
    "an integer of 65 bits": (publish(str(2**64)), "invalid_payload"),
    "NaN": (publish("NaN"), "invalid_message"),
    "Infinity": (publish("-Infinity"), "invalid_message"),
    "a number beyond all floats": (publish("1e999"), "invalid_payload"),
    "a lone surrogate": (publish('"\\ud800"'), "invalid_message"),
    "a lone low surrogate": (publish('"\\udc00 x"'), "invalid_message"),
    "a room that is not there": (
        '{"type": "room_message", "payload": {"room": "r", "text": "x"}}',
        "unknown_room",
    ),
    "leaving a room that is not there": (
        '{"type": "leave_room", "payload": {"room": "r"}}',
        "unknown_room",
    ),
    "a name too long": (
        json.dumps({"type": "join_room", "payload": {"room": "r" * 129}}),
        "invalid_payload",
    ),
    "a name with a control character": (
        '{"type": "join_room", "payload": {"room": "a\\n"}}',
        "invalid_payload",
    ),
    "an empty name": ('{"type": "join_room", "payload": {"room": ""}}', "invalid_payload"),
    "a text too long": (
        json.dumps({"type": "chat_message", "payload": {"text": "x" * 16_385}}),
        "invalid_payload",
    ),
    "an id too long": (json.dumps({"type": "ping", "id": "x" * 129}), "invalid_message"),
    "another version": ('{"type": "ping", "metadata": {"version": "2"}}', "unsupported_version"),
    "info too large": (
        json.dumps({"type": "connect", "payload": {"info": "x" * 2_047}}),
        "invalid_payload",
    ),
    "malformed base64": (
        '{"type": "publish", "payload": {"channel": "c", "data": "?", "encoding": "base64"}}',
        "invalid_payload",
    ),
    "a malformed digest": (
        '{"type": "file_done", "payload": {"file": "f", "sha256": "x"}}',
        "invalid_payload",
    ),
    "a position never reached": (None, "invalid_position"),
}


@pytest.mark.parametrize("what", BAD_TEXT)
async def test_hub_answers_malformed_text_message_with_error_and_keeps_the_connection(
    place: Place, what: str
) -> None:
    """Hub answers a malformed text message with the right error code, keeps the connection and
    publishes nothing.
    """
    ada = await place.connect("ada", max_size=None)
    text, code = BAD_TEXT[what]
    if text is None:
        epoch = ada.welcome["payload"]["epoch"]
        since = {"channel": "c", "since": {"epoch": epoch, "offset": 5}}
        text = json.dumps({"type": "subscribe", "payload": since})
    await ada.raw(text)
    error = await ada.next("error")
    assert error["payload"]["code"] == code
    assert error["payload"]["message"]
    assert "regex" not in error["payload"]["message"]
    assert error["payload"]["retry"] is False
    assert (await ada.ask("ping"))["type"] == "pong"
    assert (await ada.ask("history", {"channel": "c"}))["payload"]["messages"] == []


def packed(data: bytes) -> bytes:
    """Return a MessagePack publish message with these bytes as its data."""
    head = b"\x82\xa4type\xa7publish\xa7payload\x82\xa7channel\xa1c\xa4data"
    return head + data


BAD_BINARY = {
    "nothing": (b"", "invalid_message"),
    "cut short": (b"\x82\xa4type", "invalid_message"),
    "a list": (b"\x90", "invalid_message"),
    "nil": (b"\xc0", "invalid_message"),
    "an unused byte": (b"\xc1", "invalid_message"),
    "NaN": (packed(b"\xcb" + struct.pack(">d", float("nan"))), "invalid_payload"),
    "infinity in 32 bits": (packed(b"\xca" + struct.pack(">f", float("inf"))), "invalid_payload"),
    "lists 100,000 deep": (packed(b"\x91" * 100_000 + b"\x90"), "invalid_message"),
    "an extension": (
        packed(msgspec.msgpack.encode(msgspec.msgpack.Ext(5, b"x"))),
        "invalid_payload",
    ),
    "a time": (packed(b"\xd6\xff\x00\x00\x00\x00"), "invalid_payload"),
    "keys that are no text": (packed(b"\x81\x01\x01"), "invalid_payload"),
    "keys that are lists": (packed(b"\x81\x90\x01"), "invalid_payload"),
    "bytes inside": (packed(b"\x91\xc4\x01a"), "invalid_payload"),
    "text that is not UTF-8": (packed(b"\xa2\xff\xfe"), "invalid_payload"),
    "a lone surrogate": (packed(b"\xa3\xed\xa0\x80"), "invalid_payload"),
    "more announced than comes": (packed(b"\xdd\xff\xff\xff\xff"), "invalid_message"),
    "a NaN as timestamp": (
        b"\x82\xa4type\xa4ping\xa7payload\x81\xa9timestamp\xcb" + struct.pack(">d", float("nan")),
        "invalid_payload",
    ),
    "a chunk cut short": (b"\x01\x20abc", "invalid_message"),
    "a chunk of an unknown file": (b"\x01\x02ab" + b"\0" * 8, "unknown_file"),
    "an attachment cut short": (b"\x02\x00\x00\x00\xff{}", "invalid_message"),
}


@pytest.mark.parametrize("what", BAD_BINARY)
async def test_hub_answers_malformed_messagepack_with_error_and_keeps_the_connection(
    place: Place, what: str
) -> None:
    """Hub answers a malformed MessagePack message with the right error code, keeps the
    connection and publishes nothing.
    """
    ada = await place.connect("ada", over="websocket-msgpack")
    data, code = BAD_BINARY[what]
    await ada.raw(data)
    error = await ada.next("error")
    assert error["payload"]["code"] == code
    assert (await ada.ask("ping"))["type"] == "pong"
    assert (await ada.ask("history", {"channel": "c"}))["payload"]["messages"] == []


async def test_hub_reads_json_from_binary_message_and_refuses_invalid_utf8(place: Place) -> None:
    """Hub reads JSON from a binary WebSocket message, and answers with an error when the bytes
    are not valid UTF-8.
    """
    ada = await place.connect("ada")
    await ada.raw(b'{"type": "ping", "id": "b"}')
    assert (await ada.next("pong"))["reply_to"] == "b"
    await ada.raw(b'{"type": "chat_message", "payload": {"text": "\xff"}}')
    assert (await ada.next("error"))["payload"]["code"] == "invalid_payload"
    await ada.raw(b'{"type": "\xff"}')
    assert (await ada.next("error"))["payload"]["code"] == "invalid_message"


async def test_hub_uses_the_last_value_when_a_json_key_is_repeated(place: Place) -> None:
    """Hub uses the last value of a JSON key that occurs twice, in the message's fields and in
    its data.
    """
    ada = await place.connect("ada")
    await ada.ask("subscribe", {"channel": "c"})
    await ada.raw(
        '{"type": "ping", "type": "publish", "payload": {"channel": "x", "channel": "c", '
        '"data": {"a": 1, "a": 2}}}'
    )
    assert (await ada.next("publication"))["payload"]["data"] == {"a": 2}


async def test_names_and_texts_with_markup_arrive_unchanged(place: Place) -> None:
    """Client receives names and chat texts with HTML markup or control characters exactly as
    they were sent.
    """
    ada = await place.connect("ada")
    name = "<img src=x onerror=alert(1)>\u202e'\""
    await ada.ask("connect", {"name": name})
    await ada.send("chat_message", {"text": "</script>\u2028"})
    said = (await ada.next("chat_message"))["payload"]
    assert (said["name"], said["text"]) == (name, "</script>\u2028")


async def test_client_becomes_a_guest_when_the_name_in_its_url_is_invalid(place: Place) -> None:
    """Client gets the error ``invalid_name`` and a guest name when the name in its URL is too
    long.
    """
    ada = await place.connect("x" * 200)
    assert (await ada.next("error"))["payload"]["code"] == "invalid_name"
    assert ada.welcome["payload"]["name"].startswith("guest-")


async def test_hub_reads_the_query_when_the_url_path_is_malformed(place: Place) -> None:
    """Hub reads the client's name from the query even when the path before it is malformed
    (``/[?name=ada``).
    """
    async with connect(f"{place.url}/[?name=ada") as client:
        welcome = json.loads(await client.recv())
    assert (welcome["type"], welcome["payload"]["name"]) == ("welcome", "ada")


async def test_hub_reports_each_error_reply_to_the_transport(start: Any) -> None:
    """Hub reports each error reply to the client's transport, which counts error replies."""
    place = await start()
    ada = await place.connect("ada", over="memory")
    for _ in range(3):
        await ada.ask("nope")
    assert ada.peer.errors == 3


async def test_hub_answers_rate_limited_then_closes_a_flooding_client_with_1008(start: Any) -> None:
    """Hub answers messages above the rate limit with ``rate_limited``, and closes a client that
    keeps sending with 1008.
    """
    place = await start(rate=0.1, burst=5)
    ada = await place.connect("ada")
    for number in range(7):
        await ada.send("ping", id=str(number))
    refused = await ada.next("error")
    assert refused["payload"]["code"] == "rate_limited"
    assert refused["payload"]["retry"] is True
    assert refused["reply_to"] == "5"
    envelope = b'{"type": "publish", "id": "with data", "payload": {"channel": "c"}}'
    await ada.raw(encode_attached(envelope, b"data"))
    assert [(await ada.next("error"))["reply_to"] for _ in range(2)] == ["6", "with data"]
    try:
        for _ in range(limits.FLOOD_STRIKES + 5):
            await ada.send("ping")
    except ConnectionClosed:
        pass
    assert await ada.close_code() == 1008


async def test_server_closes_client_with_1009_when_its_message_is_too_large(place: Place) -> None:
    """Server closes a client with 1009 (message too big) when it sends a message above the size
    limit.
    """
    ada = await place.connect("ada")
    await ada.raw("x" * (limits.MESSAGE_SIZE + 1))
    assert await ada.close_code() == 1009


async def test_largest_messagepack_message_reaches_a_json_client_below_one_mebibyte(
    place: Place,
) -> None:
    """JSON client with a limit of 1 MiB per message receives the MessagePack publication that
    grows most when the hub converts it to JSON.
    """
    ada = await place.connect("ada", over="websocket-msgpack")
    bo = await place.connect("bo")
    await bo.ask("subscribe", {"channel": "c"})
    data = [False] * (limits.MESSAGE_SIZE - 200)
    await ada.send("publish", {"channel": "c", "data": data})
    assert (await bo.next("publication"))["payload"]["data"] == data


async def test_hub_closes_slow_consumer_with_1013_and_other_clients_miss_nothing(
    start: Any,
) -> None:
    """Hub closes a client that stops reading with 1013, while another subscriber receives every
    message.
    """
    place = await start(max_waiting=262_144, max_size=131_072, history=0)
    slow, ada = await place.connect("slow", compression=None), await place.connect("ada")
    for client in (slow, ada):
        await client.ask("subscribe", {"channel": "c"})
    slow.connection.transport.pause_reading()
    stats, data = place.hub.channel_stats()["channel:c"], "x" * 50_000
    while not stats.dropped:
        assert stats.published < 1_000, "50 MB wait for the client"
        await place.hub.publish("c", data)
        await ada.next("publication")
    slow.connection.transport.resume_reading()
    assert await slow.close_code() == 1013
