"""Expiry of tokens and idle connections, tested without a hub."""

from __future__ import annotations

from rtmon.hub.admission.authentication import User
from rtmon.hub.admission.connection_expiry import Expiry
from rtmon.testing import FakeClock
from tests.hub.parts.building import closed, make_connection, make_context, received


async def test_expiry_sends_one_notice_per_token_and_closes_with_4001() -> None:
    """Expiry check sends one notice for each token, and closes the connection with 4001 when the
    token expires.
    """
    clock = FakeClock()
    context = make_context(clock, expiry_notice=30)
    expiry, ada = Expiry(context), make_connection(context)
    ada.identity = User(id="ada", expires=clock.time() + 60)
    warnings = []
    for _ in range(3):
        clock.advance(15)
        expiry.check(ada)
        warnings.append([message["type"] for message in received(ada)])
    assert warnings == [[], ["token_expiring"], []]
    ada.identity = User(id="ada", expires=clock.time() + 20)
    expiry.check(ada)
    assert [message["payload"]["ttl"] for message in received(ada)] == [20.0]
    clock.advance(20)
    expiry.check(ada)
    assert closed(ada) == 4001


async def test_expiry_closes_an_idle_connection_with_4502() -> None:
    """Expiry check closes an idle connection with 4502, and does nothing for a connection that
    has already ended.
    """
    clock = FakeClock()
    context = make_context(clock, idle_timeout=10)
    expiry, ada, gone = Expiry(context), make_connection(context), make_connection(context)
    for connection in (ada, gone):
        expiry.check(connection)
    gone.end()
    expiry.stop(gone)
    clock.advance(10)
    for connection in (ada, gone):
        expiry.check(connection)
    assert (closed(ada), closed(gone)) == (4502, None)
