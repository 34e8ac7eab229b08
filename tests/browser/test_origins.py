"""Requests to a hub from a web page of another origin, made in Chromium."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from playwright.async_api import Browser, Error, Route

import rtmon
from rtmon.asgi import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

ELSEWHERE = "https://elsewhere.example"
TRY = """async (url) => {
  const answered = (make, name) => new Promise((resolve) => {
    const door = make();
    door.addEventListener(name, () => { door.close(); resolve("in"); });
    door.addEventListener("error", () => { door.close(); resolve("out"); });
  });
  const fetched = (path, options) => fetch(url + path, options)
    .then((answer) => answer.status === 403 ? "out" : "in", () => "out");
  const image = new Image();
  const loaded = new Promise((resolve) => { image.onerror = image.onload = resolve; });
  image.src = `${url}/events?name=spy`;
  await loaded;
  return {
    ws: await answered(() => new WebSocket(url.replace("http", "ws")), "message"),
    sse: await answered(() => new EventSource(`${url}/events`), "welcome"),
    post: await fetched("/events", {
      method: "POST", body: "{}", headers: {Authorization: "Bearer x"},
    }),
    poll: await fetched("/socket.io/?EIO=4&transport=polling"),
  };
}"""


async def attempt(chromium: Browser, **options: Any) -> dict[str, str]:
    """Try each transport of a hub from a page of another origin.

    Returns:
        Transport → "in" if the hub accepted the request, else "out".
    """

    async def answer(route: Route) -> None:
        await route.fulfill(
            body="<!doctype html><title>elsewhere</title>", content_type="text/html"
        )

    context = await chromium.new_context()
    with contextlib.suppress(Error):  # older versions have no such permission and need none
        await context.grant_permissions(["local-network-access"])
    await context.route(f"{ELSEWHERE}/**", answer)
    async with serve(rtmon.Hub(), port=0, **options) as server:
        page = await context.new_page()
        await page.goto(f"{ELSEWHERE}/")
        got: dict[str, str] = await page.evaluate(TRY, server.url.replace("ws", "http"))
        server.monitor.tick()
        names = {info.name for info in server.monitor.collector.connections()}
        await context.close()
    return got | {"image": "in" if "spy" in names else "out"}


async def test_hub_refuses_pages_of_other_origins_on_every_transport(chromium: Browser) -> None:
    """Hub refuses requests from a page of another origin over WebSocket, SSE, POST, polling and
    image requests, and accepts all of them when the hub has origins="*".
    """
    doors = ("ws", "sse", "post", "poll", "image")
    assert await attempt(chromium) == dict.fromkeys(doors, "out")
    assert await attempt(chromium, origins="*") == dict.fromkeys(doors, "in")
