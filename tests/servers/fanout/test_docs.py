"""Runs the example of docs/fanout.md."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import rtmon
from rtmon.servers.fanout import Group
from rtmon.servers.fanout.shared_frames import is_fragmenting
from rtmon.testing import until

PAGE = Path(__file__).parents[3] / "docs" / "fanout.md"


def example() -> Group:
    """Return the group that the page's example creates."""
    text = PAGE.read_text(encoding="utf-8").partition("sends the missed message later:\n")[2]
    code = textwrap.dedent(text.partition("\nIn this example")[0])
    found: dict[str, Any] = {
        "asyncio": asyncio,
        "contextlib": contextlib,
        "ConnectionClosed": ConnectionClosed,
        "Group": Group,
        "tasks": set(),
    }
    exec(code, found)  # noqa: S102 - an example of our own docs
    group: Group = found["group"]
    return group


def can_be_sent_to(group: Group) -> bool:
    """Return True if the group has a member that is not in the middle of a fragmented message."""
    return any(not is_fragmenting(one) for one in group)


async def test_on_blocked_example_of_the_fanout_docs_sends_the_message_later() -> None:
    """Callback ``on_blocked`` of the example in docs/fanout.md sends a group message after the
    member's own fragmented message; without the callback, the member misses the group message.
    """
    for group, expected in ((example(), ["ab", "one", "two"]), (Group(), ["ab", "two"])):
        begun, go = asyncio.Event(), asyncio.Event()

        async def pieces(begun: asyncio.Event, go: asyncio.Event) -> AsyncIterator[str]:
            yield "a"
            begun.set()
            await go.wait()
            yield "b"

        async def handler(
            connection: Any,
            group: Group = group,
            begun: asyncio.Event = begun,
            go: asyncio.Event = go,
        ) -> None:
            group.add(connection)
            await connection.send(pieces(begun, go))
            await connection.wait_closed()

        async with (
            rtmon.serve(handler, "127.0.0.1", 0) as server,
            connect(server.url) as client,
            asyncio.timeout(60),
        ):
            await begun.wait()
            group.publish("one")
            group.flush()
            assert group.skipped == 1
            go.set()
            got = [await client.recv() for _ in expected[:-1]]
            await until(functools.partial(can_be_sent_to, group), timeout=60)
            group.publish("two")
            assert [*got, await client.recv()] == expected
