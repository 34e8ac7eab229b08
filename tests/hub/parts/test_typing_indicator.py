"""Typing indicators, tested without a hub."""

from __future__ import annotations

from rtmon.hub.typing_indicator import TypingIndicators
from rtmon.protocol import limits
from rtmon.testing import FakeClock
from tests.hub.parts.building import Notes, make_connection, make_context


async def test_typing_indicator_is_announced_once_until_its_end() -> None:
    """Typing indicator that a client starts twice is announced once; its end is announced when
    the client stops or disconnects.
    """
    context, notes = make_context(), Notes()
    context.broker.attach(lambda *_: None, events=notes)
    typing, ada = TypingIndicators(context), make_connection(context)
    typing.start(ada, "room:r")
    typing.start(ada, "room:r")
    typing.stop(ada, "chat")
    assert notes.take() == [("room:r", "typing_start")]
    typing.stop(ada, "room:r")
    typing.start(ada, "client:bo")
    typing.drop(ada)
    assert notes.take() == [
        ("room:r", "typing_end"),
        ("client:bo", "typing_start"),
        ("client:bo", "typing_end"),
    ]


async def test_typing_indicator_expires_when_the_client_does_not_repeat_it() -> None:
    """Typing indicator ends after ``typing_timeout`` when the client does not repeat the
    indicator.
    """
    clock, notes = FakeClock(), Notes()
    context = make_context(clock, typing_timeout=5.0)
    context.broker.attach(lambda *_: None, events=notes)
    typing, ada = TypingIndicators(context), make_connection(context)
    typing.start(ada, "chat")
    clock.advance(4.9)
    typing._expire()
    assert notes.take() == [("chat", "typing_start")]
    clock.advance(0.2)
    typing._expire()
    assert notes.take() == [("chat", "typing_end")]


async def test_typing_indicator_of_the_first_room_ends_above_the_room_limit() -> None:
    """Client that types in more rooms than allowed is announced as no longer typing in the room
    where the client started first.
    """
    context, notes = make_context(), Notes()
    context.broker.attach(lambda *_: None, events=notes)
    typing, ada = TypingIndicators(context), make_connection(context)
    for number in range(limits.TYPING_PER_CLIENT + 1):
        typing.start(ada, f"room:{number}")
    assert [key for key, kind in notes.take() if kind == "typing_end"] == ["room:0"]
