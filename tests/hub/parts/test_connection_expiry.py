from __future__ import annotations

from rtmon.hub.admission.authentication import User
from rtmon.hub.admission.connection_expiry import Expiry
from rtmon.testing import FakeClock
from tests.hub.parts.building import closed, make_connection, make_context, received


async def test_expiry_warns_once_and_closes_when_the_token_expires() -> None:
    """A client is warned once of each token, and closed when the last one expires."""
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


async def test_expiry_closes_connection_when_idle() -> None:
    """A silent connection is closed after the timeout; one that has ended is left alone."""
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
