"""One room with clients over six transports and codecs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

import rtmon
from rtmon.asgi import serve
from rtmon.lab.faults import FaultProxy
from rtmon.metrics.records import ConnectionInfo
from rtmon.testing import until
from tests.transports.members import KINDS, Member, OverSocketIO
from tests.transports.node import NODE, node

pytestmark = pytest.mark.skipif(NODE is None, reason="no node on the PATH")


@asynccontextmanager
async def six() -> AsyncIterator[tuple[rtmon.Monitor, dict[str, Member]]]:
    """A hub on a native and an ASGI listener, one Monitor, and a member of each kind."""
    monitor = rtmon.Monitor(interval=1000)
    hub = rtmon.Hub(announce=0.02, rate=10_000)
    async with AsyncExitStack() as stack:
        native = await stack.enter_async_context(rtmon.serve(hub, "127.0.0.1", 0, monitor=monitor))
        asgi = await stack.enter_async_context(serve(hub, port=0, monitor=monitor))
        clients = await stack.enter_async_context(node())
        members: dict[str, Member] = {}
        for kind, cls in KINDS.items():
            server = native if kind in {"json", "msgpack"} else asgi
            proxy = await stack.enter_async_context(FaultProxy(server))
            more = (clients,) if cls is OverSocketIO else ()
            members[kind] = cls(kind, proxy, *more)
            await members[kind].come()
        yield monitor, members
    assert monitor.probe_failures == 0
    monitor.close()


async def together(members: dict[str, Member], count: int) -> None:
    """Wait until all members have that many messages."""
    async with asyncio.timeout(60):
        for member in members.values():
            await until(lambda m=member: len(m.heard) >= count)


def rows(monitor: rtmon.Monitor) -> dict[str, ConnectionInfo]:
    """The connections table, by name."""
    monitor.tick()
    return {str(info.name): info for info in monitor.collector.connections()}


async def test_one_room_over_six_transports_is_consistent() -> None:
    """Each of six kinds of members gets every message of a room once, in the same order and
    with the same id; a killed member that returns misses nothing; and the Monitor's counts of
    each connection equal the client's.
    """
    async with six() as (monitor, members):
        for turn in range(3):
            for kind, member in members.items():
                await member.speak(f"{kind} ü {turn}")
        await together(members, 18)
        ids = [row.client_id for row in rows(monitor).values()]
        assert None not in ids
        assert len(set(ids)) == len(members)

        said = 18
        for kind, member in members.items():
            killed, (got, _), name = member, member.got, member.name
            await member.kill()
            others = [other for other in members.values() if other is not member]
            for other in others[:3]:
                await other.speak(f"while {kind} was away")
            said += 3
            await member.come()
            await together(members, said)
            # More may have been under way to it.
            assert (rows(monitor)[name].messages_out or 0) >= got
            assert killed.transport == rows(monitor)[name].transport

        first, *others = [member.heard for member in members.values()]
        assert [offset for _, offset, _ in first] == list(range(1, said + 1))
        assert len({id_ for id_, _, _ in first}) == said
        for heard in others:
            assert heard == first

        for kind, member in members.items():
            await member.leave()
            name = member.name
            await until(lambda n=name: rows(monitor)[n].state == "closed")
            row = rows(monitor)[name]
            assert row.transport == member.transport
            assert (kind, row.messages_out, row.bytes_out) == (kind, *member.got)
            assert (kind, row.messages_in, row.bytes_in) == (kind, *member.said)
