"""Server-Sent Events: headers, recovery, posts, end of streams, slow consumers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import Any

import httpx
import pytest
from sse_starlette.sse import AppStatus

from rtmon.testing import until
from tests.transports.conftest import Begin, House
from tests.transports.links import Stream


async def message(stream: Stream, kind: str) -> dict[str, Any]:
    """Return the next message of this type."""
    async with asyncio.timeout(60):
        while True:
            event = await stream.next()
            if json.loads(event.data)["type"] == kind:
                return json.loads(event.data)  # type: ignore[no-any-return]


async def said(stream: Stream, kind: str, **payload: Any) -> None:
    """Post a message to a stream."""
    response = await stream.post(json.dumps({"type": kind, "payload": payload}))
    assert (response.status_code, response.content) == (202, b"")


async def test_event_stream_has_no_buffering_headers_a_retry_time_and_keepalive_comments(
    begin: Begin,
) -> None:
    """Event stream has headers against buffering, caching and compression, a retry time, and
    comments as keepalive.
    """
    house = await begin(application={"heartbeat": 0.05})
    stream = await house.stream("name=ada")
    headers = stream.response.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["x-accel-buffering"] == "no"
    assert headers["cache-control"] == "no-store"
    assert "content-encoding" not in headers
    assert (await stream.next()).name == "welcome"
    assert stream.retry == 2000
    reading = asyncio.ensure_future(message(stream, "publication"))
    await until(lambda: stream.comments >= 2)
    assert not reading.done()
    reading.cancel()


async def test_last_event_id_recovers_rooms_and_channels_of_the_client(house: House) -> None:
    """Event stream that reconnects with ``Last-Event-ID`` is in its rooms, channels and patterns
    again, and receives the missed publications.
    """
    first = await house.stream("name=ada&room=lobby&channel=news&channel=dull")
    await message(first, "welcome")
    for _ in range(3):
        await message(first, "ack")
    await said(first, "subscribe", channel="late")
    await said(first, "subscribe", channel="many.*")
    await said(first, "unsubscribe", channel="dull")
    for _ in range(3):
        await message(first, "ack")
    await house.hub.publish("news", 1)
    assert (await message(first, "publication"))["payload"]["data"] == 1
    await first.aclose()
    await until(lambda: not house.hub.connections)

    for channel, data in [("news", 2), ("late", 3), ("dull", 4), ("news", 5)]:
        await house.hub.publish(channel, data)
    second = await house.stream("name=ada&channel=dull", **{"Last-Event-ID": first.last_id})
    assert (await message(second, "welcome"))["payload"]["recovered"] is True
    await house.hub.publish("many.things", 6)
    acks, got = [], []
    while 6 not in got:
        event = await second.next()
        payload = json.loads(event.data)["payload"]
        if event.name == "ack":
            acks.append((payload.get("room") or payload["channel"], payload.get("recovered")))
        elif event.name == "publication":
            got.append(payload["data"])
    # The channel in the URL is subscribed too, but not recovered.
    assert sorted(acks) == [
        ("dull", None),
        ("late", True),
        ("lobby", True),
        ("many.*", None),
        ("news", True),
    ]
    assert sorted(got) == [2, 3, 5, 6]
    assert got.index(2) < got.index(5)


async def test_event_stream_reports_not_recovered_when_history_is_too_short(begin: Begin) -> None:
    """Event stream that reconnects gets ``recovered`` false, and continues, when history is too
    short or the event id is of another server.
    """
    house = await begin(history=2)
    first = await house.stream("channel=news")
    await message(first, "ack")
    await first.aclose()
    for number in range(4):
        await house.hub.publish("news", number)
    late = await house.stream(**{"Last-Event-ID": first.last_id})
    assert (await message(late, "ack"))["payload"]["recovered"] is False
    assert [(await message(late, "publication"))["payload"]["data"] for _ in range(2)] == [2, 3]
    other = await house.stream("last_event_id=chat%3D5.feed%26channel%3Anews%3D1.feed")
    assert (await message(other, "welcome"))["payload"]["recovered"] is False
    assert (await message(other, "ack"))["payload"]["recovered"] is False
    wrong = await house.stream(**{"Last-Event-ID": "17"})
    await message(wrong, "welcome")
    assert (await message(wrong, "error"))["payload"]["code"] == "invalid_position"


EVIL = [
    "x\nid: 999\nevent: welcome\ndata: {}\n\n",
    "x\r\rdata: y\r\nevent: z",
    "\u2028id: 5\u2029\x85event: z\x00",
]


@pytest.mark.parametrize("evil", EVIL)
async def test_line_breaks_in_texts_and_ids_forge_no_server_sent_events(
    house: House, evil: str
) -> None:
    """Line breaks in data, message types and message ids do not create additional server-sent
    events.
    """
    stream = await house.stream("channel=c")
    await message(stream, "ack")
    await house.hub.publish("c", {evil: evil}, message_id=evil)
    event = await stream.next()
    while event.name != "publication":
        event = await stream.next()
    heard = json.loads(event.data)
    assert (heard["id"], heard["payload"]["data"]) == (evil, {evil: evil})
    assert event.id == stream.last_id
    assert event.id.startswith("chat=0.")
    await said(stream, "no " + evil, text=evil)
    assert (await message(stream, "error"))["payload"]["code"] in {
        "unknown_type",
        "invalid_message",
    }


async def test_post_to_an_event_stream_needs_the_streams_token(house: House) -> None:
    """POST to an event stream gets 401 without the stream's token or after the stream's end, and
    413 when it is too large.
    """
    stream = await house.stream()
    welcome = (await message(stream, "welcome"))["payload"]
    ping = '{"type": "ping"}'
    for token in ("-", "wrong", welcome["client_id"]):
        refused = await stream.post(ping, token)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    assert (await stream.post(ping)).status_code == 202
    assert (await stream.post("x" * 131_073)).status_code == 413
    async with httpx.AsyncClient(trust_env=False) as http:
        put = await http.put(f"http://{house.where}/events")
        assert (put.status_code, put.headers["allow"]) == (405, "GET, POST")
        await stream.aclose()
        await until(lambda: not house.hub.connections)
        headers = {"Authorization": f"Bearer {welcome['session']}"}
        gone = await http.post(f"http://{house.where}/events", content=ping, headers=headers)
    assert gone.status_code == 401


async def test_error_message_is_sent_as_an_event_named_message(house: House) -> None:
    """Hub sends an error over Server-Sent Events as an event named ``message``."""
    stream = await house.stream()
    await message(stream, "welcome")
    await said(stream, "no_such_type")
    event = await stream.next()
    while json.loads(event.data)["type"] != "error":
        event = await stream.next()
    assert event.name == "message"


async def end(stream: Stream) -> dict[str, Any]:
    """Read up to the disconnect event, check that the stream ends after it, and return its
    payload.
    """
    event = await stream.next()
    while event.name != "disconnect":
        event = await stream.next()
    with pytest.raises(StopAsyncIteration):
        await stream.next()
    return json.loads(event.data)["payload"]  # type: ignore[no-any-return]


async def test_event_stream_ends_with_a_disconnect_event_with_close_code_and_retry(
    house: House,
) -> None:
    """Event stream ends with a ``disconnect`` event that has close code, reason and ``retry``
    when the hub is closed.
    """
    stream = await house.stream()
    await message(stream, "welcome")
    await house.hub.aclose()
    assert await end(stream) == {"code": 1001, "reason": "the server stops", "retry": True}


async def test_event_stream_ends_with_a_disconnect_event_when_a_signal_stops_uvicorn(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Event stream ends with a ``disconnect`` event when a signal stops uvicorn."""
    stream = await house.stream()
    await message(stream, "welcome")
    monkeypatch.setattr(AppStatus, "should_exit", True)
    assert (await end(stream))["reason"] == "the server stops"


async def test_slow_event_stream_is_disconnected_and_another_receives_everything(
    begin: Begin,
) -> None:
    """Event stream whose client stops reading is disconnected with its drops counted, while
    another stream receives every publication.
    """
    house = await begin(max_waiting=200_000, stalled=0.5, history=0)
    reader = await house.stream("channel=big&name=reader")
    for _ in range(2):
        await reader.next()
    host, _, port = house.where.partition(":")
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(stalled, (host, int(port)))
        request = b"GET /events?channel=big&name=stalled HTTP/1.1\r\nHost: x\r\n\r\n"
        await loop.sock_sendall(stalled, request)
        await until(lambda: len(house.hub.connections) == 2)
        sent = 0
        while len(house.hub.connections) == 2:
            await house.hub.publish("big", "x" * 50_000)
            sent += 1
            assert len((await message(reader, "publication"))["payload"]["data"]) == 50_000
            assert sent < 1000
        await until(lambda: house.row("stalled").state == "closed")
        await until(lambda: not house.unsent)
    assert (house.row("stalled").dropped or 0) > 0
    assert (house.row("reader").dropped or 0) == 0


async def test_monitor_counts_events_and_posts_of_an_event_stream(house: House) -> None:
    """Monitor counts the events and the posts of an event stream as messages, but not its
    keepalive comments.
    """
    stream = await house.stream("name=ada", **{"User-Agent": "tester/1"})
    await message(stream, "welcome")
    texts = ['{"type": "ping"}', '{"type": "no", "payload": {"text": "ü"}}']
    for text in texts:
        await stream.post(text)
    await stream.post('{"type": "disconnect"}')
    with contextlib.suppress(StopAsyncIteration):
        while True:
            await stream.next()
    await until(lambda: house.row("ada").state == "closed")
    row = house.row("ada")
    assert (row.transport, row.path, row.user_agent) == ("sse", "/events", "tester/1")
    assert row.messages_out == len(stream.texts)
    assert row.bytes_out == sum(len(text.encode()) for text in stream.texts)
    assert row.messages_in == 3
    assert row.bytes_in == sum(len(text.encode()) for text in [*texts, '{"type": "disconnect"}'])
    assert row.errors == 1
