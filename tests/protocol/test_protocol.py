"""Codecs, limits, close codes, JSON schema, and the facts in docs/protocol.md."""

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
def test_data_is_equal_after_encoding_and_decoding_in_every_codec(codec: Codec, value: Any) -> None:
    """Accepted data is equal after it is encoded and decoded in JSON and MessagePack."""
    encode_value(value)
    message = Message(id="1", type="publish", timestamp=1, payload={"channel": "c", "data": value})
    envelope = codec.decode(codec.encode(message))
    assert decode_data(codec.payload(envelope.payload, Publish, of="publish").data) == value


def code_of(work: Callable[[], object]) -> str | None:
    """Return the code of the ProtocolError that ``work`` raises, or None when it raises none."""
    try:
        work()
    except ProtocolError as error:
        return error.code
    return None


@given(st.binary(max_size=200))
def test_codecs_decode_any_bytes_or_raise_protocol_error(noise: bytes) -> None:
    """Codecs decode arbitrary bytes to a message or raise ProtocolError, but no other exception."""
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
def test_nan_infinity_huge_integers_and_nested_bytes_are_refused(wrong: Any) -> None:
    """Encoding NaN, infinity, an integer of 65 bits, bytes or sets raises TypeError or
    ValueError at any depth.
    """
    for value in (wrong, [wrong], {"a": [wrong]}):
        with pytest.raises((TypeError, ValueError)):
            encode_value(value)


def test_data_is_accepted_up_to_the_documented_nesting_depth() -> None:
    """Data is accepted at the documented nesting depth, and raises ValueError one level deeper."""
    value: Any = 1
    for _ in range(limits.DATA_DEPTH):
        value = [value]
    encode_value(value)
    with pytest.raises(ValueError, match="deep"):
        encode_value([value])


@given(st.text(st.characters(codec="ascii"), max_size=64), st.integers(0, 2**64 - 1), st.binary())
def test_file_chunk_is_equal_after_encoding_and_decoding(
    file: str, offset: int, content: bytes
) -> None:
    """File chunk is equal after encoding and decoding, and begins with the byte that marks a
    chunk.
    """
    chunk = binary_messages.encode_chunk(file, offset, content)
    assert chunk[0] == binary_messages.CHUNK
    got, where, inside = binary_messages.decode_chunk(chunk)
    assert (got, where, bytes(inside)) == (file, offset, content)


@given(st.binary(), st.binary())
def test_message_with_attached_bytes_is_equal_after_encoding_and_decoding(
    envelope: bytes, content: bytes
) -> None:
    """Message with attached bytes is equal after encoding and decoding, and begins with the byte
    that marks it.
    """
    attached = binary_messages.encode_attached(envelope, content)
    assert attached[0] == binary_messages.ATTACHED
    assert binary_messages.decode_attached(attached) == (envelope, content)


def test_server_selects_the_clients_first_known_subprotocol() -> None:
    """Server selects the first of the client's subprotocols that it knows, or none, and uses
    JSON without a subprotocol.
    """
    assert list(CODECS) == ["rtmon.v1.json", "rtmon.v1.msgpack"]
    assert select_subprotocol(["soap", "rtmon.v1.msgpack", "rtmon.v1.json"]) == "rtmon.v1.msgpack"
    assert select_subprotocol(["soap"]) is None
    assert for_subprotocol(None) is JSON
    assert for_subprotocol("rtmon.v1.msgpack") is MSGPACK


def test_error_quotes_only_part_of_a_long_value() -> None:
    """Error for a wrong value of 10,000 characters has a message of less than 500 characters."""
    raw = msgspec.json.encode({"channel": "c", "encoding": "x" * 10_000})
    with pytest.raises(ProtocolError) as caught:
        JSON.payload(msgspec.Raw(raw), INCOMING["publish"], of="publish")
    assert len(caught.value.message) < 500


def test_codec_reads_the_id_of_a_malformed_message_when_possible() -> None:
    """Codec reads the id of a malformed JSON message, and returns None when the text is no JSON."""
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
def test_effective_close_code_is_the_received_one_else_the_sent_failure_code_or_1006(
    sent: int | None, received: int | None, code: int
) -> None:
    """Effective close code is the received one; without a received close frame, it is a sent
    failure code such as 1009, or else 1006.
    """
    assert close.effective_code(sent, received) == code


def test_close_codes_have_a_description_and_a_reconnect_rule() -> None:
    """Each close code has a description, and a rule whether a client may reconnect after this
    code.
    """
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


def test_json_schema_describes_every_message_type() -> None:
    """JSON schema describes every message type of clients and server, and all its references
    resolve.
    """
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


def test_catalog_contains_the_message_types_of_the_protocol() -> None:
    """Catalog contains each of the message types that the protocol promises."""
    promised = {
        *("connect", "welcome", "disconnect", "ping", "pong", "chat_message", "private_message"),
        *("typing_start", "typing_end", "user_joined", "user_left", "user_online"),
        *("user_offline", "join_room", "leave_room", "room_message", "subscribe", "unsubscribe"),
        *("publish", "publication", "presence", "history", "notification", "batch", "ack"),
        *("file_offer", "file_chunk", "file_done", "file_abort", "error"),
    }
    assert promised <= set(INCOMING) | set(OUTGOING)


@pytest.mark.parametrize("kind", sorted(set(INCOMING) | set(OUTGOING)))
def test_protocol_docs_name_each_message_type_and_field(kind: str) -> None:
    """Page docs/protocol.md names each message type and each field of its payloads."""
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
def test_protocol_docs_state_the_limits_of_the_code(what: str) -> None:
    """Page docs/protocol.md states the same value for each limit as the code."""
    found = re.search(rf"^\| {re.escape(what)} +\| ([\d,]+)", DOCS, re.MULTILINE)
    assert found is not None
    assert int(found.group(1).replace(",", "")) == LIMITS_IN_DOCS[what]


def test_protocol_docs_explain_each_error_code() -> None:
    """Page docs/protocol.md explains exactly the error codes that the code raises."""
    package = Path(close.__file__).parents[1]
    sources = [*(package / "hub").rglob("*.py"), *(package / "protocol").rglob("*.py")]
    raised: set[str] = set()
    for source in sources:
        text = source.read_text(encoding="utf-8")
        raised.update(re.findall(r'ProtocolError\(\s*"(\w+)"', text))
    table = DOCS.split("## Errors")[1].split("## Close codes")[0]
    explained = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    assert explained == raised


def test_protocol_docs_agree_with_the_code_on_reconnecting_after_close_codes() -> None:
    """Page docs/protocol.md agrees with the code on the close codes after which a client may
    reconnect.
    """
    table = DOCS.split("## Close codes")[1].split("## Limits")[0]
    rows = re.findall(r"^\| (\d{4}) \|.*\| (yes|no) +\|$", table, re.MULTILINE)
    assert len(rows) >= 9
    for code, answer in rows:
        assert close.may_reconnect(int(code)) is (answer == "yes")
