"""Shared counts: frames sent to several connections at once are counted later, when read."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rtmon.metrics.collector import Collector
from rtmon.metrics.columns import SHARED
from rtmon.metrics.group_message_counts import SharedCounts, SharedPart
from rtmon.metrics.meter import Ending, Meter
from rtmon.metrics.recent_frames import BlackBox

_messages = st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, 300)), max_size=4)


class Sharing(RuleBasedStateMachine):
    """Compares rtmon's deferred counts of shared frames with the test's immediate counts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.collector = Collector(node="n", epoch="e", now=0.0)
        self.groups: list[SharedCounts] = []
        self.shares: dict[tuple[int, int], SharedPart] = {}
        self.meters: list[Any] = []
        self.expected: list[list[int]] = []
        self.ticked = [0, 0, 0, 0]

    @rule()
    @precondition(lambda self: len(self.meters) < 4)
    def connect(self) -> None:
        meter = self.collector.meter()
        self.collector.opened(meter, self.now, self.now)
        self.meters.append(meter)
        self.expected.append([0, 0, 0, 0])

    @rule(data=st.data())
    @precondition(lambda self: self.meters)
    def join(self, data: st.DataObject) -> None:
        if len(self.groups) < 3:
            self.groups.append(SharedCounts(self.meters[0].ledger, box=True))
        group = data.draw(st.integers(0, len(self.groups) - 1))
        member = data.draw(st.integers(0, len(self.meters) - 1))
        if (group, member) not in self.shares and self.meters[member].closed is None:
            self.shares[group, member] = self.groups[group].join(self.meters[member])

    @rule(data=st.data(), messages=_messages)
    @precondition(lambda self: self.groups)
    def publish(self, data: st.DataObject, messages: list[tuple[int, int]]) -> None:
        index = data.draw(st.integers(0, len(self.groups) - 1))
        group, wire = self.groups[index], sum(size + 2 for _, size in messages)
        members = [member for at, member in self.shares if at == index]
        skipping = data.draw(st.sets(st.sampled_from(members))) if members else set()
        self.now += 1
        for member in skipping:
            self.shares[index, member].skip(group.after(messages, wire))
        receivers = [member for member in members if member not in skipping]
        group.sent(messages, wire=wire, receivers=len(receivers), now=self.now)
        for member in receivers:
            for opcode, size in messages:
                counts = (1, size, int(opcode == 2), size + 2)
                self.expected[member] = [
                    a + b for a, b in zip(self.expected[member], counts, strict=True)
                ]

    @rule(data=st.data(), size=st.integers(0, 300))
    @precondition(lambda self: self.meters)
    def send(self, data: st.DataObject, size: int) -> None:
        member = data.draw(st.integers(0, len(self.meters) - 1))
        self.meters[member].sent(size, binary=True)
        counts = (1, size, 1, 0)
        self.expected[member] = [a + b for a, b in zip(self.expected[member], counts, strict=True)]

    @rule(data=st.data())
    @precondition(lambda self: self.shares)
    def leave(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.shares)))
        self.shares.pop(key).leave()

    @rule(data=st.data())
    @precondition(lambda self: self.meters)
    def close(self, data: st.DataObject) -> None:
        member = data.draw(st.integers(0, len(self.meters) - 1))
        for key in [key for key in self.shares if key[1] == member]:
            self.shares.pop(key).leave()
        self.collector.closed(self.meters[member], self.now, self.now, Ending(close_code=1000))

    @rule()
    def tick(self) -> None:
        before = [self._counts(meter) for meter in self.meters]
        tick = self.collector.tick(self.now, self.now)
        sample = tick.sample
        for index, name in enumerate(SHARED):
            self.ticked[index] += getattr(sample, name)
            assert self.ticked[index] == sum(counts[index] for counts in self.expected)
        # The tick must list each connection whose counts have changed since the last tick.
        changed = {meter.id for meter in tick.meters}
        for meter, counts in zip(self.meters, before, strict=True):
            if counts != getattr(self, "_last", {}).get(meter.id, [0, 0, 0, 0]):
                assert meter.id in changed
        self._last = {m.id: c for m, c in zip(self.meters, before, strict=True)}

    @invariant()
    def each_has_what_it_was_sent(self) -> None:
        for meter, expected in zip(self.meters, self.expected, strict=True):
            assert self._counts(meter) == expected
            info = meter.info()
            assert [getattr(info, name) for name in SHARED] == expected

    @invariant()
    def all_have_what_was_sent(self) -> None:
        snapshot = self.collector.snapshot(self.now, self.now)
        for index, name in enumerate(SHARED):
            assert getattr(snapshot, name) == sum(counts[index] for counts in self.expected)
        assert snapshot.size_out.count == sum(counts[0] for counts in self.expected)

    @staticmethod
    def _counts(meter: Any) -> list[int]:
        return [getattr(meter, name) for name in SHARED]


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=50, stateful_step_count=30)


@given(
    frames=st.lists(
        st.tuples(st.booleans(), st.integers(1, 50), st.booleans()), min_size=1, max_size=60
    )
)
def test_last_frames_contain_own_and_shared_frames_in_order(
    frames: list[tuple[bool, int, bool]],
) -> None:
    """Connection's last frames contain its own and the shared frames in order, without skipped
    ones, also after it left the group.
    """
    collector = Collector(node="n", epoch="e", now=0.0)
    meter = collector.meter()
    shared = SharedCounts(meter.ledger, box=True)
    share = shared.join(meter)
    expected = []
    meter.box = BlackBox()
    for now, (common, size, skipped) in enumerate(frames, start=1):
        if not common:
            meter.box.record(now, size, 2, sent=True)
        else:
            if skipped:
                share.skip(shared.after([(2, size)], size + 2))
            shared.sent([(2, size)], wire=size + 2, receivers=1, now=now)
        if not (common and skipped):
            expected.append(f"out binary {size}")
    _assert_frames(meter, expected)
    share.leave()
    _assert_frames(meter, expected)


def _assert_frames(meter: Meter, expected: list[str]) -> None:
    box = meter.recent_frames()
    assert box is not None
    assert [line.split(" ", 1)[1] for line in box.lines(0.0)] == expected[-32:]
