"""Codecs, limits, close codes, and the page docs/protocol.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.errors import ProtocolError
from rtmon.protocol import binary_messages, close, limits
from rtmon.protocol.catalog import INCOMING, OUTGOING, Publish
from rtmon.protocol.codecs import CODECS, JSON, MSGPACK, Codec, for_subprotocol, select_subprotocol
from rtmon.protocol.data_encoding import decode_data, encode_value
from rtmon.protocol.envelope import Message
from rtmon.protocol.json_schema import catalog_schema

DOCS = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")

data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=lambda codec: codec.name)
@given(value=data)
def test_data_survives_every_codec(codec: Codec, value: Any) -> None:
    """Accepted data is decoded equal from either codec."""
    encode_value(value)
    message = Message(id="1", type="publish", timestamp=1, payload={"channel": "c", "data": value})
    envelope = codec.decode(codec.encode(message))
    assert decode_data(codec.payload(envelope.payload, Publish, of="publish").data) == value


def code_of(work: Callable[[], object]) -> str | None:
    """The code of the raised ProtocolError; None without one."""
    try:
        work()
    except ProtocolError as error:
        return error.code
    return None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_protocol_error(noise: bytes) -> None:
    """Decoding arbitrary bytes raises no other exception."""
    for codec in (JSON, MSGPACK):

        def decode(codec: Codec = codec) -> None:
            envelope = codec.decode(noise)
            codec.payload(envelope.payload, INCOMING.get(envelope.type, dict), of="noise")

        known = {None, "invalid_message", "invalid_payload", "unsupported_version"}
        assert code_of(decode) in known
        codec.salvage_id(noise)
    assert code_of(lambda: binary_messages.decode_chunk(noise)) in {None, "invalid_message"}
    assert code_of(lambda: binary_messages.decode_attached(noise)) in {None, "invalid_message"}


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 2**64, b"x", {1: 2}, {"a": {3}}])
def test_value_is_refused_when_a_codec_or_browser_cannot_carry_it(wrong: Any) -> None:
    """Such a value is refused at any depth."""
    for value in (wrong, [wrong], {"a": [wrong]}):
        with pytest.raises((TypeError, ValueError)):
            encode_value(value)


def test_nesting_is_bounded_at_the_documented_depth() -> None:
    """The documented depth is accepted, and one level more refused."""
    value: Any = 1
    for _ in range(limits.DATA_DEPTH):
        value = [value]
    encode_value(value)
    with pytest.raises(ValueError, match="deep"):
        encode_value([value])


@given(st.text(st.characters(codec="ascii"), max_size=64), st.integers(0, 2**64 - 1), st.binary())
def test_chunk_is_decoded_equal(file: str, offset: int, content: bytes) -> None:
    """A decoded chunk equals the encoded one, and is no envelope."""
    chunk = binary_messages.encode_chunk(file, offset, content)
    assert chunk[0] == binary_messages.CHUNK
    got, where, inside = binary_messages.decode_chunk(chunk)
    assert (got, where, bytes(inside)) == (file, offset, content)


@given(st.binary(), st.binary())
def test_attachment_is_decoded_equal(envelope: bytes, content: bytes) -> None:
    """A decoded envelope and its data equal the encoded ones."""
    attached = binary_messages.encode_attached(envelope, content)
    assert attached[0] == binary_messages.ATTACHED
    assert binary_messages.decode_attached(attached) == (envelope, content)


def test_first_known_subprotocol_is_chosen() -> None:
    """The server chooses the client's first known subprotocol; without one it uses JSON."""
    assert list(CODECS) == ["rtmon.v1.json", "rtmon.v1.msgpack"]
    assert select_subprotocol(["soap", "rtmon.v1.msgpack", "rtmon.v1.json"]) == "rtmon.v1.msgpack"
    assert select_subprotocol(["soap"]) is None
    assert for_subprotocol(None) is JSON
    assert for_subprotocol("rtmon.v1.msgpack") is MSGPACK


def test_error_quotes_only_part_of_a_long_value() -> None:
    """An error does not repeat all of a wrong value."""
    raw = msgspec.json.encode({"channel": "c", "encoding": "x" * 10_000})
    with pytest.raises(ProtocolError) as caught:
        JSON.payload(msgspec.Raw(raw), INCOMING["publish"], of="publish")
    assert len(caught.value.message) < 500


def test_error_names_a_malformed_message_by_its_id() -> None:
    """An error has the message's id if the id can be read."""
    assert JSON.salvage_id('{"id": "x", "type": 7}') == "x"
    assert JSON.salvage_id("nonsense") is None


EFFECTIVE = [
    (None, None, 1006),
    (1000, None, 1006),
    (1001, None, 1006),
    (1011, None, 1006),
    (None, 1005, 1005),
    (1000, 1001, 1001),
    (1001, 1005, 1005),
    (1002, None, 1002),
    (1003, None, 1003),
    (1007, None, 1007),
    (1009, None, 1009),
    (1010, None, 1010),
    (1009, 1000, 1000),
]


@pytest.mark.parametrize(("sent", "received", "code"), EFFECTIVE)
def test_effective_close_code_comes_from_the_received_frame(
    sent: int | None, received: int | None, code: int
) -> None:
    """Without a received close frame it is a code for failing the connection, or 1006."""
    assert close.effective_code(sent, received) == code


def test_close_codes_are_described() -> None:
    """Every code has a description, and says whether to reconnect."""
    assert close.describe(1000) == "normal"
    assert close.describe(1001) == "going away"
    assert close.describe(1006) == "abnormal"
    assert [close.describe(c) for c in (3000, 4401, 4599, 5000, 999)] == [
        "registered",
        "application, come back",
        "application, stay away",
        "unknown",
        "unknown",
    ]
    assert [close.may_reconnect(c) for c in (1000, 1001, 1006, 1008, 1013, 4000, 4400, 4500)] == [
        False,
        True,
        True,
        False,
        True,
        True,
        True,
        False,
    ]
    for code, entry in close.CODES.items():
        assert entry.code == code
        assert entry.meaning.endswith(".")
    assert all(not 4500 <= c < 5000 for c, e in close.CODES.items() if e.reconnect)


def test_schema_covers_the_catalog() -> None:
    """The schema describes every message type of both sides, and has no missing reference."""
    schema = catalog_schema()
    text = json.dumps(schema)
    for kind in INCOMING:
        assert f"client.{kind}" in schema["$defs"]
    for kind in OUTGOING:
        assert f"server.{kind}" in schema["$defs"]
    for reference in re.findall(r'"#/\$defs/([^"]+)"', text):
        assert reference in schema["$defs"]
    chat = schema["$defs"]["ChatIn"]
    assert chat["required"] == ["text"]
    assert chat["properties"]["text"]["maxLength"] == limits.TEXT_LENGTH


def test_catalog_is_complete() -> None:
    """Every message type of the protocol has a row."""
    promised = {
        *("connect", "welcome", "disconnect", "ping", "pong", "chat_message", "private_message"),
        *("typing_start", "typing_end", "user_joined", "user_left", "user_online"),
        *("user_offline", "join_room", "leave_room", "room_message", "subscribe", "unsubscribe"),
        *("publish", "publication", "presence", "history", "notification", "batch", "ack"),
        *("file_offer", "file_chunk", "file_done", "file_abort", "error"),
    }
    assert promised <= set(INCOMING) | set(OUTGOING)


@pytest.mark.parametrize("kind", sorted(set(INCOMING) | set(OUTGOING)))
def test_docs_name_every_field(kind: str) -> None:
    """docs/protocol.md names each message type and each field of its payloads."""
    assert f"`{kind}`" in DOCS or f"**`{kind}`**" in DOCS
    for catalog in (INCOMING, OUTGOING):
        if kind in catalog:
            for field in msgspec.structs.fields(catalog[kind]):
                assert re.search(rf"\b{field.encode_name}\b", DOCS), field.encode_name


LIMITS_IN_DOCS = {
    "message from a client": limits.MESSAGE_SIZE,
    "message from the server": limits.SENT_SIZE,
    "`data` in either codec": limits.DATA_SIZE,
    "a name of a client, user, room or channel": limits.NAME_LENGTH,
    "`id`": limits.ID_LENGTH,
    "`type`": limits.TYPE_LENGTH,
    "`text`": limits.TEXT_LENGTH,
    "`info`, as JSON": limits.INFO_SIZE,
    "nesting of lists and objects in `data` and `info`": limits.DATA_DEPTH,
    "rooms of one client": limits.ROOMS_PER_CLIENT,
    "members of one room": limits.MEMBERS_PER_ROOM,
    "subscriptions of one client": limits.CHANNELS_PER_CLIENT,
    "messages of one client, on average": int(limits.RATE),
    "messages of one client in a burst": limits.BURST,
    "bytes of one client, on average; faster input is read later": int(limits.BYTE_RATE),
    "a token": limits.TOKEN_LENGTH,
    "users, and addresses, whose rate limits are kept": limits.KEYS_LIMITED,
    "members named in one message": limits.MEMBERS_LISTED,
    "publications in one `history`": limits.HISTORY_PAGE,
    "messages in one `batch`": limits.BATCH_MAX_MESSAGES,
    "longest delay of a batch": int(limits.BATCH_MAX_DELAY),
    "message ids kept for deduplication, of all clients": limits.DEDUPE_IDS,
    "time for which a message id is kept": int(limits.DEDUPE_SECONDS),
    "channels and rooms without subscribers whose history is kept": limits.CHANNELS_KEPT,
    "bytes that wait for one receiver": limits.WAITING_BYTES,
    "messages that wait for one receiver": limits.WAITING_MESSAGES,
    "age of a message that waits for one receiver": int(limits.WAITING_AGE),
    "time in which a receiver reads nothing of what waits": int(limits.STALLED),
    "data in one file chunk": limits.FILE_CHUNK_MAX,
    "one file": limits.FILE_SIZE,
    "name of a file, in UTF-8": limits.FILE_NAME_LENGTH,
    "transfers of one client at once, in each direction": limits.FILES_PER_CLIENT,
    "uploads of all clients at once": limits.FILES_UNDER_WAY,
    "`version` in `metadata`": limits.VERSION_LENGTH,
    "`source` in `metadata`": limits.SOURCE_LENGTH,
    "encoded messages in one `history` or `batch`": limits.REPLY_BYTES,
    "shortest `heartbeat`": int(limits.HEARTBEAT_MIN),
    "longest `heartbeat`": int(limits.HEARTBEAT_MAX),
    "rooms and clients to which one client is typing at once": limits.TYPING_PER_CLIENT,
    "publications queued for one subscriber during its recovery": limits.CATCHING_UP,
    "`mime` of a file": limits.FILE_MIME_LENGTH,
    "time for which an interrupted upload can be resumed": int(limits.FILE_IDLE),
    "time for which space is reserved without new data": int(limits.FILE_RESERVED),
    "files in the server's folder": limits.FILES_KEPT,
    "files offered to others at once": limits.FILES_OFFERED,
}


@pytest.mark.parametrize("what", LIMITS_IN_DOCS)
def test_docs_state_the_limits(what: str) -> None:
    """Each limit in docs/protocol.md is the one in the code."""
    found = re.search(rf"^\| {re.escape(what)} +\| ([\d,]+)", DOCS, re.MULTILINE)
    assert found is not None
    assert int(found.group(1).replace(",", "")) == LIMITS_IN_DOCS[what]


def test_docs_explain_every_error_code() -> None:
    """docs/protocol.md has exactly the error codes that the code uses."""
    package = Path(close.__file__).parents[1]
    sources = [*(package / "hub").rglob("*.py"), *(package / "protocol").rglob("*.py")]
    raised: set[str] = set()
    for source in sources:
        text = source.read_text(encoding="utf-8")
        raised.update(re.findall(r'ProtocolError\(\s*"(\w+)"', text))
    table = DOCS.split("## Errors")[1].split("## Close codes")[0]
    explained = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    assert explained == raised


def test_docs_explain_the_hubs_close_codes() -> None:
    """docs/protocol.md and the code agree which close codes allow a reconnect."""
    table = DOCS.split("## Close codes")[1].split("## Limits")[0]
    rows = re.findall(r"^\| (\d{4}) \|.*\| (yes|no) +\|$", table, re.MULTILINE)
    assert len(rows) >= 9
    for code, answer in rows:
        assert close.may_reconnect(int(code)) is (answer == "yes")
