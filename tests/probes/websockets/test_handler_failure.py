"""Handlers of ``websockets`` that raise, are canceled, or end because their client has left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from rtmon.probes.websockets.counting_client_and_server import CLOSES_BY_CALL
from tests.probes.websockets.serving import dead, serving


async def test_websockets_row_has_traceback_and_last_frames_when_the_handler_raises() -> None:
    """Monitor's connection row has close code 1011, the cause ``handler failed``, the traceback
    and the last frames when the handler raises.
    """

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        raise LookupError("no such room")

    async with serving(handler) as (monitor, _, url):
        async with connect(url) as client:
            await client.send("hi")
            with suppress(ConnectionClosed):
                await client.recv()
        row = await dead(monitor)
    assert (row.close_code, row.cause) == (1011, "handler failed")
    assert row.traceback is not None
    assert 'raise LookupError("no such room")' in row.traceback
    assert row.last_frames is not None
    assert "in text 2" in row.last_frames


async def _cancels_what_it_waits_for(connection: ServerConnection) -> None:
    await connection.recv()
    waiting = asyncio.create_task(asyncio.Event().wait())
    asyncio.get_running_loop().call_soon(waiting.cancel)
    await waiting


async def _is_cancelled(connection: ServerConnection) -> None:
    await connection.recv()
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_soon(task.cancel)
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("handler", "cause", "errors"),
    [(_cancels_what_it_waits_for, "handler failed", 1), (_is_cancelled, "handler cancelled", 0)],
)
async def test_canceled_handler_counts_no_error_but_awaiting_a_canceled_task_does(
    handler: Callable[[ServerConnection], Awaitable[None]], cause: str, errors: int
) -> None:
    """Monitor's connection row has no error when the handler's own task is canceled, and one
    error when a task that the handler awaits is canceled.
    """
    async with serving(handler) as (monitor, _, url):
        async with connect(url) as client:
            await client.send("hi")
            if not CLOSES_BY_CALL:
                with suppress(ConnectionClosed):
                    await client.recv()
            else:
                await (await client.ping())
        row = await dead(monitor)
    assert row.errors == errors
    assert ("in _cancels_what_it_waits_for" in (row.traceback or "")) == bool(errors)
    if not CLOSES_BY_CALL:
        assert (row.close_code, row.cause) == (1011, cause)
        assert row.last_frames is not None
    else:
        assert (row.close_code, row.cause, row.initiator) == (1000, "closed", "remote")


async def test_handler_with_task_group_counts_no_error_when_the_client_closes() -> None:
    """Monitor's connection row has no error when a handler's task group ends because the client
    has closed.
    """

    async def handler(connection: ServerConnection) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.recv())
            group.create_task(connection.wait_closed())

    async with serving(handler) as (monitor, _, url):
        async with connect(url):
            pass
        row = await dead(monitor)
    assert (row.close_code, row.cause, row.errors, row.traceback) == (1000, "closed", 0, None)
