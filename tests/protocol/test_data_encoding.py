"""Values: the accepted ones, their stored form, and the sizes that follow."""

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
    """A subclass of int that converts to another number."""

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
def test_error_says_how_to_convert_a_value(value: Any, advice: str) -> None:
    """A value of a type that has a plain counterpart is refused with how to get that."""
    with pytest.raises(TypeError, match=re.escape(advice)):
        encode_value(value)


@pytest.mark.parametrize(("value", "base"), BASES, ids=lambda value: type(value).__name__)
def test_instance_of_a_subclass_is_sent_as_its_base_value(value: Any, base: Any) -> None:
    """An instance of a subclass of a plain type is stored as the plain value, in both codecs."""
    for given_, wanted in ((value, base), ([value], [base]), ({"k": value}, {"k": base})):
        encoded = encode_value(given_)
        assert json.loads(encoded.json) == wanted
        assert msgspec.msgpack.decode(encoded.msgpack) == wanted


@pytest.mark.parametrize("what", BAD)
def test_value_is_refused_when_a_codec_cannot_carry_it(what: str) -> None:
    """A value that one codec cannot carry is refused at any depth."""
    for value in (BAD[what], [BAD[what]], {"a": [1, BAD[what]]}):
        with pytest.raises((TypeError, ValueError)):
            encode_data(value)


@pytest.mark.parametrize("value", [np.bool_(True), np.int64(1)])
def test_refusal_names_the_type_in_full(value: Any) -> None:
    """The error distinguishes numpy's bool, for example, from the plain type."""
    with pytest.raises(TypeError, match=f"numpy.{type(value).__name__} .* give None, bool, int"):
        encode_data({"n": value})


def test_value_that_contains_itself_is_refused() -> None:
    """A list that contains itself is refused as nested too deep."""
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
def test_quick_check_and_full_check_agree(value: Any) -> None:
    """Both checks accept the same values and give the same stored form."""
    try:
        wanted: Any = msgspec.json.encode(plain(value))
    except (TypeError, ValueError) as error:
        wanted = type(error)
    try:
        got: Any = encode_value(value).json
    except (TypeError, ValueError) as error:
        got = type(error)
    assert got == wanted


def test_stored_value_does_not_change_with_its_source() -> None:
    """A value that its publisher or a reader changes later stays unchanged in its stored form."""
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


def test_error_text_can_always_be_sent() -> None:
    """A ProtocolError whose text no codec carries has question marks in its place."""
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
"""Values of just the largest size, in the codec that takes more."""


def largest(value: Any) -> Published:
    """Return a room message with the longest names and text, and this data."""
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
def test_largest_message_fits_the_limit_within_a_history_reply(what: str, codec: Codec) -> None:
    """The largest data, with the longest text and names, stays within the limit of sent
    messages, alone and in a history reply; one byte more is refused.
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
def test_batch_fits_the_limit_in_the_larger_codec(codec: Codec) -> None:
    """Batches of numbers, which are larger in MessagePack than in JSON, stay within the limit
    in both.
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
    assert len(batches) < 25, "several fit into one"
    assert max(batch.encoded(codec)[1] for batch in batches) <= limits.SENT_SIZE
