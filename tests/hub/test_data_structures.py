"""Unit tests of the hub's data structures and options."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.core.batch_buffer import Batch, BatchBuffer
from rtmon.errors import OptionError
from rtmon.hub import ChannelOptions, ChannelStats, Hub, HubOptions
from rtmon.hub.admission.connection_rate_limit import ConnectionRate
from rtmon.hub.brokers.deduplication import SeenIds
from rtmon.hub.join_leave_announcements import JoinLeaveBatch
from rtmon.hub.outgoing_messages import fitting
from rtmon.hub.stats import StatsTable
from rtmon.hub.subscriptions import Subscriptions
from rtmon.hub.typing_indicator import TypingState
from rtmon.metrics.records import ChannelInfo
from rtmon.protocol import limits
from rtmon.protocol.catalog import Member
from rtmon.protocol.channel_patterns import matches

_names = st.sampled_from(["a", "a.b", "a.c", "b.c", "a.*", "*.c", "**"])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), _names), max_size=40))
def test_subscriptions_return_each_subscriber_once(steps: list[tuple[bool, int, str]]) -> None:
    """Subscriptions return each subscriber of a channel once, whether it subscribed by name, by
    pattern or both.
    """
    subscriptions: Subscriptions[int] = Subscriptions()
    model: set[tuple[int, str]] = set()
    for add, member, name in steps:
        if add:
            subscriptions.add(member, name)
            model.add((member, name))
        else:
            assert subscriptions.remove(member, name) == ((member, name) in model)
            model.discard((member, name))
        for channel in ("a", "a.b", "a.c", "b.c"):
            received = list(subscriptions.receivers(channel))
            assert len(received) == len(set(received))
            assert set(received) == {
                m for m, n in model if n == channel or matches_pattern(n, channel)
            }
    for member in range(4):
        assert set(subscriptions.drop(member)) == {n for m, n in model if m == member}
    assert list(subscriptions.receivers("a")) == []


def matches_pattern(name: str, channel: str) -> bool:
    """Return True if ``name`` is a pattern that matches ``channel``."""
    return "*" in name and matches(name, channel)


def test_seen_ids_evict_ids_of_the_sender_with_the_most_ids() -> None:
    """Table of seen message ids, when full, evicts the oldest ids of the sender that has most ids,
    and deletes every id after its lifetime.
    """
    seen: SeenIds[int] = SeenIds(seconds=300, capacity=100)
    seen.add("modest", "m", 1, now=0)
    for number in range(1_000):
        seen.add("greedy", str(number), number, now=0)
        assert len(seen) <= 100
    assert seen.get("modest", "m", now=0) == 1
    assert seen.get("greedy", "999", now=0) == 999
    assert seen.get("greedy", "0", now=0) is None
    seen.add("late", "l", 2, now=301)
    assert len(seen) == 1, "what is too old is gone"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.floats(0, 40)), max_size=60))
def test_seen_id_is_known_for_exactly_its_lifetime(
    steps: list[tuple[str, int, float]],
) -> None:
    """Table of seen message ids contains an id for exactly 60 s after it was added, however
    often the id is looked up.
    """
    seen: SeenIds[float] = SeenIds(seconds=60, capacity=1_000)
    model: dict[tuple[str, str], float] = {}
    now = 0.0
    for sender, number, wait in steps:
        now += wait
        key = (sender, str(number))
        known = key in model and model[key] + 60 > now
        assert (seen.get(*key, now=now) is not None) == known
        if not known:
            seen.add(*key, now, now=now)
            model[key] = now
    assert len(seen) <= len(model)


def member(number: int) -> Member:
    """Return a presence member with this number as its client id."""
    return Member(client_id=str(number), name=f"n{number}")


@given(st.lists(st.integers(0, 4), max_size=40), st.integers(1, 10))
def test_join_leave_batch_keeps_the_order_of_each_members_changes(
    moves: list[int], every: int
) -> None:
    """Batch of joins and leaves contains each change once, and keeps the order of each member's
    changes.
    """
    announcer = JoinLeaveBatch()
    here: set[int] = set()
    done: dict[int, list[str]] = {}
    told: dict[int, list[str]] = {}

    def take() -> None:
        for change, members in announcer.take():
            for each in members:
                told.setdefault(int(each.client_id), []).append(change)

    for step, number in enumerate(moves):
        change = "left" if number in here else "joined"
        here ^= {number}
        announcer.add(change, str(number), member(number))  # type: ignore[arg-type]
        done.setdefault(number, []).append(change)
        if step % every == 0:
            take()
    take()
    assert told == done
    assert not announcer


def test_join_leave_batch_groups_a_thousand_joins_in_one_announcement() -> None:
    """Batch of 1,000 joins and then 500 leaves is announced as two groups."""
    announcer = JoinLeaveBatch()
    for number in range(1_000):
        announcer.add("joined", str(number), member(number))
    for number in range(500):
        announcer.add("left", str(number), member(number))
    assert [(change, len(members)) for change, members in announcer.take()] == [
        ("joined", 1_000),
        ("left", 500),
    ]


def test_typing_state_expires_and_is_limited_to_two_rooms() -> None:
    """Typing state ends 5 s after the client last repeated it; a client limited to two rooms
    stops typing in the first room when it starts in a third.
    """
    typists: TypingState[str] = TypingState(timeout=5.0, places=2)
    assert typists.start("ada", "x", now=0) == (True, [])
    assert typists.start("ada", "x", now=4) == (False, [])
    assert typists.expired(5.0) == []
    assert typists.next() == 9
    assert typists.expired(9.0) == [("ada", "x")]
    assert typists.next() is None
    assert not typists.stop("ada", "x")
    for place in ("a", "b"):
        typists.start("ada", place, now=0)
    assert typists.start("ada", "c", now=0) == (True, ["a"])
    assert typists.drop("ada") == ["b", "c"]


def test_rate_limiter_reports_a_flood_only_for_a_client_that_never_pauses() -> None:
    """Rate limiter allows a burst and then the rate, and reports a flood only for a client that
    never pauses.
    """
    limiter = ConnectionRate(rate=10, burst=5, now=0)
    assert [limiter.take(0.0) for _ in range(6)] == [0.0] * 5 + [pytest.approx(0.1)]
    assert limiter.take(0.1) == 0.0
    assert limiter.take(0.1) > 0.0
    limiter.refund()
    assert limiter.take(0.1) == 0.0
    for _ in range(limits.FLOOD_STRIKES - 2):
        assert not limiter.flooded
        assert limiter.take(0.1) > 0.0
    assert limiter.flooded
    patient = ConnectionRate(rate=10, burst=5, now=0)
    for second in range(2_000):
        for _ in range(7):
            patient.take(float(second))
        assert not patient.flooded


@given(st.lists(st.integers(0, 300_000), max_size=50))
def test_reply_groups_keep_item_order_and_byte_limit(sizes: list[int]) -> None:
    """Items of a reply are split into groups in their order, and no group of several items
    exceeds the byte limit.
    """
    groups = fitting(list(zip(range(len(sizes)), sizes, strict=True)))
    assert [item for group in groups for item in group] == list(range(len(sizes)))
    for group in groups:
        assert len(group) == 1 or sum(sizes[item] for item in group) <= limits.REPLY_BYTES


def test_channel_stats_evict_only_channels_without_subscribers() -> None:
    """Table of channel statistics evicts only channels without subscribers when it is full."""
    table = StatsTable(10, labels=2)
    busy = table["busy"]
    busy.subscribers = 1
    for number in range(100):
        table[f"c{number}"].published += 1
    known = table.as_dict()
    assert known["busy"] is busy
    assert len(known) <= 11
    assert isinstance(known["c99"], ChannelStats)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefghij"), st.floats(0, 100), st.integers(0, 3)), max_size=60
    )
)
def test_channel_metrics_counters_never_decrease(
    publications: list[tuple[str, float, int]],
) -> None:
    """Channel metrics have a series for each of the first three channels and one series for all
    other channels, and no counter decreases.
    """
    table = StatsTable(5, labels=3)
    told: dict[str, ChannelInfo] = {}
    for channel, seconds, receivers in publications:
        stats = table[channel]
        stats.published += 1
        stats.delivered += receivers
        stats.subscribers = receivers % 2
        stats.took(seconds)
        before, told = told, {info.channel: info for info in table.series()}
        assert list(told)[-1] == "other"
        assert len(told) <= 4
        for name, info in before.items():
            for counter in ("published", "delivered", "fanout"):
                assert getattr(told[name], counter) >= getattr(info, counter)
    if publications:
        assert sum(info.published for info in told.values()) == len(publications)
        assert sum(info.delivered for info in told.values()) == sum(n for _, _, n in publications)
        first = list(dict.fromkeys(channel for channel, _, _ in publications))[:3]
        assert list(told) == [*first, "other"]


def test_hub_accepts_options_and_keywords_and_names_an_invalid_option() -> None:
    """Hub accepts a HubOptions object together with keywords, and raises OptionError that names
    an invalid option.
    """
    assert Hub(HubOptions(history=5), echo=False).options == HubOptions(history=5, echo=False)
    with pytest.raises(OptionError, match="history"):
        Hub(history=-1)
    with pytest.raises(OptionError, match="rate"):
        Hub(rate="fast")
    with pytest.raises(OptionError, match="hystory"):
        Hub(hystory=1)
    with pytest.raises(OptionError, match="max_waiting"):
        HubOptions(max_waiting=1)
    for channels, wrong in (
        ({"a*b": ChannelOptions()}, "not a valid pattern"),
        ({"news.**.x": ChannelOptions()}, "not a valid pattern"),
        ({"news": {"slow": "block"}}, "ChannelOptions"),
        ({1: ChannelOptions()}, "as str"),
        (None, "give a dict"),
    ):
        with pytest.raises(OptionError, match=wrong):
            Hub().change(channels=channels)
    for wrong_rule in ({"history": -1}, {"history_age": "x"}, {"batch": 5}, {"slow": "x"}):
        with pytest.raises(OptionError):
            ChannelOptions(**wrong_rule)
    with pytest.raises(OptionError, match="batch"):
        Batch(size=0)
    with pytest.raises(OptionError, match="batch"):
        BatchBuffer(size=0)
