"""``SenderOrder``, which keeps the order of a client's messages after one of them was refused."""

from __future__ import annotations

from collections import deque

from hypothesis import example, given
from hypothesis import strategies as st

from rtmon.hub.brokers.sender_order import SenderOrder


def test_later_messages_are_refused_until_the_refused_one_is_sent_again() -> None:
    """``SenderOrder`` refuses later messages of a client until its refused message is sent
    again, then admits them in order.
    """
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


def test_refused_message_of_one_sender_does_not_affect_another() -> None:
    """``SenderOrder`` admits messages of a client while another client's message is refused."""
    order = SenderOrder(seconds=30.0)
    order.refused("ada", "1", now=0.0)
    assert order.admit("bo", "2", now=0.0)
    assert not order.admit("ada", "2", now=0.0)


def test_refused_message_stops_blocking_when_a_later_message_is_sent_again() -> None:
    """``SenderOrder`` stops waiting for a refused message when its client sends a later message
    again.
    """
    order = SenderOrder(seconds=30.0)
    order.refused("ada", "1", now=0.0)
    assert not order.admit("ada", "2", now=0.0)
    assert order.admit("ada", "2", now=0.1)
    order.published("ada", "2", now=0.1)
    assert order.admit("ada", "3", now=0.1)


def test_refused_message_blocks_later_messages_for_at_most_30_seconds() -> None:
    """``SenderOrder`` admits later messages 30 s after a refused message that was never sent
    again.
    """
    order = SenderOrder(seconds=30.0)
    order.refused("ada", "1", now=0.0)
    assert not order.admit("ada", "2", now=29.9)
    assert order.admit("ada", "3", now=30.0)
    assert order.admit("ada", "4", now=30.0)


def test_sender_order_evicts_the_sender_inactive_for_longest_when_full() -> None:
    """``SenderOrder`` stores a limited number of message ids per client, and evicts the client
    inactive for longest when it is full.
    """
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


def test_sender_order_deletes_clients_after_the_time_limit() -> None:
    """``SenderOrder`` deletes clients whose refused message is older than 30 s."""
    order = SenderOrder(seconds=30.0)
    for number in range(100):
        order.refused(f"s{number}", "1", now=number * 1.0)
    assert len(order) == 30


class Sender:
    """Model of a client that sends without waiting for replies, the server, and the messages
    between them.
    """

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
        """Read a reply; a refused message is put back before later ones."""
        if self.answers:
            message, done = self.answers.popleft()
            if not done:
                self.waiting = sorted([*self.waiting, message])

    def publish(self) -> None:
        """Let the broker store the next message."""
        self._take(stored=True, answered=True)

    def refuse(self) -> None:
        """Let the broker refuse the next message."""
        self._take(stored=False, answered=False)

    def lose(self) -> None:
        """Let the broker store the next message, but lose its reply."""
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
def test_messages_are_stored_once_and_in_order_when_some_are_refused_and_sent_again(
    steps: list[str], count: int
) -> None:
    """Messages of a client that sends refused ones again are stored once and in order for any
    sequence of refusals and lost replies.
    """
    sender = Sender(count)
    for step in [*steps, *["send", "publish", "hear"] * 20 * count]:
        getattr(sender, step)()
    assert sender.stored == list(range(count))
    assert not [*sender.waiting, *sender.coming, *sender.answers]
    assert len(sender.order) == 0
