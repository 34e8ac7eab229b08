"""Values of messages: which are accepted, how they are stored, and their maximum size."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import re
from collections import OrderedDict
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.errors import ProtocolError
from rtmon.hub.brokers.base import Draft, Published
from rtmon.hub.outgoing_messages import Outgoing, OutgoingBatch, size_of
from rtmon.hub.room_channel_keys import to_message
from rtmon.protocol import catalog, limits
from rtmon.protocol.codecs import JSON, MSGPACK, Codec
from rtmon.protocol.data_encoding import EncodedData, encode_data, encode_value, plain
from rtmon.protocol.envelope import Message


class Text(str):
    """A subclass of str."""

    __slots__ = ()


class Number(int):
    """A subclass of int whose ``int()`` is another number."""

    def __int__(self) -> int:
        return -1


class Colour(enum.IntEnum):
    """An IntEnum."""

    RED = 1


class Kind(enum.StrEnum):
    """A StrEnum."""

    NEWS = "news"


class Row(dict[str, Any]):
    """A subclass of dict."""


class Rows(list[Any]):
    """A subclass of list."""


BASES: list[tuple[Any, Any]] = [
    (np.float64(1.5), 1.5),
    (np.str_("a"), "a"),
    (Text("ä😀"), "ä😀"),
    (Number(7), 7),
    (Colour.RED, 1),
    (Kind.NEWS, "news"),
    (Row(a=np.float64(2.5)), {"a": 2.5}),
    (Rows([Text("x"), Rows()]), ["x", []]),
    (OrderedDict(a=1), {"a": 1}),
    ({Text("key"): 1, np.str_("other"): 2}, {"key": 1, "other": 2}),
]

BAD: dict[str, Any] = {
    "half an emoji": "\ud83d",
    "the other half": "x\udc00",
    "half an emoji in a subclass": Text("\ud83d"),
    "half an emoji as a key": {"\ud83d": 1},
    "NaN": float("nan"),
    "infinity": float("-inf"),
    "NaN of numpy": np.float64("nan"),
    "an integer of 65 bits": 2**64,
    "a negative integer of 65 bits": -(2**63) - 1,
    "an integer of 100 bits": 10**30,
    "an integer of numpy": np.int64(1),
    "a tuple": (1, 2),
    "a set": {1},
    "bytes inside": [b"x"],
    "a time": dt.datetime.now(dt.UTC),
    "a decimal": decimal.Decimal("1.5"),
    "an array": np.zeros(2),
    "an object": object(),
    "a struct": catalog.Ping(),
    "encoded JSON": msgspec.Raw(b"{"),
    "keys that are numbers": {1: 2},
    "an enum that is no text": enum.Enum("Odd", {"A": "a"}).A,  # type: ignore[attr-defined]
}


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ((1, 2), "tuple cannot be sent to every client: send list(…) of it"),
        ({"n": [np.int64(1)]}, "numpy.int64 cannot be sent to every client: send its .item()"),
        (np.zeros(2), "numpy.ndarray cannot be sent to every client: send its .tolist()"),
        (object(), "object cannot be sent to every client: give None, bool"),
    ],
    ids=["a tuple", "a number of numpy", "an array", "an object"],
)
def test_error_for_an_unsupported_type_says_how_to_convert_the_value(
    value: Any, advice: str
) -> None:
    """Encoding a value of an unsupported type, such as a tuple or NumPy array, raises TypeError
    that says how to convert it.
    """
    with pytest.raises(TypeError, match=re.escape(advice)):
        encode_value(value)


@pytest.mark.parametrize(("value", "base"), BASES, ids=lambda value: type(value).__name__)
def test_instance_of_a_subclass_is_encoded_as_its_plain_value(value: Any, base: Any) -> None:
    """Instance of a subclass of a plain type is encoded as the plain value, in JSON and
    MessagePack.
    """
    for given_, wanted in ((value, base), ([value], [base]), ({"k": value}, {"k": base})):
        encoded = encode_value(given_)
        assert json.loads(encoded.json) == wanted
        assert msgspec.msgpack.decode(encoded.msgpack) == wanted


@pytest.mark.parametrize("what", BAD)
def test_value_that_one_codec_cannot_encode_is_refused_at_any_depth(what: str) -> None:
    """Value that JSON or MessagePack cannot encode raises TypeError or ValueError, also inside
    lists and dicts.
    """
    for value in (BAD[what], [BAD[what]], {"a": [1, BAD[what]]}):
        with pytest.raises((TypeError, ValueError)):
            encode_data(value)


@pytest.mark.parametrize("value", [np.bool_(True), np.int64(1)])
def test_error_for_a_numpy_value_has_the_full_type_name(value: Any) -> None:
    """Encoding a NumPy value raises TypeError with the full type name, such as ``numpy.bool``."""
    with pytest.raises(TypeError, match=f"numpy.{type(value).__name__} .* give None, bool, int"):
        encode_data({"n": value})


def test_list_that_contains_itself_is_refused_as_nested_too_deep() -> None:
    """List that contains itself raises ValueError because it is nested too deep."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="deep"):
        encode_data(value)


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from([value for value, _ in BASES]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(value=_plain)
def test_encode_value_accepts_the_same_values_as_the_full_check(value: Any) -> None:
    """Function ``encode_value()`` accepts the same values as the slower full check, and encodes
    them the same.
    """
    try:
        wanted: Any = msgspec.json.encode(plain(value))
    except (TypeError, ValueError) as error:
        wanted = type(error)
    try:
        got: Any = encode_value(value).json
    except (TypeError, ValueError) as error:
        got = type(error)
    assert got == wanted


def test_encoded_value_does_not_change_when_its_source_changes() -> None:
    """Encoded value stays unchanged when the application or a reader changes the original
    object.
    """
    value: dict[str, Any] = {"n": 1, "book": [1]}
    stored = encode_data(value)
    assert isinstance(stored, EncodedData)
    value["n"], value["bad"] = 2, object()
    stored.decode()["book"].append(2)
    assert stored.decode() == {"n": 1, "book": [1]}
    assert msgspec.msgpack.decode(stored.msgpack) == {"n": 1, "book": [1]}
    buffer = bytearray(b"abc")
    held = encode_data(buffer)
    buffer[0] = 0
    assert held == b"abc"


def test_protocol_error_replaces_invalid_unicode_by_question_marks() -> None:
    """ProtocolError replaces lone surrogates in its code and message by question marks, and NaN
    as retry time by None.
    """
    error = ProtocolError("a\ud83d", Text("half \ud83d"), retry_after=float("nan"))
    assert (error.code, error.message, error.retry_after) == ("a?", "half ?", None)
    assert type(error.message) is str


LARGEST: dict[str, Any] = {
    "text": "x" * (limits.DATA_SIZE - 5),
    "numbers": [1.0] * ((limits.DATA_SIZE - 5) // 9),
    "text of two bytes a letter": "ä" * ((limits.DATA_SIZE - 5) // 2),
    "escaped text": "\x01" * ((limits.DATA_SIZE - 2) // 6),
    "bytes": b"x" * (limits.DATA_SIZE * 3 // 4),
}
"""Values of exactly the maximum size in the codec that needs more bytes for them."""


def largest(value: Any) -> Published:
    """Return a room message with names and text of maximum length and this data."""
    name = '"' * limits.NAME_LENGTH
    draft = Draft(
        type="room_message",
        id="\x01" * limits.ID_LENGTH,
        timestamp=2**53,
        channel=name,
        client_id="c" * 16,
        name=name,
        text="\x01" * limits.TEXT_LENGTH,
        data=encode_data(value),
    )
    return Published(epoch="e" * 16, offset=2**53, draft=draft)


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=lambda codec: codec.name)
@pytest.mark.parametrize("what", LARGEST)
def test_message_of_maximum_size_fits_the_limit_alone_and_in_a_history_reply(
    what: str, codec: Codec
) -> None:
    """Message with data, text and names of maximum size stays within the limit of sent messages,
    alone and in a history reply.
    """
    value = LARGEST[what]
    message = to_message(largest(value))
    data = codec.encode(message)
    assert size_of(data) <= limits.SENT_SIZE
    name = '"' * limits.NAME_LENGTH
    reply = catalog.History(
        room=name,
        messages=[codec.raw(data)],
        epoch="e" * 16,
        offset=2**53,
        more=True,
        recovered=False,
    )
    around = Message(id="i" * 40, type="history", timestamp=2**53, payload=reply, reply_to=name)
    assert size_of(codec.encode(around)) <= limits.SENT_SIZE
    with pytest.raises(ValueError, match=f"data may take {limits.DATA_SIZE}"):
        encode_data(value + value[:1] if not isinstance(value, list) else [*value, 1.0, 1.0])


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=lambda codec: codec.name)
def test_batches_stay_within_the_message_limit_in_both_codecs(codec: Codec) -> None:
    """Batches of numbers, which need more bytes in MessagePack than in JSON, stay within the
    message limit in both codecs.
    """
    numbers = encode_data([1.0] * 20_000)
    drafts = [
        Draft(type="publication", id=str(n), timestamp=1, channel="c", data=numbers)
        for n in range(50)
    ]
    parts = [
        Outgoing(to_message(Published(epoch="e", offset=n, draft=draft)))
        for n, draft in enumerate(drafts)
    ]
    batches = OutgoingBatch.fitting(parts)
    assert sum(batch.count for batch in batches) == 50
    assert len(batches) < 25, "a batch must contain several messages"
    assert max(batch.encoded(codec)[1] for batch in batches) <= limits.SENT_SIZE
