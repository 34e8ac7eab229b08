"""Send queues with limits: the policies when full, ages, and detection of stalled readers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rtmon.core.backpressure import POLICIES, Bounds, Policy, Progress, SendQueue, together
from rtmon.errors import OptionError
from rtmon.hub import ChannelOptions, HubOptions
from rtmon.testing import FakeClock

WIDE = Bounds(bytes=10_000, messages=1_000, age=1e9)


def filled(
    count: int, *, policy: Policy, bounds: Bounds, size: int = 1
) -> tuple[SendQueue[Any], Counter[str]]:
    """Return a queue to which the numbers 0, 1, 2 … were offered, and a count of the results."""
    queue: SendQueue[Any] = SendQueue()
    became = [
        queue.offer(number, size, bounds=bounds, now=0.0, policy=policy, key=number % 3)
        for number in range(count)
    ]
    return queue, Counter(became)


def drained(queue: SendQueue[Any]) -> list[Any]:
    """Take all messages from a queue, and return them in order."""
    return [queue.take() for _ in range(len(queue))]


@pytest.mark.parametrize(
    ("policy", "left", "became"),
    [
        ("disconnect", [0, 1, 2, 3], {"taken": 4, "overflow": 4}),
        ("drop_newest", [0, 1, 2, 3], {"taken": 4, "dropped": 4}),
        ("drop_oldest", [4, 5, 6, 7], {"taken": 8}),
        ("keep_latest", [5, 6, 7], {"taken": 8}),
        ("block", [0, 1, 2, 3], {"taken": 4, "overflow": 4}),
    ],
)
def test_full_send_queue_keeps_the_messages_of_its_policy(
    policy: Policy, left: list[int], became: Any
) -> None:
    """Send queue for four messages keeps the messages of its policy when eight are offered, and
    counts dropped ones.
    """
    queue, verdicts = filled(8, policy=policy, bounds=Bounds(messages=4))
    assert verdicts == became
    assert queue.dropped == 8 - len(left) - verdicts["overflow"]
    assert drained(queue) == left


@pytest.mark.parametrize("policy", POLICIES)
def test_send_queue_counts_bytes_in_the_transport_buffer_against_its_limit(policy: Policy) -> None:
    """Send queue with a limit of 100 bytes accepts 40 bytes while the transport's buffer holds
    60, and with the policy ``block`` one 10-byte message more.
    """
    bounds, queue = Bounds(bytes=100), SendQueue[int]()
    for number in range(20):
        queue.offer(number, 10, bounds=bounds, now=0.0, policy=policy, key=number, buffered=60)
    # A blocking publisher has waited for room, so its last message may exceed the limit.
    assert queue.bytes == (50 if policy == "block" else 40)


def test_empty_send_queue_accepts_a_message_above_its_byte_limit() -> None:
    """Send queue that is empty accepts a message above the queue's byte limit, and refuses the
    next message.
    """
    queue: SendQueue[str] = SendQueue()
    assert queue.offer("huge", 500, bounds=Bounds(bytes=100), now=0.0) == "taken"
    assert queue.offer("next", 1, bounds=Bounds(bytes=100), now=0.0) == "overflow"


def test_reply_displaces_droppable_messages_in_a_full_send_queue() -> None:
    """Send queue that is full drops droppable messages to make room for a reply, and overflows
    when it contains only replies.
    """
    queue, _ = filled(4, policy="drop_newest", bounds=Bounds(messages=4))
    bounds = Bounds(messages=4)
    for answer in "abcd":
        assert queue.offer(answer, 1, bounds=bounds, now=0.0) == "taken"
    assert queue.dropped == 4
    assert queue.offer(9, 1, bounds=bounds, now=0.0, policy="drop_oldest") == "dropped"
    assert queue.offer(9, 1, bounds=bounds, now=0.0) == "overflow"
    assert drained(queue) == list("abcd")


def test_keep_latest_gives_a_slow_reader_all_keys_in_turn() -> None:
    """Send queue with ``keep_latest`` gives a slow reader every key in turn, although one key is
    updated far more often.
    """
    queue: SendQueue[tuple[str, int]] = SendQueue()
    serial, got = 0, []
    for turn in range(40):
        for key in ("hot", "hot", f"cold-{turn % 5}"):
            serial += 1
            queue.offer((key, serial), 1, bounds=WIDE, now=0.0, policy="keep_latest", key=key)
        got.append(queue.take())
    assert {key for key, _ in got} == {"hot", *(f"cold-{number}" for number in range(5))}
    assert [serial for _, serial in got] == sorted(serial for _, serial in got)
    assert Counter(key for key, _ in got)["hot"] >= 5
    assert len(queue) <= 2 * 6


def test_send_queue_drops_messages_above_the_age_limit_or_reports_expiry() -> None:
    """Send queue drops droppable messages above its age limit, and reports expiry for a message
    that must not be dropped.
    """
    clock, queue = FakeClock(), SendQueue[str]()
    bounds = Bounds(age=10.0)

    def offer(item: str, policy: Policy) -> str:
        return queue.offer(item, 1, bounds=bounds, now=clock.monotonic(), policy=policy, key=item)

    offer("old price", "keep_latest")
    offer("old news", "drop_oldest")
    offer("kept", "drop_newest")
    clock.advance(9.0)
    offer("new price", "keep_latest")
    clock.advance(1.5)
    assert not queue.expire(bounds, clock.monotonic())
    assert queue.dropped == 2
    assert offer("too late", "drop_newest") == "dropped"
    offer("answer", "disconnect")
    clock.advance(10.5)
    assert queue.expire(bounds, clock.monotonic())
    assert drained(queue) == ["kept", "answer"]


def test_batch_is_droppable_only_if_all_its_messages_are() -> None:
    """Batch of messages is droppable only if all its messages are droppable."""
    assert together(["drop_newest", "drop_newest"]) == "drop_newest"
    assert together(["keep_latest", "keep_latest"]) == "drop_oldest"
    assert together(["drop_oldest", "drop_newest"]) == "disconnect"


def test_stall_time_counts_from_the_last_byte_that_the_reader_took() -> None:
    """Stall time of a reader counts from the last byte that the reader took."""
    clock = FakeClock()
    progress = Progress(5, clock.monotonic())
    for taken in (5, 6, 7):
        clock.advance(3.0)
        late = progress.look(taken, clock.monotonic())
        assert late == (3.0 if taken == 5 else 0.0)
    clock.advance(4.0)
    assert progress.look(7, clock.monotonic()) == 4.0
    assert progress.look(6, clock.monotonic()) == 4.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"bytes": 0},
        {"messages": 0},
        {"age": 0.0},
    ],
)
def test_queue_limits_raise_option_error_when_no_message_fits(wrong: dict[str, Any]) -> None:
    """Send queue's ``Bounds`` raises OptionError for a limit of 0 bytes, 0 messages or 0
    seconds.
    """
    with pytest.raises(OptionError):
        Bounds(**wrong)


def test_unknown_slow_policy_raises_option_error_that_lists_the_policies() -> None:
    """HubOptions and ChannelOptions raise OptionError for an unknown ``slow`` policy."""
    with pytest.raises(OptionError, match="drop_oldest"):
        HubOptions(slow="forget")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="'forget'"):
        ChannelOptions(slow="forget")  # type: ignore[arg-type]


def test_take_from_an_empty_send_queue_raises_index_error() -> None:
    """Send queue raises IndexError when a message is taken while it is empty."""
    with pytest.raises(IndexError):
        SendQueue[int]().take()


class Queue(RuleBasedStateMachine):
    """Random policies, sizes, times and reads of a send queue, compared with simple lists."""

    @initialize(
        size=st.integers(1, 60),
        messages=st.integers(1, 8),
        age=st.sampled_from([2.0, 1e9]),
    )
    def begin(self, size: int, messages: int, age: float) -> None:
        """Create an empty queue with random limits."""
        self.bounds = Bounds(bytes=size, messages=messages, age=age)
        self.given_up: list[int] = []
        self.queue: SendQueue[int] = SendQueue(self.given_up.append)
        self.now = 0.0
        self.serial = self.taken = self.overflows = 0
        self.last = -1
        self.promised: list[int] = []
        self.sizes: dict[int, int] = {}
        self.blocked = 0

    @rule(
        policy=st.sampled_from(POLICIES),
        size=st.integers(0, 20),
        key=st.integers(0, 2),
        buffered=st.integers(0, 30),
    )
    def offer(self, policy: Policy, size: int, key: int, buffered: int) -> None:
        """Offer a message."""
        serial, self.serial = self.serial, self.serial + 1
        verdict = self.queue.offer(
            serial,
            size,
            bounds=self.bounds,
            now=self.now,
            policy=policy,
            key=key,
            buffered=buffered,
        )
        if policy not in ("disconnect", "block"):
            assert verdict != "overflow"
        if verdict == "overflow":
            self.overflows += 1
            assert len(self.queue)
        if verdict == "dropped":
            self.given_up.append(serial)
        if verdict == "taken":
            self.sizes[serial] = size
            if policy in ("disconnect", "block"):
                self.promised.append(serial)
            if policy == "block":
                self.blocked = max(self.blocked, size)
        else:
            assert self.queue.dropped or self.overflows

    @rule(seconds=st.floats(0.0, 3.0))
    def wait(self, seconds: float) -> None:
        """Advance the clock."""
        self.now += seconds
        late = self.queue.expire(self.bounds, self.now)
        oldest = self.queue.oldest
        if late:
            assert oldest is not None
            assert self.now - oldest > self.bounds.age

    @precondition(lambda self: len(self.queue) > 0)
    @rule()
    def read(self) -> None:
        """Take a message; messages come in order, and no required one is missing."""
        serial = self.queue.take()
        assert serial > self.last
        self.last = serial
        self.taken += 1
        if self.promised:
            assert self.promised[0] >= serial
            if self.promised[0] == serial:
                self.promised.pop(0)

    @invariant()
    def nothing_is_lost_uncounted(self) -> None:
        """Check that each message was read, is queued, was counted as dropped, or was refused."""
        known = self.taken + len(self.queue) + self.queue.dropped + self.overflows
        assert known == self.serial
        assert len(set(self.given_up)) == len(self.given_up) == self.queue.dropped

    @invariant()
    def bounded(self) -> None:
        """Check the limits, except for a first message and one for which the publisher waited."""
        assert len(self.queue) <= self.bounds.messages
        if len(self.queue) > 1:
            first = max(self.sizes.values(), default=0)
            assert self.queue.bytes <= self.bounds.bytes + max(self.blocked, first)

    def teardown(self) -> None:
        """Check at the end that every required message is still in the queue."""
        if hasattr(self, "queue"):
            left = drained(self.queue)
            assert left == sorted(left)
            assert [serial for serial in left if serial in set(self.promised)] == self.promised


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=30)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=40))
@settings(max_examples=60)
def test_keep_latest_keeps_the_newest_message_of_each_key_in_order_of_arrival(
    messages: list[tuple[int, int]],
) -> None:
    """Send queue with ``keep_latest`` keeps the newest message of each key, in order of arrival."""
    queue: SendQueue[tuple[int, int]] = SendQueue()
    for serial, (key, size) in enumerate(messages):
        queue.offer((key, serial), size, bounds=WIDE, now=0.0, policy="keep_latest", key=key)
    newest = {key: serial for serial, (key, _) in enumerate(messages)}
    assert drained(queue) == sorted(newest.items(), key=lambda item: item[1])
    assert queue.bytes == 0
