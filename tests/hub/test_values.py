"""Values that applications and clients send: which the hub accepts, and how it refuses others."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import socketio

from rtmon.core.batch_buffer import Batch
from rtmon.errors import OptionError, ProtocolError
from rtmon.hub import ChannelOptions, Hub
from rtmon.hub.admission.authentication import Credentials
from rtmon.hub.brokers import redis as redis_broker
from rtmon.hub.brokers.base import Draft
from rtmon.protocol import limits
from rtmon.protocol.binary_messages import encode_attached
from rtmon.testing import until
from tests.hub.clients import SocketIOClient, StreamClient
from tests.hub.conftest import ONE_EACH, TRANSPORTS, Place
from tests.hub.nodes import Nodes
from tests.hub.redis_server import RedisServer
from tests.transports.links import SocketIOLink

Start = Callable[..., Awaitable[Place]]

HALF = "\ud83d"
"""A lone surrogate, which is no valid Unicode text: half of an emoji in UTF-16."""

BAD: tuple[Any, ...] = ({"v": HALF}, {HALF: 1}, float("nan"), [10**30], np.int64(1), b"x" * 10**6)
"""Values that cannot be encoded for clients, one of each kind."""

GOOD: tuple[tuple[Any, Any], ...] = (
    ({"v": np.float64(1.5)}, {"v": 1.5}),
    (np.str_("ä😀"), "ä😀"),
    ([None, True, 2**64 - 1], [None, True, 2**64 - 1]),
)
"""Pairs: a value that the application publishes, and the value that clients receive."""

CASES = [
    pytest.param(
        broker,
        over,
        marks=[] if over == "websocket-json" else [pytest.mark.matrix],
        id=f"{broker}-{over}",
    )
    for broker in ("memory", "redis")
    for over in TRANSPORTS
]
"""Each broker with each transport; those other than websocket-json run only in the matrix."""

TEXTUAL = ("websocket-json", "asgi-json", "sse", "memory")
"""Transports on which a test client sends JSON text of its own."""


@pytest.fixture
async def house(broker: str, start: Start, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A served hub with a memory broker or a Redis broker."""
    if broker == "memory":
        yield await start()
        return
    server: RedisServer = request.getfixturevalue("redis")
    async with Nodes.opened() as nodes:
        yield await nodes.open(server.url)


async def history(client: Any, channel: str = "c") -> list[Any]:
    """Return the data in a channel's history."""
    answer = await client.ask("history", {"channel": channel})
    assert answer["type"] == "history", answer
    return [each["payload"]["data"] for each in answer["payload"]["messages"]]


@pytest.mark.parametrize(("broker", "over"), CASES)
async def test_publish_raises_option_error_for_a_bad_value_and_keeps_the_offset(
    house: Place, over: str
) -> None:
    """Hub's ``publish()`` raises OptionError for a value that cannot be encoded, and does not
    advance the channel's offset; subscribers receive all other values.
    """
    hub = house.hub
    away = await house.connect(over=over)
    begin = (await away.ask("subscribe", {"channel": "c"}))["payload"]
    since = {"epoch": begin["epoch"], "offset": begin["offset"]}
    await away.ask("unsubscribe", {"channel": "c"})
    for subscribers in range(2):
        if subscribers:
            reader = await house.connect(over=over)
            await reader.ask("subscribe", {"channel": "c"})
        for number, (value, _) in enumerate(GOOD):
            for bad in BAD:
                with pytest.raises(OptionError, match="cannot be published to 'c'"):
                    await hub.publish("c", bad)
            receipt = await hub.publish("c", value)
            assert receipt.offset == len(GOOD) * subscribers + number + 1
    wanted = [base for _, base in GOOD]
    assert await reader.published(len(GOOD)) == wanted
    assert (await away.ask("subscribe", {"channel": "c", "since": since}))["type"] == "ack"
    assert await away.published(2 * len(GOOD)) == wanted * 2
    assert await history(reader) == wanted * 2
    for words in ({"channel": HALF}, {"message_id": HALF}, {"key": HALF}, {"message_id": ""}):
        with pytest.raises(OptionError):
            await hub.publish(**{"channel": "c", "data": 1, **words})


@pytest.mark.parametrize(("broker", "over"), CASES)
async def test_history_keeps_the_published_state_of_an_object_changed_later(
    house: Place, over: str
) -> None:
    """Subscribers and history get a published object in its state at ``publish()``, although
    the application or a callback changes the object afterwards.
    """
    ada = await house.connect(over=over)
    begin = (await ada.ask("subscribe", {"channel": "c"}))["payload"]
    heard: list[Any] = []

    def spoil(publication: Any) -> None:
        publication.data["book"].append("spoilt")

    house.hub.subscribe("c", spoil)
    house.hub.subscribe("c", lambda publication: heard.append(publication.data))
    state: dict[str, Any] = {"n": 0, "book": []}
    for number in range(3):
        state["n"] += 1
        state["book"].append(number)
        await house.hub.publish("c", state)
    state["bad"] = object()
    expected = [{"n": n, "book": list(range(n))} for n in (1, 2, 3)]
    assert await ada.published(3) == expected
    await until(lambda: len(heard) == 3)
    assert heard == expected
    assert await history(ada) == expected
    await ada.ask("unsubscribe", {"channel": "c"})
    since = {"epoch": begin["epoch"], "offset": 1}
    await ada.ask("subscribe", {"channel": "c", "since": since})
    assert await ada.published(2) == expected[1:]


@pytest.mark.parametrize(("broker", "over"), CASES)
async def test_data_of_the_maximum_size_arrives_live_by_recovery_and_in_history(
    house: Place, over: str
) -> None:
    """Data of the documented maximum size arrives live, by recovery, in history and in batches."""
    texts: list[Any] = ["x" * (limits.DATA_SIZE - 5), [1.0] * ((limits.DATA_SIZE - 5) // 9)]
    options = {"max_size": limits.SENT_SIZE} if over.startswith(("websocket", "asgi")) else {}
    ada = await house.connect(over=over, **options)
    begin = (await ada.ask("subscribe", {"channel": "c"}))["payload"]
    for value in texts:
        await house.hub.publish("c", value)
        assert await ada.published(1) == [value]
    pages: list[Any] = []
    since = {"epoch": begin["epoch"], "offset": begin["offset"]}
    for value in texts:
        page = (await ada.ask("history", {"channel": "c", "since": since}))["payload"]
        assert [each["payload"]["data"] for each in page["messages"]] == [value]
        since = {"epoch": page["epoch"], "offset": page["offset"]}
        pages.append(page["more"])
    assert pages == [True, False]
    await ada.ask("unsubscribe", {"channel": "c"})
    await ada.ask("connect", {"batch": {"size": 100, "delay": 0.2}})
    since["offset"] = begin["offset"]
    await ada.send("subscribe", {"channel": "c", "since": since})
    for value in texts:
        await until_message(ada, value)


async def until_message(client: Any, value: Any) -> None:
    """Wait for a publication with this data, alone or in a batch."""

    def wanted(message: dict[str, Any]) -> bool:
        each = message["payload"].get("messages", [message])
        return any(one["payload"].get("data") == value for one in each)

    await client.wait(wanted)


async def test_channel_batches_stay_within_the_maximum_message_size(start: Start) -> None:
    """Batches of a channel are split so that each message stays within the maximum message size
    of a client, in both codecs.
    """
    place = await start(channels={"c": ChannelOptions(batch=Batch(size=30, delay=5.0))})
    clients = [
        await place.connect(over=f"websocket-{codec}", max_size=limits.SENT_SIZE)
        for codec in ("json", "msgpack")
    ]
    for client in clients:
        await client.ask("subscribe", {"channel": "c"})
    numbers = [1.0] * 12_000
    for _ in range(30):
        await place.hub.publish("c", numbers)
    for client in clients:
        got, batches = 0, 0
        while got < 30:
            batch = await client.next("batch")
            got, batches = got + len(batch["payload"]["messages"]), batches + 1
        assert 1 < batches < 30


async def test_hub_refuses_published_data_above_the_maximum_data_size(start: Start) -> None:
    """Hub answers ``invalid_payload`` when a client publishes data above the maximum data size,
    in JSON or attached as bytes.
    """
    place = await start(max_size=4_000_000, max_waiting=8_000_000)
    ada = await place.connect(max_size=None)
    too_long = "x" * limits.DATA_SIZE
    answer = await ada.ask("publish", {"channel": "c", "data": too_long})
    assert answer["payload"]["code"] == "invalid_payload"
    envelope = b'{"type": "publish", "id": "a", "payload": {"channel": "c"}}'
    await ada.raw(encode_attached(envelope, too_long.encode()))
    error = await ada.next("error")
    assert (error["reply_to"], error["payload"]["code"]) == ("a", "invalid_payload")
    assert (await ada.ask("ping"))["type"] == "pong"


def said(number: int, text: str) -> str:
    """Return the JSON of a chat message with this JSON as its text."""
    return f'{{"type": "chat_message", "id": "m{number}", "payload": {{"text": {text}}}}}'


BAD_JSON = ('"\\ud83d"', "NaN", '{"\\udc00": 1}', "-Infinity", "1e999", "1" * 30)
"""JSON values that are not accepted as the text of a message."""


@pytest.mark.parametrize("over", TEXTUAL)
async def test_hub_answers_invalid_messages_of_a_batch_by_id_and_publishes_the_others(
    place: Place, over: str
) -> None:
    """Hub answers each invalid message of a JSON batch with an error under the message's id, and
    publishes the other messages.
    """
    ada = await place.connect("ada", over=over)
    texts = ['"one"', *BAD_JSON[:3], '"two"', *BAD_JSON[3:], '"ä😀"']
    inner = ", ".join(said(number, text) for number, text in enumerate(texts))
    await ada.raw(f'{{"type": "batch", "payload": {{"messages": [{inner}]}}}}')
    heard = [await ada.wait(lambda m: m["type"] in {"error", "chat_message"}) for _ in texts]
    good = [m["payload"]["text"] for m in heard if m["type"] == "chat_message"]
    assert good == ["one", "two", "ä😀"]
    named = [m["reply_to"] for m in heard if m["type"] == "error"]
    assert named == [f"m{n}" for n, text in enumerate(texts) if text in BAD_JSON]
    for text in BAD_JSON:
        await ada.raw(said(9, text))
        assert (await ada.next("error"))["reply_to"] == "m9"


async def test_hub_answers_invalid_message_of_a_messagepack_batch_and_publishes_the_others(
    place: Place,
) -> None:
    """Hub answers a message with invalid UTF-8 in a MessagePack batch with an error under the
    message's id, and publishes the other messages.
    """
    ada = await place.connect("ada", over="websocket-msgpack")
    good = [
        msgspec.msgpack.encode({"type": "chat_message", "id": t, "payload": {"text": t}})
        for t in ("one", "bad", "two")
    ]
    good[1] = good[1].replace(b"text\xa3bad", b"text\xa3\xed\xa0\xbd")
    head = msgspec.msgpack.encode({"type": "batch", "payload": {"messages": []}})
    await ada.raw(head[:-1] + b"\x93" + b"".join(good))
    assert (await ada.next("error"))["reply_to"] == "bad"
    texts = [m["payload"]["text"] for m in ada.heard if m["type"] == "chat_message"]
    assert [*texts, (await ada.next("chat_message"))["payload"]["text"]] == ["one", "two"]


@pytest.mark.parametrize("over", ["socketio-websocket", "socketio-polling"])
async def test_socketio_callback_gets_the_error_of_an_invalid_message(
    place: Place, over: str
) -> None:
    """Socket.IO client's callback gets the error of an invalid message, and the valid messages
    of its batch are published.
    """
    ada = await place.connect("ada", over=over)
    assert isinstance(ada, SocketIOClient)
    for bad in ({"text": HALF}, {HALF: 1, "text": "x"}, {"text": float("nan")}, {"text": 10**30}):
        answer = await ada.link.call("chat_message", bad)
        assert answer["type"] == "error", answer
    batch = [
        {"type": "chat_message", "id": text, "payload": {"text": said_}}
        for text, said_ in (("a", "one"), ("b", HALF), ("c", "two"))
    ]
    await ada.link.emit("batch", {"messages": batch})
    assert (await ada.next("error"))["reply_to"] == "b"
    texts = [m["payload"]["text"] for m in ada.heard if m["type"] == "chat_message"]
    while len(texts) < 2:
        texts.append((await ada.next("chat_message"))["payload"]["text"])
    assert texts == ["one", "two"]
    assert (await ada.link.call("publish", {"channel": "c", "data": b"\x00"}))["type"] == "ack"


async def test_socketio_client_with_invalid_unicode_name_becomes_a_guest(place: Place) -> None:
    """Socket.IO client whose name is a lone surrogate gets ``invalid_name`` and a guest name."""
    ada = await place.connect(over="socketio-polling")
    where = f"http://{await place.asgi()}"
    client = SocketIOClient(await SocketIOLink.open(where, "websocket", name=HALF, user="x" + HALF))
    place.clients.append(client)
    welcome = await client.next("welcome")
    assert welcome["payload"]["name"].startswith("guest-")
    assert (await client.next("error"))["payload"]["code"] == "invalid_name"
    assert (await ada.ask("presence"))["payload"]["count"] == 2


@pytest.mark.parametrize("over", ONE_EACH)
async def test_notify_raises_option_error_for_values_that_cannot_be_encoded(
    place: Place, over: str
) -> None:
    """Hub's ``notify()`` raises OptionError for a title, text or data that cannot be encoded,
    and sends NumPy values as plain ones.
    """
    ada = await place.connect("ada", user="ada", over=over)
    notify = place.hub.notify
    for bad in BAD:
        with pytest.raises(OptionError, match="cannot be sent to 'ada'"):
            notify("ada", "title", data=bad)
    for words in ((HALF, "t"), ("ada", HALF), ("ada", "t", HALF), ("ada", "t", "x" * 16_384)):
        with pytest.raises(OptionError):
            notify(*words)
    with pytest.raises(OptionError):
        notify("ada", "title", level=HALF)
    assert notify("ada", np.str_("title"), data={"v": np.float64(1.5)}) == 1
    got = (await ada.next("notification"))["payload"]
    assert (got["title"], got["data"]) == ("title", {"v": 1.5})


@pytest.mark.parametrize("over", ONE_EACH)
async def test_client_gets_internal_error_when_a_handler_result_cannot_be_encoded(
    place: Place, over: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Client gets the error ``internal``, and the hub logs the reason, when a custom handler
    returns a value that cannot be encoded.
    """
    results: list[Any] = []

    @place.hub.on("mine")
    async def mine(_: Any, __: Any) -> Any:
        return results.pop()

    ada = await place.connect("ada", over=over)
    for bad in BAD:
        results.append(bad)
        caplog.clear()
        answer = await ada.ask("mine")
        assert (answer["type"], answer["payload"]["code"]) == ("error", "internal")
        assert "The handler of 'mine' returned" in caplog.text
    results.append({"v": np.float64(1.5)})
    assert (await ada.ask("mine"))["payload"]["data"] == {"v": 1.5}
    results.append(b"\x00\xff")
    assert (await ada.ask("mine"))["payload"]["data"] in (b"\x00\xff", "AP8=")


@pytest.mark.parametrize("over", TRANSPORTS[:2] + TRANSPORTS[3:])
async def test_close_raises_option_error_for_invalid_code_or_reason(
    place: Place, over: str
) -> None:
    """Closing a client raises OptionError and keeps the connection when the code or reason is
    not allowed in a close frame.
    """
    ada = await place.connect("ada", over=over)
    peer = place.hub.connections[ada.id].peer
    for code, reason in (
        (4000, HALF),
        (4000, None),
        (1005, "x"),
        (1006, "x"),
        (5, "x"),
        (5000, ""),
    ):
        with pytest.raises(OptionError):
            peer.close(code, reason)  # type: ignore[arg-type]
    assert (await ada.ask("ping"))["type"] == "pong"
    peer.close(4000, np.str_("enough"))
    assert await ada.close_code() in (4000, 0)


@pytest.mark.parametrize("over", TRANSPORTS[:2] + TRANSPORTS[3:])
async def test_refusal_replaces_unencodable_characters_by_question_marks(
    start: Start, over: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Client that ``auth`` refuses with invalid Unicode text receives this text with question
    marks in place of the invalid characters.
    """

    def check(_: Credentials) -> None:
        raise ProtocolError("forbidden", np.str_(f"you {HALF} there"))

    caplog.set_level(logging.WARNING)
    place = await start(auth=check)
    shown = secrets.token_hex(4)
    if over.startswith("socketio"):
        with pytest.raises(socketio.exceptions.ConnectionError):
            await place.come(over=over, token=shown)
    else:
        eve = await place.come(over=over, token=shown)
        if isinstance(eve, StreamClient):
            await eve.stream.response.aread()
            assert eve.stream.response.json()["reason"] == "you ? there"
        else:
            error = (await eve.next("error"))["payload"]
            assert (error["code"], error["message"]) == ("forbidden", "you ? there")
            assert await eve.close_code() == 4500
    assert place.hub.refused == {"forbidden": 1}
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


async def test_node_sends_gap_for_a_publication_from_redis_that_it_cannot_encode(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Node sends ``gap`` for a publication in Redis that cannot be encoded as JSON, and
    delivers the other publications.
    """

    def as_before(draft: Draft) -> bytes:
        old = msgspec.structs.replace(draft, data={"v": float("nan")})
        return msgspec.msgpack.encode(old)

    async with Nodes.opened() as nodes:
        place = await nodes.open(redis.url)
        ada = await place.connect()
        await ada.ask("subscribe", {"channel": "c"})
        await place.hub.publish("c", 1)
        with monkeypatch.context() as patched:
            patched.setattr(redis_broker, "encode_draft", as_before)
            await place.hub.publish("c", 2)
        await place.hub.publish("c", 3)
        assert await ada.published(1) == [1]
        assert (await ada.next("gap"))["payload"]["offset"] == 2
        assert await ada.published(1) == [3]
        assert await history(ada) == [1, 3]


def test_hub_raises_option_error_for_an_invalid_name() -> None:
    """Hub raises OptionError when its ``name`` is empty, too long, not text or not valid
    Unicode.
    """
    for name in (HALF, "", "x" * 129, 7):
        with pytest.raises(OptionError, match="name"):
            Hub(name=name)


def test_python_json_writes_lone_surrogates_and_nan_as_the_test_cases_do() -> None:
    """Python's ``json.dumps()`` writes a lone surrogate and NaN exactly as the invalid JSON
    texts of this module's test cases contain them.
    """
    assert json.dumps([HALF, float("nan")]) == f"[{BAD_JSON[0]}, {BAD_JSON[1]}]"
