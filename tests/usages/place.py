"""Two hubs for clients written without rtmon: an open one, and one with tokens and rate limits."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import rtmon
from rtmon.asgi import serve
from rtmon.hub import Credentials, User

TOKEN = "the-token"  # noqa: S105 - only a test's hub accepts it
MODULE = Path(__file__).parent / "usages.mjs"


async def known(shown: Credentials) -> User | None:
    """Return user ``u1`` for the right token, a guest without a token, and None for others."""
    if shown.token is None:
        return User(id="guest")
    return User(id="u1") if shown.token == TOKEN else None


@contextlib.asynccontextmanager
async def places(files: Path, *, origins: list[str] | None = None) -> AsyncIterator[dict[str, str]]:
    """Serve both hubs, and yield the settings that the clients need.

    Args:
        files: folder in which the hub stores uploaded files.
        origins: origins of the page in which the clients run, if they run in a browser.
    """
    hub = rtmon.Hub(files=files, announce=0.02, client_ids=True)
    strict = rtmon.Hub(auth=known, token_in_query=True, rate=1, burst=3)
    allowed = {} if origins is None else {"origins": origins}
    async with (
        serve(hub, "127.0.0.1", 0, **allowed) as server,
        serve(strict, "127.0.0.1", 0, **allowed) as limited,
    ):
        site = server.url.replace("ws:", "http:").removesuffix("/ws")
        yield {"url": server.url, "site": site, "limited": limited.url, "token": TOKEN}
    await hub.aclose()
    await strict.aclose()
