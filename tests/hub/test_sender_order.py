from __future__ import annotations

from collections import deque

from hypothesis import example, given
from hypothesis import strategies as st

from rtmon.hub.brokers.sender_order import SenderOrder


def test_messages_wait_until_the_refused_one_is_sent_again() -> None:
    """Later messages are admitted in their order, each when it comes again."""
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


class Sender:
    """A client that sends without waiting, a server, and what is on its way between them."""

    def __init__(self, count: int) -> None:
        self.order = SenderOrder(seconds=30.0)
        self.waiting = list(range(count))
        self.coming: deque[int] = deque()
        self.answers: deque[tuple[int, bool]] = deque()
        self.stored: list[int] = []

    def send(self) -> None:
        """Send the next message."""
        if self.waiting:
            self.coming.append(self.waiting.pop(0))

    def hear(self) -> None:
        """Take an answer; refused messages are sent again before later ones."""
        if self.answers:
            message, done = self.answers.popleft()
            if not done:
                self.waiting = sorted([*self.waiting, message])

    def publish(self) -> None:
        """Have the broker store a message."""
        self._take(stored=True, answered=True)

    def refuse(self) -> None:
        """Have the broker refuse a message."""
        self._take(stored=False, answered=False)

    def lose(self) -> None:
        """Have the broker store a message, and its answer be lost."""
        self._take(stored=True, answered=False)

    def _take(self, *, stored: bool, answered: bool) -> None:
        if not self.coming:
            return
        message = self.coming.popleft()
        done = answered
        if not self.order.admit("ada", str(message), now=0.0):
            done = False
        else:
            if stored and message not in self.stored:
                self.stored.append(message)
            note = self.order.published if answered else self.order.refused
            note("ada", str(message), now=0.0)
        self.answers.append((message, done))


@example(steps=["send", "send", "refuse", "hear", "send", "publish", "refuse"], count=3)
@given(
    steps=st.lists(st.sampled_from(["send", "publish", "refuse", "lose", "hear"]), max_size=120),
    count=st.integers(1, 12),
)
def test_messages_are_published_once_and_in_order_however_often_some_are_refused(
    steps: list[str], count: int
) -> None:
    """A client that sends without waiting, and again what was refused, has it all published in
    order, even if the broker stores messages whose answer is lost.
    """
    sender = Sender(count)
    for step in [*steps, *["send", "publish", "hear"] * 20 * count]:
        getattr(sender, step)()
    assert sender.stored == list(range(count))
    assert not [*sender.waiting, *sender.coming, *sender.answers]
    assert len(sender.order) == 0
