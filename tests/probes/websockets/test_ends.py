"""How connections of ``websockets`` end: close codes, initiator, errors of handlers."""

from __future__ import annotations

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from rtmon.testing import until
from tests.probes.websockets.serving import ended, events, row_of, serving


async def test_initiator_is_local_when_server_closes_first(*, fast: bool) -> None:
    """The initiator is the side that sent the first close frame."""

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


async def test_close_code_is_1006_when_client_vanishes(*, fast: bool) -> None:
    """A connection that ends without a close frame has the code 1006 and no initiator."""
    async with serving(fast=fast) as (monitor, _, url):
        client = await connect(url)
        client.transport.abort()
        await ended(monitor)
        row = row_of(monitor)
        await client.wait_closed()
    assert (row.close_code, row.code_sent, row.code_received) == (1006, None, None)
    assert row.initiator is None


async def test_protocol_violation_is_an_error_with_its_close_code(*, fast: bool) -> None:
    """A message that is too big ends the connection with 1009 and counts as an error."""
    async with serving(max_size=100, fast=fast) as (monitor, _, url):
        async with connect(url) as client:
            await client.send("x" * 101)
            with pytest.raises(ConnectionClosed):
                await client.recv()
        await ended(monitor)
        row = row_of(monitor)
    assert (row.close_code, row.errors, row.initiator) == (1009, 1, "local")


async def test_handler_exception_is_one_error_and_one_event(*, fast: bool) -> None:
    """A handler's exception is counted once, and the Event has its text."""

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


async def test_close_code_stays_the_clients_when_handler_fails_after_client_left(
    *, fast: bool
) -> None:
    """The handler's exception is an error with a traceback; the close code is the client's."""

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


async def test_handler_has_not_failed_when_client_leaves(*, fast: bool) -> None:
    """A handler that ends because its client has left counts no error."""

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()

    async with serving(handler, fast=fast) as (monitor, _, url):
        client = await connect(url)
        client.transport.abort()
        await client.wait_closed()
        await ended(monitor)
        assert row_of(monitor).errors == 0
