"""Access to the TCP connection below an ASGI application."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

import rtmon
from rtmon.hub.transports.asgi_abort import find_abort
from tests.probes.serving import serving


async def test_find_abort_finds_the_connection_behind_middleware_but_not_with_http2() -> None:
    """``find_abort()`` finds a request's own TCP connection behind middleware and a probe, and
    returns None for HTTP/2.
    """
    asked: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, _send: Any) -> None:
        asked.append(scope)
        assert find_abort({**scope, "http_version": "2"}, receive) is None
        drop = find_abort(scope, receive)
        assert drop is not None
        drop()
        await receive()
        assert (await receive())["type"] == "http.disconnect"

    whole, monitor = FastAPI(), rtmon.Monitor(interval=1000)
    whole.add_middleware(CORSMiddleware, allow_origins=["*"])
    whole.add_middleware(rtmon.ASGIProbe, monitor=monitor)
    whole.mount("/live", application)
    async with serving(whole) as where, httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://{where}/live/events")
        assert len(asked) == 1
    monitor.close()


def test_find_abort_returns_none_when_the_server_hides_the_connection() -> None:
    """``find_abort()`` returns None when the ASGI server does not expose its TCP connection."""

    async def receive() -> dict[str, Any]:
        return {}

    assert find_abort({"http_version": "1.1"}, receive) is None
