"""Token buckets compared with exact arithmetic; overlap of channel patterns; keys of IP
addresses.
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


def test_token_bucket_takes_several_tokens_and_can_be_drained() -> None:
    """Token bucket counts whole tokens, gives several at once, and is empty after ``drain()``."""
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
"""Milliseconds between two attempts."""


@given(PAUSES, st.integers(1, 50), st.integers(1, 20))
def test_token_bucket_allows_exactly_what_exact_arithmetic_allows(
    pauses: list[int], rate: int, burst: int
) -> None:
    """Token bucket allows exactly the messages that exact arithmetic with burst and rate allows."""
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
def test_token_bucket_allows_a_message_after_the_wait_it_returns(
    pauses: list[int], rate: int, burst: int
) -> None:
    """Token bucket allows the next message after the wait that it returns, and not before."""
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
def test_token_buckets_of_different_keys_are_independent(tries: list[tuple[int, int]]) -> None:
    """Token buckets of different keys in one table give the same waits as separate buckets."""
    shared, now = Buckets(rate=5, burst=3, capacity=6), 0
    alone = {key: Bucket(rate=5, burst=3, now=0.0) for key in range(6)}
    for key, pause in tries:
        now += pause
        found, mine = shared.get(str(key), now / 1000), alone[key]
        assert found.wait(now / 1000) == pytest.approx(mine.wait(now / 1000), abs=1e-9)
        if not mine.wait(now / 1000):
            mine.take()
            found.take()


def test_token_buckets_keep_only_the_most_recently_used_keys() -> None:
    """Table of token buckets with capacity 3 keeps only the three most recently used of 1,000
    keys.
    """
    buckets = Buckets(rate=0.001, burst=1, capacity=3)
    buckets.get("kept", 0.0).take()
    for number in range(1_000):
        buckets.get(f"{number}", 0.0)
        assert buckets.get("kept", 0.0).wait(0.0) > 0
        assert len(buckets) <= 3


def test_connection_rate_takes_a_token_from_all_buckets_or_from_none() -> None:
    """Connection rate takes a token from its own and the shared bucket, or from neither when one
    is empty.
    """
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
def test_overlaps_and_covers_agree_with_the_channels_that_patterns_match(
    one: str, other: str
) -> None:
    """``overlaps()`` is true whenever two patterns match the same channel, and a pattern that
    ``covers()`` another pattern matches all channels of that pattern.
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
        ("news.**", "news.*", True, False),  # "news.**" matches "news.", "news.*" does not.
        ("news.**", "news", False, False),
        ("news.**", "**", True, False),
        ("**", "a.**", True, True),
        ("*.sport", "news.*", True, False),
        ("news.sport", "news.sport", True, True),
        ("news.sport", "news.*", True, False),
        ("news.sport", "mail.*", False, False),
    ],
)
def test_overlaps_and_covers_give_the_expected_result_for_pattern_pairs(
    one: str, other: str, *, meet: bool, inside: bool
) -> None:
    """``overlaps()`` and ``covers()`` return the expected result for pairs of channel patterns."""
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
def test_network_key_is_the_ipv4_address_or_the_ipv6_64_network(
    remote: str | None, key: str | None
) -> None:
    """Network key of a client address is the IPv4 address or the IPv6 /64 network, and None for
    other text.
    """
    assert network(remote) == key
