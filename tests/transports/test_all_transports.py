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
    """Serve a hub natively and over ASGI with one Monitor, and yield a room member of each kind."""
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
    """Wait until each member has received this many room messages."""
    async with asyncio.timeout(60):
        for member in members.values():
            await until(lambda m=member: len(m.heard) >= count)


def rows(monitor: rtmon.Monitor) -> dict[str, ConnectionInfo]:
    """Tick the Monitor, and return the rows of the connections table by client name."""
    monitor.tick()
    return {str(info.name): info for info in monitor.collector.connections()}


async def test_room_members_on_six_transports_receive_the_same_messages_also_after_reconnects() -> (
    None
):
    """Room members on six transports receive the same messages once and in order, also after
    reconnects, and the Monitor's counts equal the clients' counts.
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
            # The server may have sent messages that the killed client did not receive.
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
