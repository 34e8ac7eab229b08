"""Clients of a hub under uvicorn when a signal stops the server."""

from __future__ import annotations

import asyncio

import pytest
from sse_starlette.sse import AppStatus

from rtmon import Hub
from tests.transports.conftest import Begin
from tests.transports.links import SocketIOLink


async def farewell(link: SocketIOLink) -> dict[str, object]:
    """Return the payload of a Socket.IO client's disconnect message."""
    async with asyncio.timeout(60):
        while (message := await link.next())["type"] != "disconnect":
            pass
    payload: dict[str, object] = message["payload"]
    return payload


async def test_waiting_socketio_poll_gets_1001_when_a_signal_stops_uvicorn(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting Socket.IO poll gets close code 1001 at once, in every namespace, when a signal
    stops uvicorn.
    """
    house = await begin(application={"namespaces": {"/staff": Hub(announce=0.02)}})
    links = [await house.socket("polling", namespace=each) for each in ("/", "/staff")]
    for link in links:
        await link.next()
    monkeypatch.setattr(AppStatus, "should_exit", True)
    for link in links:
        assert await farewell(link) == {"code": 1001, "reason": "the server stops", "retry": True}


async def test_hub_with_drain_false_ignores_the_signal_of_another_server(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hub application with ``drain=False`` keeps its connections when a signal stops another
    server of the process.
    """
    house = await begin(application={"drain": False})
    link = await house.socket("polling")
    await link.next()
    monkeypatch.setattr(AppStatus, "should_exit", True)
    answer = await link.call("ping", {"timestamp": 5})
    assert answer["payload"] == {"timestamp": 5}
    assert house.hub.connections
    assert not [one for one in asyncio.all_tasks() if "_part" in repr(one.get_coro())]
