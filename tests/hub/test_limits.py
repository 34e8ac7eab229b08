"""Connection limits, rate limits and the byte rate, over every transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import socketio

import rtmon
from rtmon.errors import OptionError, ProtocolError
from rtmon.hub import Credentials, Hub, Session, User
from rtmon.testing import FakeClock, until
from tests.hub.clients import StreamClient
from tests.hub.conftest import ONE_EACH, TRANSPORTS, Place
from tests.hub.tokens import login, token

Start = Callable[..., Awaitable[Place]]


async def turned_away(place: Place, over: str, **options: Any) -> str | int:
    """Return the error code with which a client is refused; over SSE its close code."""
    try:
        client = await place.come(over=over, **options)
    except (ProtocolError, socketio.exceptions.ConnectionError):
        (found,) = place.hub.refused
        return found
    if isinstance(client, StreamClient):
        return await client.close_code()
    error: str = (await client.next("error"))["payload"]["code"]
    assert await client.close_code() == 1013
    return error


@pytest.mark.parametrize("over", ONE_EACH)
async def test_hub_refuses_connections_above_connections_per_user(start: Start, over: str) -> None:
    """Hub refuses a user's third connection with ``connections_per_user=2``, and accepts another
    user, or the same user after a disconnect.
    """
    place = await start(auth=login(), connections_per_user=2)
    first = await place.connect(token=token("ada"))
    await place.connect(token=token("ada"))
    found = await turned_away(place, over, token=token("ada"))
    assert found in {"too_many_connections", 1013}
    await place.connect(over=over, token=token("bo"))
    await first.leave()
    await until(
        lambda: len(place.hub._parts.connection_limits.connections) <= 2 + (over == "memory")
    )
    await place.connect(over=over, token=token("ada"))


async def test_connections_per_address_counts_unauthenticated_connections(start: Start) -> None:
    """Hub counts the connections of all users of an IP address, and unauthenticated ones,
    against ``connections_per_address``.
    """
    place = await start(auth=login(), connections_per_address=2, auth_timeout=60)
    await place.connect(token=token("ada"))
    silent = await place.come()
    await until(lambda: len(place.hub._parts.connection_limits.connections) == 2)
    assert await turned_away(place, "websocket-json", token=token("bo")) == "too_many_connections"
    await place.connect(
        over="memory", token=token("bo")
    )  # The memory client has another IP address.
    await silent.leave()
    await until(lambda: len(place.hub._parts.connection_limits.connections) == 2)
    await place.connect(token=token("bo"))


@pytest.mark.parametrize("over", ONE_EACH)
async def test_hub_closes_a_users_oldest_connection_when_the_user_has_too_many(
    start: Start, over: str
) -> None:
    """Hub closes a user's oldest connection with 4501 when the user exceeds
    ``connections_per_user`` and ``at_limit`` is ``close_oldest``.
    """
    place = await start(auth=login(), connections_per_user=2, at_limit="close_oldest")
    oldest = await place.connect(over=over, token=token("ada"))
    others = [await place.connect(token=token("ada")) for _ in range(2)]
    assert await oldest.close_code() == 4501
    for each in others:
        await each.ask("ping")


async def test_hub_at_its_limit_closes_unauthenticated_before_older_authenticated_connections(
    start: Start,
) -> None:
    """Hub with ``at_limit="close_oldest"`` closes an address's unauthenticated connections
    although an authenticated connection is older.
    """
    place = await start(
        auth=login(), connections_per_address=2, at_limit="close_oldest", auth_timeout=60
    )
    ada = await place.connect(token=token("ada"))
    silent = [await place.come() for _ in range(3)]
    assert [await each.close_code() for each in silent[:2]] == [4501, 4501]
    await ada.ask("ping")


@pytest.mark.parametrize("over", ONE_EACH)
async def test_rate_limit_of_a_user_counts_all_its_connections(start: Start, over: str) -> None:
    """Hub counts the messages of all connections of a user against ``user_rate``, and accepts
    messages again after ``retry_after``.
    """
    clock = FakeClock()
    place = await start(auth=login(), user_rate=1, user_burst=4, clock=clock.monotonic, rate=1_000)
    ada = await place.connect(over=over, token=token("ada"))
    also = await place.connect(token=token("ada"))
    bo = await place.connect(token=token("bo"))
    for client in (ada, also, ada, also):
        assert (await client.ask("ping"))["type"] == "pong"
    refused = (await ada.ask("ping"))["payload"]
    assert (refused["code"], refused["retry"]) == ("rate_limited", True)
    assert refused["retry_after"] == pytest.approx(1.0)
    assert (await bo.ask("ping"))["type"] == "pong"
    clock.advance(refused["retry_after"])
    assert (await also.ask("ping"))["type"] == "pong"
    assert (await ada.ask("ping"))["payload"]["code"] == "rate_limited"


@pytest.mark.parametrize("over", ONE_EACH)
async def test_rate_limit_request_returns_the_tightest_limit_of_the_client(
    start: Start, over: str
) -> None:
    """Hub answers a ``rate_limit`` request with limit, remaining messages and reset time of the
    client's tightest limit.
    """
    clock = FakeClock()
    place = await start(
        rate=2, burst=10, auth=login(), user_rate=1, user_burst=4, clock=clock.monotonic
    )
    ada = await place.connect(over=over, token=token("ada"))
    for left in (3, 2):
        answer = await ada.ask("rate_limit")
        assert answer["type"] == "rate_limit"
        assert answer["payload"] == {"limit": 4, "remaining": left, "reset": 4.0 - left}
    clock.advance(1)
    assert (await ada.ask("rate_limit"))["payload"]["remaining"] == 2
    for _ in range(2):
        await ada.ask("ping")
    refused = (await ada.ask("ping"))["payload"]
    assert (refused["code"], refused["remaining"], refused["reset"]) == ("rate_limited", 0, 4.0)
    assert refused["retry_after"] == pytest.approx(1.0)
    clock.advance(100)
    assert (await ada.ask("rate_limit"))["payload"]["remaining"] == 3


async def test_python_client_requests_its_remaining_rate_limit() -> None:
    """Python client's ``request("rate_limit")`` returns its limit, remaining messages and reset
    time.
    """
    async with (
        rtmon.serve(rtmon.Hub(rate=1, burst=50), "127.0.0.1", 0) as server,
        rtmon.connect(server.url) as client,
    ):
        await client.wait_open()
        left = (await client.request("rate_limit")).payload
    assert left["limit"] == 50
    assert 0 < left["remaining"] < 50
    assert left["reset"] > 0


async def test_reconnect_does_not_reset_the_rate_limit_of_an_address(start: Start) -> None:
    """Hub counts each connection attempt against ``address_rate``, so that a client does not
    reset its rate limit by reconnecting.
    """
    clock = FakeClock()
    place = await start(address_rate=1, address_burst=3, clock=clock.monotonic)
    for _ in range(3):
        client = await place.connect()
        await client.leave()
    assert await turned_away(place, "websocket-json") == "rate_limited"
    clock.advance(2)
    ada = await place.connect()
    assert (await ada.ask("ping"))["type"] == "pong"
    assert (await ada.ask("ping"))["payload"]["code"] == "rate_limited"


@pytest.mark.parametrize("over", ["websocket-json", "sse"])
async def test_hub_refuses_connections_above_address_rate_without_calling_auth(
    start: Start, over: str
) -> None:
    """Hub refuses connections of an address above ``address_rate`` without calling the ``auth``
    function.
    """
    asked: list[Any] = []
    clock = FakeClock()
    place = await start(auth=asked.append, address_rate=1, address_burst=3, clock=clock.monotonic)
    for _ in range(5):
        client = await place.come(over=over, token="guess")  # noqa: S106 - not a real token
        await client.leave()
    assert len(asked) == 3
    assert place.hub.refused == {"invalid_token": 3, "rate_limited": 2}


async def test_client_closed_during_authentication_is_never_welcomed(start: Start) -> None:
    """Client that ``close_oldest`` closes while ``auth`` still runs for it gets no welcome and is
    not announced.
    """
    known = asyncio.Event()

    async def check(shown: Credentials) -> User:
        if shown.token == "slow":  # noqa: S105 - not a real token
            await known.wait()
        return User(id=shown.token or "")

    place = await start(auth=check, connections_per_address=1, at_limit="close_oldest")
    eve = await place.come(token="slow")  # noqa: S106 - not a real token
    await until(lambda: len(place.hub._parts.connection_limits.connections) == 1)
    ada = await place.connect(token="ada")  # noqa: S106 - not a real token
    assert await eve.close_code() == 4501
    known.set()
    await until(lambda: len(place.hub._parts.connection_limits.connections) == 1)
    heard = [message for message in await ada.quiet() if "slow" in str(message)]
    assert heard == []
    assert place.hub.refused == {}


async def test_hub_ignores_messages_after_the_one_that_closed_the_client(start: Start) -> None:
    """Hub that closes a client ignores the client's later messages, and a message whose ``allow``
    check has not returned yet.
    """
    asked, answer = asyncio.Event(), asyncio.Event()

    async def allow(session: Session, *_: str) -> bool:
        if session.user == "slow":
            asked.set()
            await answer.wait()
        return True

    place = await start(auth=login(), allow=allow)
    bo = await place.connect(token=token("bo"))
    ada = await place.connect(token=token("ada", scope="x"))
    less = {"type": "refresh", "payload": {"token": token("ada")}}
    more = {"type": "chat_message", "payload": {"text": "hi"}}
    await ada.send("batch", {"messages": [less, more]})
    assert await ada.close_code() == 4001
    slow = await place.connect(token=token("slow"))
    await slow.send("chat_message", {"text": "hi"})
    await asked.wait()
    (session,) = [
        each for each in place.hub._parts.connection_limits.connections if each.user == "slow"
    ]
    session.peer.close(4001, "over")
    answer.set()
    assert await slow.close_code() == 4001
    assert not [message for message in await bo.quiet() if message["type"] == "chat_message"]


async def test_streams_being_authenticated_count_against_max_connections(start: Start) -> None:
    """Hub counts event streams that are still being authenticated against ``max_connections``,
    and refuses further streams.
    """
    asked, answer = 0, asyncio.Event()

    async def check(_: Credentials) -> User:
        nonlocal asked
        asked += 1
        await answer.wait()
        return User(id=f"user-{asked}")

    place = await start(auth=check, max_connections=2, auth_timeout=60)
    await place.asgi()
    coming = [asyncio.create_task(place.come(over="sse", token="x")) for _ in range(6)]  # noqa: S106
    await until(lambda: place.hub.refused == {"full": 4})
    assert asked == 2
    answer.set()
    await asyncio.gather(*coming)
    await until(lambda: len(place.hub.connections) == 2)


async def check_byte_rate(start: Start, over: str) -> None:
    """Check that 300 KB at 100 KB/s and a burst of 131 KB take as long as they should."""
    place = await start(byte_rate=100_000.0)
    client = await place.connect(over=over)
    taken: list[int] = []
    place.hub.subscribe("c", lambda publication: taken.append(int(publication.data)))
    began = asyncio.get_running_loop().time()
    for number in range(5):
        answer = await client.ask(
            "publish", {"channel": "c", "data": f"{number}".ljust(60_000), "ack": True}
        )
        assert answer["type"] == "ack", answer
    # The hub reads the fifth message when the bytes of the first four, less the burst, are due.
    least = (4 * 60_000 - place.hub.options.max_size) / 100_000
    assert asyncio.get_running_loop().time() - began >= 0.95 * least
    await until(lambda: taken == [*range(5)])


@pytest.mark.parametrize("over", ONE_EACH)
async def test_hub_delays_messages_above_the_byte_rate(start: Start, over: str) -> None:
    """Hub delays reading a client's messages above ``byte_rate``, keeps their order, and
    refuses none.
    """
    await check_byte_rate(start, over)


@pytest.mark.matrix
@pytest.mark.parametrize("over", sorted(set(TRANSPORTS) - set(ONE_EACH)))
async def test_hub_delays_messages_above_the_byte_rate_over_each_transport_and_codec(
    start: Start, over: str
) -> None:
    """Hub delays reading a client's messages above ``byte_rate`` and keeps their order over
    each transport and codec.
    """
    await check_byte_rate(start, over)


async def test_hub_closes_without_waiting_for_a_connection_above_its_byte_rate(
    start: Start,
) -> None:
    """Hub closes within 30 s although a client has sent more than two minutes' worth of its allowed
    ``byte_rate``.
    """
    place = await start(byte_rate=1_024.0)
    client = await place.connect()
    await client.ask("publish", {"channel": "c", "data": "x" * 130_000, "ack": True})
    await client.ask("publish", {"channel": "c", "data": "x" * 130_000, "ack": True})
    await client.send("ping")
    async with asyncio.timeout(30):
        await place.aclose()


async def test_limits_keep_no_state_of_closed_connections(start: Start) -> None:
    """Hub's limits keep no state of hundreds of closed, refused and unauthenticated connections."""
    place = await start(
        auth=login(), connections_per_user=50, connections_per_address=50, user_rate=1e6
    )
    hub = place.hub
    for number in range(200):
        user = token(f"user-{number % 3}")
        ada = await place.connect(over="memory", token=user)
        silent = await place.come(over="memory")
        for client in (ada, silent):
            await client.leave()
        place.clients.clear()
        with pytest.raises(ProtocolError):
            await place.come(over="memory", token="nonsense")  # noqa: S106 - not a real token
    assert not hub._parts.connection_limits.connections
    assert not len(hub._parts.connection_limits._groups)
    assert len(hub._parts.rate_limits._by_user or ()) <= 3


async def test_connection_limit_holds_when_many_clients_authenticate_at_once(start: Start) -> None:
    """Hub accepts three of 20 clients of one user that authenticate at the same time with
    ``connections_per_user=3``.
    """
    check = login()

    async def slowly(shown: Any) -> Any:
        await asyncio.sleep(0)
        return check(shown)

    place = await start(auth=slowly, connections_per_user=3, max_connections=100)
    coming = [place.come(over="memory", token=token("ada")) for _ in range(20)]
    done = await asyncio.gather(*coming, return_exceptions=True)
    refused = [each for each in done if isinstance(each, ProtocolError)]
    assert (len(refused), len(place.hub.connections)) == (17, 3)


def test_hub_raises_option_error_for_limits_out_of_range() -> None:
    """Hub raises OptionError for a limit, rate or timeout that is out of range."""
    for wrong in (
        {"at_limit": "refuse_all"},
        {"connections_per_address": 0},
        {"address_rate": 0},
        {"address_burst": 0},
        {"auth_timeout": 0},
        {"byte_rate": 1_023.0},
        {"byte_rate": float("nan")},
        {"idle_timeout": -1},
        {"expiry_notice": float("nan")},
    ):
        with pytest.raises(OptionError):
            Hub(**wrong)  # type: ignore[arg-type]
