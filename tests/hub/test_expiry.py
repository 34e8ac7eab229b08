"""Expiry of tokens and idle timeouts of clients, over every transport."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rtmon.hub.admission.authentication import User
from rtmon.testing import FakeClock, until
from tests.hub.conftest import ONE_EACH, Place
from tests.hub.tokens import login, token

Start = Callable[..., Awaitable[Place]]


class Timed:
    """Serves a hub whose clock is set by the test."""

    def __init__(self, start: Start) -> None:
        self.clock = FakeClock(time=time.time())
        self._start = start

    async def place(self, **options: Any) -> Place:
        """Serve a hub that reads the test's clock."""
        self.here = await self._start(clock=self.clock.monotonic, wall=self.clock.time, **options)
        return self.here

    def pass_time(self, seconds: float) -> None:
        """Advance the clock, and make the hub check the expiry of each connection."""
        self.clock.advance(seconds)
        for session in self.here.hub._parts.connection_limits.connections:
            self.here.hub._parts.expiry.check(session)


async def test_hub_sends_one_notice_before_a_token_expires_then_closes_with_4001(
    start: Start, over: str
) -> None:
    """Hub sends one ``token_expiring`` message before a client's token expires, and closes the
    client with 4001 when the token expires.
    """
    timed = Timed(start)
    place = await timed.place(auth=login(), expiry_notice=30)
    ada = await place.connect(over=over, token=token(exp=int(timed.clock.time()) + 100))
    timed.pass_time(60)
    assert "token_expiring" not in {message["type"] for message in await ada.quiet()}
    timed.pass_time(15)
    notice = await ada.next("token_expiring")
    assert 0 < notice["payload"]["ttl"] <= 30
    timed.pass_time(10)
    assert "token_expiring" not in {message["type"] for message in await ada.quiet()}
    timed.pass_time(20)
    assert await ada.close_code() == 4001
    await until(lambda: over == "memory" or not place.hub.connections)


@pytest.mark.parametrize("over", ONE_EACH)
async def test_refresh_with_a_valid_token_extends_the_connection(start: Start, over: str) -> None:
    """Client that sends a fresh token stays connected until the fresh token expires; a token of
    another user is refused and changes nothing.
    """
    timed = Timed(start)
    place = await timed.place(auth=login(), expiry_notice=30)
    ada = await place.connect(over=over, token=token(exp=int(timed.clock.time()) + 100))
    timed.pass_time(80)
    await ada.next("token_expiring")
    for wrong, code in ((token("eve"), "forbidden"), ("nonsense", "invalid_token")):
        answer = await ada.ask("refresh", {"token": wrong})
        assert (answer["type"], answer["payload"]["code"]) == ("error", code)
    fresh = token(exp=int(timed.clock.time()) + 600)
    answer = await ada.ask("refresh", {"token": fresh})
    assert answer["type"] == "ack"
    assert 500 < answer["payload"]["ttl"] <= 600
    timed.pass_time(500)
    assert (await ada.ask("ping"))["type"] == "pong"
    timed.pass_time(80)
    await ada.next("token_expiring")
    timed.pass_time(100)
    assert await ada.close_code() == 4001


async def test_hub_closes_client_when_its_refreshed_token_has_fewer_permissions(
    start: Start,
) -> None:
    """Hub closes a client with 4001 when its refreshed token has fewer scopes than before, and
    acknowledges a token with more scopes.
    """
    place = await start(auth=login())
    ada = await place.connect(token=token(scope="a b"))
    assert (await ada.ask("refresh", {"token": token(scope="a b c")}))["type"] == "ack"
    await ada.send("refresh", {"token": token(scope="a b")})
    assert await ada.close_code() == 4001


async def test_hub_closes_client_when_its_login_expires_by_the_real_clock(start: Start) -> None:
    """Hub closes a client with 4001 at the time in ``User.expires`` by the system clock."""
    place = await start(auth=lambda _: User(id="ada", expires=time.time() + 0.2))
    ada = await place.connect()
    (session,) = place.hub._parts.connection_limits.connections
    assert await ada.close_code() == 4001
    assert session.identity is not None
    assert time.time() >= (session.identity.expires or 0.0)


@pytest.mark.parametrize("over", ONE_EACH)
async def test_hub_closes_client_that_sends_only_pings_for_the_idle_timeout(
    start: Start, over: str
) -> None:
    """Hub closes a client with 4502 when it sends only pings for ``idle_timeout``, and keeps a
    client that sends other messages.
    """
    timed = Timed(start)
    place = await timed.place(idle_timeout=60)
    ada = await place.connect(over=over)
    for _ in range(3):
        timed.pass_time(40)
        await ada.ask("presence")
    timed.pass_time(40)
    await ada.ask("ping")
    timed.pass_time(21)
    assert await ada.close_code() == 4502


@pytest.mark.parametrize("over", ONE_EACH)
async def test_changed_idle_timeout_applies_to_connected_clients(start: Start, over: str) -> None:
    """Hub applies a changed ``idle_timeout`` to clients that are already connected."""
    place = await start()
    ada, bo = await place.connect(over=over), await place.connect()
    place.hub.change(idle_timeout=3_600)
    place.hub.change(idle_timeout=None)
    clients = place.hub.connections
    clients[ada.id].active -= 60
    clients[bo.id].active += 3_600
    place.hub.change(idle_timeout=30)
    assert await ada.close_code() == 4502
    assert (await bo.ask("ping"))["type"] == "pong"


async def test_idle_timeout_set_at_run_time_closes_a_connected_client(start: Start) -> None:
    """Hub closes a connected client with 4502 after an ``idle_timeout`` that ``change()`` has set,
    measured by the real clock.
    """
    place = await start()
    ada = await place.connect()
    place.hub.change(idle_timeout=0.1)
    assert await ada.close_code() == 4502


async def test_pings_in_a_batch_do_not_count_as_activity(start: Start) -> None:
    """Hub does not count a batch of only pings as activity, but counts a batch that contains
    another message.
    """
    clock = FakeClock()
    place = await start(idle_timeout=3_600, clock=clock.monotonic)
    ada = await place.connect()
    (session,) = place.hub.connections.values()
    came = session.active
    for kind, said in (("ping", 0.0), ("typing_start", 2.0)):
        clock.advance(1)
        await ada.send("batch", {"messages": [{"type": kind, "payload": {}}]})
        await ada.quiet()
        assert session.active == came + said
