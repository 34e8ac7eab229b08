"""Connection limits and rate limits, tested without a hub."""

from __future__ import annotations

import asyncio

import pytest

from rtmon.errors import OptionError, ProtocolError
from rtmon.hub.admission.authentication import User
from rtmon.hub.admission.user_and_address_limits import ConnectionLimits, RateLimits
from rtmon.hub.connection import Connection
from rtmon.hub.hub_context import HubContext
from rtmon.testing import FakeClock
from tests.hub.parts.building import closed, make_connection, make_context


def from_address(context: HubContext, address: str) -> Connection:
    """Return a connection from this IP address."""
    connection = make_connection(context)
    connection.address = address
    return connection


def test_connection_limits_refuse_a_second_connection_of_an_address() -> None:
    """Connection limits refuse an address's second connection until its first has ended, and
    accept other addresses.
    """
    context = make_context(connections_per_address=1)
    limits = ConnectionLimits(context)
    first, other = from_address(context, "192.0.2.1"), from_address(context, "192.0.2.2")
    limits.add(first)
    limits.add(other)
    with pytest.raises(ProtocolError, match="Your address has 1 connections"):
        limits.add(from_address(context, "192.0.2.1"))
    limits.remove(first)
    limits.add(from_address(context, "192.0.2.1"))
    assert len(limits.connections) == 2


def test_connection_limits_close_unauthenticated_before_older_authenticated_connections() -> None:
    """Connection limits with ``close_oldest`` close an unauthenticated connection with 4501
    although an authenticated connection is older.
    """
    context = make_context(connections_per_address=2, at_limit="close_oldest")
    limits = ConnectionLimits(context)
    welcomed, waiting = from_address(context, "a"), from_address(context, "a")
    welcomed.welcomed = True
    for connection in (welcomed, waiting):
        limits.add(connection)
    limits.add(from_address(context, "a"))
    assert (closed(welcomed), closed(waiting)) == (None, 4501)


def test_connection_limits_count_connections_being_authenticated() -> None:
    """Connection limits refuse connections above ``max_connections``, and count connections
    that are still being authenticated.
    """
    context = make_context(max_connections=2)
    limits = ConnectionLimits(context)
    limits.add(make_connection(context))
    with limits.reserve(), pytest.raises(ProtocolError, match="full"), limits.reserve():
        pass
    limits.add(make_connection(context))
    with pytest.raises(ProtocolError, match="full"):
        limits.add(make_connection(context))


def test_rate_limits_count_all_connections_of_a_user_together() -> None:
    """Rate limits count the messages of all connections of one user together, count other users
    separately, and allow one more message after a refund.
    """
    clock = FakeClock()
    context = make_context(clock, user_rate=1, user_burst=2)
    rates = RateLimits(context, authenticated=True)
    one, two, other = (make_connection(context) for _ in range(3))
    one.identity = two.identity = User(id="ada")
    other.identity = User(id="bo")
    now = clock.monotonic()
    assert [rates.take(each, now) for each in (one, two)] == [0.0, 0.0]
    assert rates.take(one, now) == pytest.approx(1.0)
    assert rates.take(other, now) == 0.0
    rates.refund(two, 0)
    assert rates.take(one, now) == 0.0


async def test_rate_limits_delay_a_connection_above_its_byte_rate() -> None:
    """``RateLimits.pace()`` waits while a connection is above its byte rate, but neither within
    the burst nor after the connection has ended.
    """
    context = make_context(byte_rate=10_000_000.0)
    rates = RateLimits(context, authenticated=False)
    connection = make_connection(context)
    now = asyncio.get_running_loop().time
    connection.unpaced = 5_000_000
    await rates.pace(connection)
    began = now()
    connection.unpaced = 2_000_000
    await rates.pace(connection)
    assert now() - began > 0.1
    connection.unpaced = 70_000
    rates.refund(connection, 65_536)
    assert connection.unpaced == 4_464
    connection.unpaced = 10**12
    connection.end()
    async with asyncio.timeout(30):
        await rates.pace(connection)


def test_rate_limits_refuse_an_address_that_connects_too_often() -> None:
    """Rate limits refuse an address that connects too often and say when it may retry, and do
    not limit clients without a known address.
    """
    clock = FakeClock()
    rates = RateLimits(make_context(clock, address_rate=1, address_burst=1), authenticated=False)
    rates.check_address("192.0.2.1:5000")
    with pytest.raises(ProtocolError) as refused:
        rates.check_address("192.0.2.1:6000")
    assert refused.value.retry_after == pytest.approx(1.0)
    rates.check_address("192.0.2.2:5000")
    rates.check_address(None)
    clock.advance(1)
    rates.check_address("192.0.2.1:6000")


def test_rate_limits_raise_option_error_for_user_limits_without_auth() -> None:
    """Rate limits raise OptionError for limits per user when clients are not authenticated."""
    for options in ({"user_rate": 1}, {"connections_per_user": 1}):
        with pytest.raises(OptionError, match="need auth"):
            RateLimits(make_context(**options), authenticated=False)
