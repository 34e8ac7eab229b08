from __future__ import annotations

from collections import deque

from hypothesis import example, given
from hypothesis import strategies as st

from rtmon.hub.brokers.sender_order import SenderOrder


def test_messages_wait_until_the_refused_one_is_sent_again() -> None:
    """Later messages are admitted in the order they were sent, each when it comes again."""
    order = SenderOrder(seconds=30.0)
    order.refused("ada", "1", now=0.0)
    assert not order.admit("ada", "2", now=0.1)
    for again, new in (("1", "3"), ("2", "4"), ("3", "5")):
        assert not order.admit("ada", new, now=0.2)
        assert order.admit("ada", again, now=0.2)
        order.published("ada", again, now=0.2)
    for message in ("4", "5"):
        assert order.admit("ada", message, now=0.3)
        order.published("ada", message, now=0.3)
    assert len(order) == 0
    assert order.admit("ada", "6", now=0.3)


def test_one_sender_does_not_hold_back_another() -> None:
    """Only messages of the sender whose message was refused wait."""
    order = SenderOrder(seconds=30.0)
    order.refused("ada", "1", now=0.0)
    assert order.admit("bo", "2", now=0.0)
    assert not order.admit("ada", "2", now=0.0)


def test_message_that_its_sender_gave_up_holds_nothing_back() -> None:
    """When a later refused message comes again, its sender does not send the earlier ones."""
    order = SenderOrder(seconds=30.0)
    order.refused("ada", "1", now=0.0)
    assert not order.admit("ada", "2", now=0.0)
    assert order.admit("ada", "2", now=0.1)
    order.published("ada", "2", now=0.1)
    assert order.admit("ada", "3", now=0.1)


def test_sender_that_sends_nothing_again_is_held_back_for_a_bounded_time() -> None:
    """A refused message that never comes again holds back the others for 30 seconds."""
    order = SenderOrder(seconds=30.0)
    order.refused("ada", "1", now=0.0)
    assert not order.admit("ada", "2", now=29.9)
    assert order.admit("ada", "3", now=30.0)
    assert order.admit("ada", "4", now=30.0)


def test_number_of_senders_and_messages_is_bounded() -> None:
    """Past the bounds the sender longest quiet is forgotten, and no more ids are noted."""
    order = SenderOrder(seconds=30.0, each=3, capacity=5)
    for sender in ("ada", "bo", "cy"):
        order.refused(sender, "1", now=0.0)
        for number in range(2, 10):
            assert not order.admit(sender, str(number), now=0.0)
        assert len(order) <= 5
    assert order.admit("ada", "2", now=0.0)
    assert order.admit("bo", "2", now=0.0)
    assert not order.admit("cy", "9", now=0.0)
    assert len(order) == 3


def test_senders_whose_time_is_over_are_forgotten() -> None:
    """Senders that never come again leave nothing behind."""
    order = SenderOrder(seconds=30.0)
    for number in range(100):
        order.refused(f"s{number}", "1", now=number * 1.0)
    assert len(order) == 30


@example(steps=["send", "send", "refuse", "hear", "send", "publish", "refuse"], count=3)
@given(
    steps=st.lists(st.sampled_from(["send", "publish", "refuse", "lose", "hear"]), max_size=120),
    count=st.integers(1, 12),
)
def test_messages_are_published_once_and_in_order_however_often_some_are_refused(  # noqa: C901 - a model of a client and a broker
    steps: list[str], count: int
) -> None:
    """A client that sends without waiting, and again what was refused, has it all published in
    order, even if the broker stores messages whose answer is lost.
    """
    order = SenderOrder(seconds=30.0)
    waiting, coming, answers = list(range(count)), deque[int](), deque[tuple[int, bool]]()
    stored: list[int] = []

    def take(outcome: str) -> None:
        message = coming.popleft()
        done = False
        if order.admit("ada", str(message), now=0.0):
            if outcome != "refuse" and message not in stored:
                stored.append(message)
            done = outcome == "publish"
            (order.published if done else order.refused)("ada", str(message), now=0.0)
        answers.append((message, done))

    def step(what: str) -> None:
        if what == "send" and waiting:
            coming.append(waiting.pop(0))
        elif what == "hear" and answers:
            message, done = answers.popleft()
            if not done:
                waiting.append(message)
                waiting.sort()
        elif what in {"publish", "refuse", "lose"} and coming:
            take(what)

    for what in steps:
        step(what)
    for _ in range(20 * count):
        for what in ("send", "publish", "hear"):
            step(what)
    assert stored == list(range(count))
    assert not waiting
    assert not coming
    assert len(order) == 0
