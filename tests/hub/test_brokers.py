"""Contract of every broker: offsets, history, recovery, deduplication and presence."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rtmon.hub.brokers.base import Broker, Draft, Published
from rtmon.hub.brokers.memory import MemoryBroker
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.protocol.catalog import Member
from rtmon.protocol.data_encoding import decode_data, encode_data
from tests.hub.redis_server import RedisServer

KEEP = {"size": 5, "age": 60.0}


class Clock:
    """A clock whose time the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock that the broker reads."""
    return Clock()


@pytest.fixture(params=["memory", "redis"])
async def broker(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Broker]:
    """A memory broker and a Redis broker in turn."""
    made: Broker
    if request.param == "memory":
        made = MemoryBroker(clock=clock, channels=3)
    else:
        server: RedisServer = request.getfixturevalue("redis")
        made = RedisBroker(server.url, prefix=secrets.token_hex(4), timeout=60, clock=clock)
    yield made
    await made.aclose()


async def forget_idle(broker: Broker, redis: RedisServer) -> None:
    """Make a broker evict all channels that no subscriber holds."""
    if isinstance(broker, RedisBroker):
        await broker.keep_held()
        # Delete the keys that keep_held() did not renew, as their expiry would.
        for key in redis.ask("KEYS", f"{broker.prefix}at:*"):
            assert 0 < redis.ask("PTTL", key) <= 86_400_000
            if not key.endswith(b"held"):
                redis.ask("DEL", key, key.replace(b":at:", b":past:"))
    else:
        for number in range(10):
            await broker.publish(f"other{number}", draft(0), **KEEP)


def draft(number: int, own_id: str | None = None) -> Draft:
    """Return an unpublished message whose data is this number."""
    return Draft(
        type="publication", id=own_id or f"m{number}", timestamp=1, data=encode_data(number)
    )


def data(published: list[Published]) -> list[Any]:
    """Return the decoded data of each publication."""
    return [decode_data(each.draft.data) for each in published]


async def test_broker_delivers_publications_in_order_and_stores_them_in_history(
    broker: Broker,
) -> None:
    """Broker delivers publications in order with offsets 1, 2, 3, and returns the same
    publications from history.
    """
    delivered: list[tuple[str, Published]] = []
    broker.attach(lambda key, published: delivered.append((key, published)))
    receipts = [await broker.publish("a", draft(n), **KEEP) for n in range(3)]
    assert [r.offset for r in receipts] == [1, 2, 3]
    assert [(key, p.offset, decode_data(p.draft.data)) for key, p in delivered] == [
        ("a", 1, 0),
        ("a", 2, 1),
        ("a", 3, 2),
    ]
    start = (receipts[0].epoch, 0)
    recovery = await broker.recover("a", since=start, age=60.0)
    assert recovery.published == [p for _, p in delivered]
    assert recovery.recovered is True


async def test_broker_assigns_consecutive_offsets_to_concurrent_publishers(broker: Broker) -> None:
    """Broker assigns the offsets 1 to 50 without gaps, and delivers in that order, when 50
    publishers publish at once.
    """
    offsets: list[int] = []
    broker.attach(lambda key, published: offsets.append(published.offset))
    receipts = await asyncio.gather(*[broker.publish("a", draft(n), **KEEP) for n in range(50)])
    assert offsets == list(range(1, 51))
    assert sorted(r.offset for r in receipts) == offsets


async def test_broker_counts_offsets_separately_for_each_channel(broker: Broker) -> None:
    """Broker counts offsets separately for each channel."""
    first = await broker.publish("a", draft(0), **KEEP)
    other = await broker.publish("b", draft(0), **KEEP)
    second = await broker.publish("a", draft(0), **KEEP)
    assert (first.offset, second.offset) == (1, 2)
    assert (await broker.recover("b", since=None, age=60.0)).offset == other.offset


async def test_history_drops_oldest_publications_when_full_and_reports_the_gap(
    broker: Broker,
) -> None:
    """History keeps the five latest publications, and recovery reports ``recovered=False`` when
    a missed publication is no longer in history.
    """
    for number in range(8):
        receipt = await broker.publish("a", draft(number), **KEEP)
    epoch = receipt.epoch
    whole = await broker.recover("a", since=(epoch, 3), age=60.0)
    assert (data(whole.published), whole.recovered) == ([3, 4, 5, 6, 7], True)
    part = await broker.recover("a", since=(epoch, 2), age=60.0)
    assert (data(part.published), part.recovered) == ([3, 4, 5, 6, 7], False)
    none = await broker.recover("a", since=(epoch, 8), age=60.0)
    assert (none.published, none.recovered, none.offset) == ([], True, 8)


async def test_history_drops_publications_older_than_their_age_limit(
    broker: Broker, clock: Clock
) -> None:
    """History drops publications older than 60 s, and recovery reports ``recovered=False`` to a
    subscriber that missed a dropped publication.
    """
    receipt = await broker.publish("a", draft(0), **KEEP)
    clock.now += 61
    late = await broker.recover("a", since=(receipt.epoch, 0), age=60.0)
    assert (late.published, late.recovered, late.offset) == ([], False, 1)
    assert (await broker.recover("a", since=(receipt.epoch, 1), age=60.0)).recovered is True


async def test_broker_does_not_recover_when_the_epoch_differs(broker: Broker) -> None:
    """Broker recovers nothing and reports ``recovered=False`` when the position has another
    epoch.
    """
    await broker.publish("a", draft(0), **KEEP)
    strange = await broker.recover("a", since=("another", 1), age=60.0)
    assert (strange.published, strange.recovered, strange.offset) == ([], False, 1)
    assert (await broker.recover("a", since=None, age=60.0)).recovered is None


async def test_channel_with_history_size_0_counts_offsets_but_cannot_recover(
    broker: Broker,
) -> None:
    """Broker counts offsets in a channel with history size 0, and reports ``recovered=False``
    for any but the latest position.
    """
    receipt = await broker.publish("a", draft(0), size=0, age=60.0)
    assert receipt.offset == 1
    assert (await broker.recover("a", since=(receipt.epoch, 0), age=60.0)).recovered is False
    assert (await broker.recover("a", since=(receipt.epoch, 1), age=60.0)).recovered is True


async def test_broker_keeps_history_of_subscribed_channels_and_evicts_idle_ones(
    broker: Broker, redis: RedisServer
) -> None:
    """Broker keeps the history of a channel with subscribers, may evict an idle channel's
    history, and continues the idle channel's offsets.
    """
    first = await broker.publish("held", draft(0), **KEEP)
    missed = await broker.publish("idle", draft(0), **KEEP)
    last = await broker.publish("idle", draft(1), **KEEP)
    await broker.hold("held")
    await forget_idle(broker, redis)
    held = await broker.recover("held", since=(first.epoch, 0), age=60.0)
    assert (data(held.published), held.recovered) == ([0], True)
    idle = await broker.recover("idle", since=(first.epoch, missed.offset), age=60.0)
    assert idle.recovered is False
    assert idle.offset >= last.offset
    again = await broker.publish("idle", draft(2), **KEEP)
    assert again.offset == idle.offset + 1
    await broker.release("held")
    if isinstance(broker, MemoryBroker):
        await forget_idle(broker, redis)
        held = await broker.recover("held", since=(first.epoch, 0), age=60.0)
        assert held.recovered is False


async def test_broker_publishes_a_message_id_once_per_sender_within_five_minutes(
    broker: Broker, clock: Clock
) -> None:
    """Broker publishes a message id once per sender within five minutes, but publishes the id again
    after that time or for another sender.
    """
    delivered: list[str] = []
    broker.attach(lambda key, published: delivered.append(key))
    first = await broker.publish("a", draft(0, "x"), sender="ada", **KEEP)
    clock.now += 299
    again = await broker.publish("a", draft(0, "x"), sender="ada", **KEEP)
    assert (again.offset, again.duplicate, first.duplicate) == (first.offset, True, False)
    other = await broker.publish("a", draft(0, "x"), sender="bo", **KEEP)
    assert (other.offset, other.duplicate) == (2, False)
    clock.now += 2
    late = await broker.publish("a", draft(0, "x"), sender="ada", **KEEP)
    assert (late.offset, late.duplicate) == (3, False)
    assert len(delivered) == 3
    assert not (await broker.publish("a", draft(0, "x"), **KEEP)).duplicate, "has no sender"


async def test_broker_lists_and_counts_the_clients_present_in_a_channel(broker: Broker) -> None:
    """Broker lists clients present in a channel in the order of joining, with their latest name
    and info, and counts them.
    """
    ada, bo = Member(client_id="1", name="ada"), Member(client_id="2", name="bo")
    assert await broker.join("a", ada) == 1
    assert await broker.join("a", bo) == 2
    renamed = Member(client_id="1", name="Ada", info={"x": 1})
    assert await broker.join("a", renamed) == 2
    present = await broker.present("a", limit=10)
    assert (present.count, present.members) == (2, [renamed, bo])
    assert (await broker.present("a", limit=1)).members == [renamed]
    assert await broker.leave("a", "1") == 1
    assert await broker.leave("a", "1") == 1, "was gone"
    assert await broker.leave("a", "2") == 0
    assert await broker.leave("nowhere", "2") == 0
    assert (await broker.present("a", limit=10)).count == 0
