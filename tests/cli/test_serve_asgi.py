"""`rtmon serve --asgi` in a real process."""

from __future__ import annotations

import signal
from collections.abc import Callable

import httpx

from tests.cli.running import PATIENCE, Command


def test_serve_asgi_offers_all_transports_on_one_port_and_ends_on_ctrl_c(
    command: Callable[..., Command],
) -> None:
    """`rtmon serve --asgi` serves HTTP, SSE and Engine.IO on one port, and exits with code 0 on
    Ctrl-C while clients are connected.
    """
    server = command("serve", "--asgi", "--port=0", "--admin-port=0")
    server.read_until("Ctrl-C")
    url = server.output.splitlines()[0].split()[-1].replace("ws://", "http://")
    assert httpx.get(f"{url}/healthz", trust_env=False, timeout=PATIENCE).text == "ok\n"
    with httpx.stream("GET", f"{url}/events", trust_env=False, timeout=PATIENCE) as response:
        lines = response.iter_lines()
        assert next(lines) == "retry: 2000"
        poll = f"{url}/socket.io/?EIO=4&transport=polling"
        polled = httpx.get(poll, trust_env=False, timeout=PATIENCE)
        assert polled.text.startswith("0{")
        assert server.end(signal.SIGINT)[0] == 0
        assert "event: disconnect" in list(lines)
