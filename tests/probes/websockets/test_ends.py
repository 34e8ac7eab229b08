"""Ends of ``websockets`` connections: close codes, initiators, handler errors."""

from __future__ import annotations

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from rtmon.testing import until
from tests.probes.websockets.serving import ended, events, row_of, serving


async def test_websockets_row_has_initiator_local_when_the_server_closes_first(
    *, fast: bool
) -> None:
    """Monitor's connection row has the server's close code and reason, and initiator ``local``,
    when the server sends the first close frame.
    """

    async def handler(connection: ServerConnection) -> None:
        await connection.close(4321, "enough")

    async with serving(handler, fast=fast) as (monitor, _, url):
        async with connect(url) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        await ended(monitor)
        row = row_of(monitor)
    assert (row.close_code, row.code_sent, row.reason_sent) == (4321, 4321, "enough")
    assert row.initiator == "local"
    assert monitor.snapshot().close_codes == {4321: 1}


async def test_websockets_row_has_1006_and_no_initiator_when_the_client_vanishes(
    *, fast: bool
) -> None:
    """Monitor's connection row has close code 1006 and null as initiator when the connection
    ends without a close frame.
    """
    async with serving(fast=fast) as (monitor, _, url):
        client = await connect(url)
        client.transport.abort()
        await ended(monitor)
        row = row_of(monitor)
        await client.wait_closed()
    assert (row.close_code, row.code_sent, row.code_received) == (1006, None, None)
    assert row.initiator is None


async def test_websockets_row_has_1009_and_one_error_when_a_message_is_too_big(
    *, fast: bool
) -> None:
    """Monitor's connection row has close code 1009 (message too big), initiator ``local`` and
    one error when a client's message exceeds ``max_size``.
    """
    async with serving(max_size=100, fast=fast) as (monitor, _, url):
        async with connect(url) as client:
            await client.send("x" * 101)
            with pytest.raises(ConnectionClosed):
                await client.recv()
        await ended(monitor)
        row = row_of(monitor)
    assert (row.close_code, row.errors, row.initiator) == (1009, 1, "local")


async def test_handler_exception_is_one_error_and_one_event_with_its_text(*, fast: bool) -> None:
    """Handler's exception closes the connection with 1011, counts as one error, and gives one
    Event with its text.
    """

    async def handler(connection: ServerConnection) -> None:
        raise LookupError("no such room")

    async with serving(handler, fast=fast) as (monitor, _, url):
        async with connect(url) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        await ended(monitor)
        row = row_of(monitor)
    assert (row.close_code, row.errors) == (1011, 1)
    (event,) = events(monitor, "error")
    assert event.detail == "the handler raised LookupError: no such room"
    assert event.connection == row.id


async def test_row_keeps_the_clients_close_code_when_the_handler_raises_after_the_close(
    *, fast: bool
) -> None:
    """Monitor's connection row keeps the client's close code, with one error and a traceback,
    when the handler raises after the client has closed.
    """

    async def handler(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed as exc:
            raise LookupError("who was that?") from exc

    async with serving(handler, fast=fast) as (monitor, _, url):
        async with connect(url):
            pass
        await until(lambda: events(monitor, "error"))
        row = row_of(monitor)
        (event,) = events(monitor, "error")
    assert (row.close_code, row.cause, row.errors) == (1000, "closed", 1)
    assert (event.code, event.detail) == (None, "the handler raised LookupError: who was that?")
    assert row.traceback is not None


async def test_handler_that_ends_by_connection_closed_counts_no_error(*, fast: bool) -> None:
    """Monitor's connection row has no error when the handler ends with ConnectionClosed because
    the client vanished.
    """

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()

    async with serving(handler, fast=fast) as (monitor, _, url):
        client = await connect(url)
        client.transport.abort()
        await client.wait_closed()
        await ended(monitor)
        assert row_of(monitor).errors == 0
