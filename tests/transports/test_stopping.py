"""Clients of a plain uvicorn that a signal stops."""

from __future__ import annotations

import asyncio

import pytest
from sse_starlette.sse import AppStatus

from rtmon import Hub
from tests.transports.conftest import Begin
from tests.transports.links import SocketIOLink


async def farewell(link: SocketIOLink) -> dict[str, object]:
    """The last message to a Socket.IO client."""
    async with asyncio.timeout(60):
        while (message := await link.next())["type"] != "disconnect":
            pass
    payload: dict[str, object] = message["payload"]
    return payload


async def test_signal_answers_waiting_polls(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiting poll gets the reason of the stop at once, in every namespace: uvicorn would
    wait for it, and tell the application only then.
    """
    house = await begin(application={"namespaces": {"/staff": Hub(announce=0.02)}})
    links = [await house.socket("polling", namespace=each) for each in ("/", "/staff")]
    for link in links:
        await link.next()
    monkeypatch.setattr(AppStatus, "should_exit", True)
    for link in links:
        assert await farewell(link) == {"code": 1001, "reason": "the server stops", "retry": True}


async def test_signal_of_another_server_ends_nothing_without_drain(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With drain=False the signal of another server in the process does not end the hub."""
    house = await begin(application={"drain": False})
    link = await house.socket("polling")
    await link.next()
    monkeypatch.setattr(AppStatus, "should_exit", True)
    answer = await link.call("ping", {"timestamp": 5})
    assert answer["payload"] == {"timestamp": 5}
    assert house.hub.connections
    assert not [one for one in asyncio.all_tasks() if "_part" in repr(one.get_coro())]
