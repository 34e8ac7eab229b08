"""Which packages of rtmon an import of the hub loads."""

from __future__ import annotations

import subprocess
import sys


def loaded(code: str) -> set[str]:
    """Run code in a new Python process, and return the names of the rtmon packages that it
    loaded.
    """
    script = f"{code}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    modules = [name.split(".") for name in done.stdout.split()]
    return {name[1] for name in modules if name[0] == "rtmon" and len(name) > 1}


def test_importing_the_hub_loads_no_server_probe_monitor_feed_or_dashboard() -> None:
    """Import of ``rtmon.hub`` and its transports loads none of the packages servers, probes,
    monitor, feeds and dashboard, but ``websocket.handler(hub)`` loads servers.
    """
    above = {"servers", "probes", "monitor", "feeds", "dashboard"}
    everything = "import rtmon.hub.transports.asgi, rtmon.hub.transports.websocket as w"
    assert not loaded("import rtmon.hub") & above
    assert not loaded(everything) & above
    assert "servers" in loaded(f"{everything}, rtmon.hub as h; w.handler(h.Hub())")
