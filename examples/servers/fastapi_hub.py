"""A chat on a hub mounted in FastAPI: rooms, history, recovery and four transports.

Run: python examples/servers/fastapi_hub.py
"""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse

import rtmon
from rtmon.asgi import measured
from rtmon.hub.transports.asgi import app as live_app

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))

monitor = rtmon.Monitor()
hub = rtmon.Hub(history=100)
live = live_app(hub)


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with rtmon.serve_admin(monitor, port=ADMIN_PORT) as admin:
        print(f"http://127.0.0.1:{PORT}/ and /live/ chat. Watch it: rtmon dashboard {admin.url}")
        yield
    await live.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def page() -> FileResponse:
    """Serve examples/clients/browser.html, a page that uses no client library."""
    return FileResponse(Path(__file__).parents[1] / "clients" / "browser.html")


@app.post("/announce")
async def announce(text: str) -> dict[str, int]:
    """Publish a text to all subscribers of the channel `news`, on every transport."""
    receipt = await hub.publish("news", {"text": text})
    return {"offset": receipt.offset}


app.mount("/live", measured(live, monitor))

if __name__ == "__main__":
    # Without a timeout, the server would wait for open polls after Ctrl-C.
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning", timeout_graceful_shutdown=1)
