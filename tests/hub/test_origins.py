"""Origin checks: the rule, the ``origins`` option, and all transports that apply them."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import rtmon
from rtmon.asgi import serve
from rtmon.errors import OptionError
from rtmon.hub.admission.origins import Origins

FOREIGN = "https://elsewhere.example"


def allows(others: Any = None, **headers: str) -> bool:
    """Return True if a request with these headers is allowed."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    given = Origins(others)
    return given.allows(lambda name: [named[name.lower()]] if name.lower() in named else [])


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        # Programs that are no browser send no Origin.
        ({"Host": "chat.example"}, True),
        # Pages from the server itself.
        ({"Host": "chat.example", "Origin": "https://chat.example"}, True),
        ({"Host": "chat.example:8443", "Origin": "https://chat.example:8443"}, True),
        ({"Host": "Chat.Example", "Origin": "http://chat.example"}, True),
        ({"Host": "b:1", "X_Forwarded_Host": "a.example", "Origin": "https://a.example"}, True),
        # Notebooks and development servers on this machine.
        ({"Host": "127.0.0.1:8765", "Origin": "http://localhost:8888"}, True),
        ({"Host": "localhost:8765", "Origin": "http://[::1]:5173"}, True),
        ({"Host": "[::1]:8765", "Origin": "http://app.localhost:5173"}, True),
        # Pages from other servers.
        ({"Host": "chat.example", "Origin": FOREIGN}, False),
        ({"Host": "127.0.0.1:8765", "Origin": FOREIGN}, False),
        ({"Host": "chat.example", "Origin": "http://localhost:8888"}, False),
        ({"Host": "chat.example:8443", "Origin": "https://chat.example"}, False),
        ({"Host": "chat.example", "Origin": "https://chat.example.elsewhere.example"}, False),
        ({"Host": "127.0.0.1:8765", "Origin": "http://127.0.0.1.elsewhere.example"}, False),
        ({"Host": "localhost:8765", "Origin": "http://notlocalhost"}, False),
        ({"Host": "localhost:8765", "Origin": "http://[::1"}, False),
        ({"Host": "chat.example", "Origin": "null"}, False),
        ({"Host": "null", "Origin": "null"}, False),
        ({"Host": "chat.example", "Origin": ""}, False),
        ({"Host": "abc", "Origin": "chrome-extension://abc"}, False),
        ({"Origin": FOREIGN}, False),
        # Browsers send no Origin for images and links, but Sec-Fetch-Site.
        ({"Host": "chat.example", "Sec_Fetch_Site": "cross-site"}, False),
        ({"Host": "chat.example", "Sec_Fetch_Site": "same-site"}, False),
        ({"Host": "chat.example", "Sec_Fetch_Site": "same-origin"}, True),
        ({"Host": "chat.example", "Sec_Fetch_Site": "none"}, True),
    ],
)  # fmt: skip
def test_origin_check_allows_own_pages_loopback_pages_and_non_browsers(
    headers: dict[str, str], *, fine: bool
) -> None:
    """Origin check allows the server's own pages, pages from this machine, and clients without
    an Origin, and refuses other pages.
    """
    assert allows(**headers) is fine


def test_origins_option_allows_only_listed_origins_and_patterns() -> None:
    """Option ``origins`` allows the listed origins and patterns besides the server's own, and
    ``"*"`` allows all.
    """
    named = [FOREIGN, re.compile(r"https://\w+\.sub\.example"), "null", None]
    for origin in (FOREIGN, "https://a.sub.example", "null", "http://chat.example"):
        assert allows(named, Host="chat.example", Origin=origin)
    for origin in ("https://sub.example", "https://a.sub.example.evil.example", "http://b.example"):
        assert not allows(named, Host="chat.example", Origin=origin)
    assert allows("*", Host="chat.example", Origin=FOREIGN, Sec_Fetch_Site="cross-site")
    assert allows(FOREIGN, Host="chat.example", Origin=FOREIGN)


@pytest.mark.parametrize("wrong", [
    "chat.example", "https://chat.example/", "HTTPS://A", "", 5, [], "https://", "file://:1",
    "https://chat.example:port", "https://chat.example:65536", "https://a@chat.example",
    "https://*.chat.example", "https://[::1", "https://[chat]", "https://münchen.example/",
    # Browsers and Python's IDNA codec encode these hosts differently.
    "https://straße.example", "https://λόγος.example", "https://a\u200db.example",
])  # fmt: skip
def test_origins_option_raises_option_error_for_an_invalid_origin(wrong: Any) -> None:
    """Option ``origins`` raises OptionError for a value that no browser sends as Origin."""
    with pytest.raises(OptionError, match="origins has"):
        Origins([wrong])


async def statuses(where: str, origin: str | None, site: str | None = None) -> dict[str, int]:
    """Return the HTTP status of each endpoint for a page with this Origin and Sec-Fetch-Site
    header.
    """
    headers = {"Origin": origin} if origin else {}
    headers |= {"Sec-Fetch-Site": site} if site else {}
    found = {}
    polling = "/socket.io/?EIO=4&transport=polling"
    for path in ("/", "/ws/ada", "/socket.io/?EIO=4&transport=websocket"):
        try:
            async with connect(f"ws://{where}{path}", additional_headers=headers, proxy=None):
                found[f"ws {path[:4]}"] = 101
        except InvalidStatus as error:
            found[f"ws {path[:4]}"] = error.response.status_code
    async with httpx.AsyncClient(base_url=f"http://{where}", trust_env=False, timeout=60) as http:
        async with http.stream("GET", "/events", headers=headers) as stream:
            found["events"] = stream.status_code
        posted = await http.post("/events", headers=headers, content=b"{}")
        found["post"] = posted.status_code
        found["poll"] = (await http.get(polling, headers=headers)).status_code
        found["jsonp"] = (await http.get(f"{polling}&j=0", headers=headers)).status_code
        found["page"] = (await http.get("/", headers=headers)).status_code
        found["health"] = (await http.get("/healthz", headers=headers)).status_code
    return found


ENDPOINTS = ["ws /", "ws /ws/", "ws /soc", "events", "post", "poll", "jsonp"]


async def test_asgi_application_refuses_foreign_origins_over_every_transport() -> None:
    """ASGI application of a hub answers pages of other origins with 403 on every transport, but
    still serves its chat page and health check.
    """
    async with serve(rtmon.Hub(), port=0) as server:
        where = f"127.0.0.1:{server.port}"
        through = {"page": 200, "health": 200}
        for endpoint in ENDPOINTS:
            through[endpoint] = (
                101 if endpoint.startswith("ws") else 401 if endpoint == "post" else 200
            )
        for origin in (None, f"http://{where}"):
            assert await statuses(where, origin) == through
        refused = {**through, **dict.fromkeys(ENDPOINTS, 403)}
        assert await statuses(where, FOREIGN) == refused
        assert await statuses(where, None, "cross-site") == refused
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            words = await http.get(f"http://{where}/events", headers={"Origin": FOREIGN})
            assert "origins=" in words.text
            assert "access-control-allow-origin" not in words.headers


async def test_asgi_application_allows_listed_origin_and_sends_cors_headers() -> None:
    """ASGI application of a hub allows an origin from ``origins`` on every transport, and sends
    the CORS headers that browsers need.
    """
    async with serve(rtmon.Hub(), port=0, origins=[FOREIGN]) as server:
        where = f"127.0.0.1:{server.port}"
        assert 403 not in (await statuses(where, FOREIGN)).values()
        asked = {
            "Origin": FOREIGN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        async with httpx.AsyncClient(
            base_url=f"http://{where}", trust_env=False, timeout=60
        ) as http:
            before = await http.options("/events", headers=asked)
            assert before.status_code == 200
            assert "authorization" in before.headers["access-control-allow-headers"].lower()
            posted = await http.post("/events", headers={"Origin": FOREIGN}, content=b"{}")
            poll = await http.get(
                "/socket.io/?EIO=4&transport=polling", headers={"Origin": FOREIGN}
            )
            async with http.stream("GET", "/events", headers={"Origin": FOREIGN}) as stream:
                for answer in (before, posted, poll, stream):
                    assert answer.headers["access-control-allow-origin"] == FOREIGN
            before = await http.options("/events", headers={**asked, "Origin": "https://b.example"})
            assert before.status_code == 403


async def test_native_server_checks_origins_for_a_hub_but_not_for_a_handler() -> None:
    """WebSocket server of ``rtmon.serve()`` checks origins by default for a hub, but for a
    handler function only with the ``origins`` option.
    """

    async def handler(connection: Any) -> None:
        await connection.wait_closed()

    async def comes(target: Any, origin: str | None, **options: Any) -> bool:
        async with rtmon.serve(target, "127.0.0.1", 0, **options) as server:
            own = f"http://127.0.0.1:{server.port}" if origin == "own" else origin
            try:
                async with connect(server.url, origin=own, proxy=None):  # type: ignore[arg-type]
                    return True
            except InvalidStatus as error:
                return error.response.status_code != 403

    for origin in ("own", None, "http://localhost:8888"):
        assert await comes(rtmon.Hub(), origin)
        assert await comes(rtmon.Hub(), origin, origins=[FOREIGN], page=True)
    assert not await comes(rtmon.Hub(), FOREIGN)
    assert await comes(rtmon.Hub(), FOREIGN, origins=[FOREIGN])
    assert await comes(rtmon.Hub(), FOREIGN, origins="*")
    assert await comes(handler, FOREIGN)
    assert not await comes(handler, FOREIGN, origins=[None])
    with pytest.raises(OptionError, match="origins has"):
        rtmon.serve(rtmon.Hub(), "127.0.0.1", 0, origins=["chat.example"])
