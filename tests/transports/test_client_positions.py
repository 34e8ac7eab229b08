"""ClientPositions of all places as one text, for clients that recover by it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.errors import ProtocolError
from rtmon.hub.transports.client_positions import TEXT_LENGTH, ClientPositions, moves
from rtmon.protocol.catalog import Position

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)
KEYS = st.one_of(
    st.just("chat"), NAMES.map(lambda n: f"room:{n}"), NAMES.map(lambda n: f"channel:{n}")
)
PLACES = st.builds(
    Position, epoch=st.text("0123456789abcdef.&=%", min_size=1), offset=st.integers(0, 2**53)
)


@given(st.dictionaries(KEYS, st.none() | PLACES, max_size=5))
def test_positions_text_reads_back_equal(places: dict[str, Position | None]) -> None:
    """All places and positions, with any names, are read back equal from the text, which is one
    line that fits any header and any JSON.
    """
    positions = ClientPositions()
    for key, at in places.items():
        positions.entered(key, at)
    text = str(positions)
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set('"\\ ')
    found = ClientPositions.parse(text)
    assert list(found.items()) == list(places.items())[-len(found) or len(places) :]
    assert len(found) == len(places) or len(text) > TEXT_LENGTH // 2


@given(st.text(max_size=200))
def test_any_text_is_positions_or_a_protocol_error(text: str) -> None:
    """A text from a client is read, or refused with an error of the protocol."""
    with contextlib.suppress(ProtocolError):
        found = ClientPositions.parse(text)
        assert all(at is None or at.offset >= 0 for at in found.values())


def test_only_places_of_the_reader_have_a_position() -> None:
    """A message advances the position of a place that its reader is in; channels of a pattern,
    and places that it has left, have none.
    """
    positions = ClientPositions()
    positions.entered("room:r", Position(epoch="e", offset=1))
    positions.entered("channel:news.*", None)
    payload = {"room": "r", "epoch": "e", "offset": 2, "text": "hi"}
    news = {"channel": "news.x", "epoch": "e", "offset": 9, "data": None}
    batch = {
        "type": "batch",
        "payload": {
            "messages": [
                {"type": "room_message", "payload": payload},
                {"type": "publication", "payload": news},
            ]
        },
    }
    assert positions.sent(moves(batch))
    assert str(positions) == "channel:news.*=&room:r=2.e"
    assert not positions.sent(moves({"type": "publication", "payload": news}))
    positions.left("room:r")
    assert not positions.sent(moves({"type": "room_message", "payload": payload}))
    assert str(positions) == "channel:news.*="


def test_positions_text_is_bounded() -> None:
    """With more places than fit, the text has those that advanced last."""
    positions = ClientPositions()
    for number in range(500):
        positions.entered(f"room:{number}", Position(epoch="epoch", offset=1))
    positions.entered("room:7", Position(epoch="epoch", offset=2))
    text = str(positions)
    assert len(text) <= TEXT_LENGTH
    found = list(ClientPositions.parse(text))
    assert found[-2:] == ["room:499", "room:7"]
    assert "room:0" not in found


@pytest.mark.parametrize("text", ["chat", "chat=x.e", "chat=1.", "chat=-1.e", "chat=1.e&", "=1"])
def test_malformed_positions_are_refused(text: str) -> None:
    """A position without an epoch, or with an offset that is no number, is an error."""
    with pytest.raises(ProtocolError):
        ClientPositions.parse(text)
