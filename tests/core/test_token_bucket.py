"""Token buckets, compared with exact arithmetic; channel patterns and address keys of rate
limits.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.core.ip_addresses import network
from rtmon.core.token_bucket import Bucket, Buckets
from rtmon.errors import ProtocolError
from rtmon.hub.admission.connection_rate_limit import ConnectionRate
from rtmon.protocol.channel_patterns import covers, is_pattern, matches, overlaps


def test_bucket_gives_several_tokens_and_can_be_drained() -> None:
    """A bucket counts whole tokens, gives several at once, and is empty after a drain."""
    bucket = Bucket(rate=2.0, burst=5, now=0.0)
    assert bucket.available(0.0) == 5
    bucket.take(3)
    assert bucket.available(0.25) == 2
    assert bucket.available(0.5) == 3
    bucket.drain()
    assert bucket.available(0.5) == 0
    assert bucket.wait(0.5) == 0.5
    bucket.drain()
    assert bucket.available(1.0) == 1


PAUSES = st.lists(st.integers(0, 3_000), max_size=80)
"""Milliseconds between one try and the next."""


@given(PAUSES, st.integers(1, 50), st.integers(1, 20))
def test_bucket_is_never_overdrawn(pauses: list[int], rate: int, burst: int) -> None:
    """A bucket allows exactly what exact arithmetic does: in any time no more than the burst
    and the rate times that time, and it refuses no message that there are tokens for.
    """
    bucket = Bucket(rate=rate, burst=burst, now=0.0)
    exact, now = Fraction(burst), 0
    for pause in pauses:
        now += pause
        exact = min(Fraction(burst), exact + Fraction(pause * rate, 1000))
        wait = bucket.wait(now / 1000)
        assert (wait == 0) == (exact >= 1)
        if wait == 0:
            bucket.take()
            exact -= 1
        else:
            assert wait == pytest.approx(float((1 - exact) / rate), abs=1e-6)


@given(PAUSES, st.integers(1, 50), st.integers(1, 20))
def test_bucket_allows_a_message_after_the_wait_it_names(
    pauses: list[int], rate: int, burst: int
) -> None:
    """After that many seconds, and not before, the next message is allowed."""
    bucket, now = Bucket(rate=rate, burst=burst, now=0.0), 0.0
    for pause in pauses:
        now += pause / 1000
        wait = bucket.wait(now)
        if wait:
            assert bucket.wait(now + wait / 2) > 0
            now += wait
        assert bucket.wait(now) == 0
        bucket.take()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 500)), max_size=100))
def test_keys_are_independent(tries: list[tuple[int, int]]) -> None:
    """Below the limit of keys, each key has a bucket as if it were alone."""
    shared, now = Buckets(rate=5, burst=3, capacity=6), 0
    alone = {key: Bucket(rate=5, burst=3, now=0.0) for key in range(6)}
    for key, pause in tries:
        now += pause
        found, mine = shared.get(str(key), now / 1000), alone[key]
        assert found.wait(now / 1000) == pytest.approx(mine.wait(now / 1000), abs=1e-9)
        if not mine.wait(now / 1000):
            mine.take()
            found.take()


def test_memory_is_bounded_for_any_number_of_keys() -> None:
    """The most recently used keys are kept."""
    buckets = Buckets(rate=0.001, burst=1, capacity=3)
    buckets.get("kept", 0.0).take()
    for number in range(1_000):
        buckets.get(f"{number}", 0.0)
        assert buckets.get("kept", 0.0).wait(0.0) > 0
        assert len(buckets) <= 3


def test_message_takes_a_token_of_each_bucket_or_of_none() -> None:
    """When one bucket refuses, no other gives a token, and the longest wait is returned."""
    mine, shared = ConnectionRate(rate=1, burst=2, now=0.0), Bucket(rate=0.5, burst=1, now=0.0)
    assert mine.take(0.0, [shared]) == 0.0
    assert mine.take(0.0, [shared]) == pytest.approx(2.0)
    assert mine.take(0.0) == 0.0
    assert mine.take(0.0, [shared]) == pytest.approx(2.0)


segments = st.sampled_from(["a", "b", "*", ""])
patterns = st.builds(
    lambda parts, tail: ".".join([*parts, *tail]),
    st.lists(segments, max_size=3),
    st.sampled_from([["a"], ["*"], ["**"], [""]]),
)
CHANNELS = [
    ".".join(parts)
    for first in ("a", "b", "", "x")
    for parts in [
        (first,),
        *((first, second) for second in ("a", "b", "", "x")),
        *((first, second, third) for second in ("a", "b", "", "x") for third in ("a", "b", "")),
        *((first, "a", "b", last) for last in ("a", "b", "", "x.y")),
    ]
]


@given(patterns, patterns)
def test_patterns_meet_exactly_when_a_channel_matches_both(one: str, other: str) -> None:
    """No common channel is missed, and a pattern that covers another matches all its channels:
    otherwise a wider pattern could evade a rule.
    """
    for pattern in (one, other):
        try:
            is_pattern(pattern)
        except ProtocolError:
            return
    for channel in CHANNELS:
        if matches(other, channel):
            assert overlaps(one, other) or not matches(one, channel)
            assert matches(one, channel) or not covers(one, other)


@pytest.mark.parametrize(
    ("one", "other", "meet", "inside"),
    [
        ("news.*", "news.sport", True, True),
        ("news.*", "news.sport.tennis", False, False),
        ("news.**", "news.sport.*", True, True),
        ("news.**", "news.*", True, False),  # news. is no channel of the first
        ("news.**", "news", False, False),
        ("news.**", "**", True, False),
        ("**", "a.**", True, True),
        ("*.sport", "news.*", True, False),
        ("news.sport", "news.sport", True, True),
        ("news.sport", "news.*", True, False),
        ("news.sport", "mail.*", False, False),
    ],
)
def test_patterns_meet_by_example(one: str, other: str, meet: bool, inside: bool) -> None:  # noqa: FBT001 - a case's
    """Patterns without a common channel are distinguished from those with one."""
    assert (overlaps(one, other), covers(one, other)) == (meet, inside)


@pytest.mark.parametrize(
    ("remote", "key"),
    [
        ("192.0.2.7:5000", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:5000", "192.0.2.7"),
        ("[2001:db8:1:2:3:4:5:6]:5000", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9%eth0]:80", "2001:db8:1:2::/64"),
        ("::1:5000", "::/64"),
        ("/run/hub.sock", None),
        ("testclient:50000", None),
        ("", None),
        (None, None),
    ],
)
def test_networks_group_addresses_by_ipv6_prefix(remote: str | None, key: str | None) -> None:
    """All addresses of an IPv6 network share one key, since one client may own them all;
    text that is no address has no key.
    """
    assert network(remote) == key
