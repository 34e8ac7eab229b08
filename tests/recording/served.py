"""A server with an admin listener and a recording, which writes query answers on request.

Run it as ``python -m tests.recording.served FILE PORT ADMIN``. It prints an empty line once it
serves. Each line on its standard input is a file name, to which it writes the answers of its local
feed; the line ``close`` closes its Monitor. After each it prints an empty line.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from pathlib import Path

import rtmon
from rtmon.feeds.local_feed import LocalFeed
from tests.recording.questions import ASKED, QUESTIONS

INTERVAL = 0.03
"""Seconds between ticks, so short that all three resolutions have points after a few seconds."""


async def main(path: Path, port: int, admin: int) -> None:
    """Serve a hub and execute commands from standard input until the process is killed."""
    monitor = rtmon.Monitor(node="n", interval=INTERVAL)
    monitor.attach(rtmon.Recording(path))
    hub, options = rtmon.Hub(), {"ping_interval": 0.1, "ping_timeout": None}
    async with rtmon.serve(hub, "127.0.0.1", port, monitor=monitor, admin=admin, **options):
        os.write(1, b"\n")
        feed = LocalFeed(monitor)
        while target := (await asyncio.to_thread(sys.stdin.readline)).strip():
            if target == "close":
                monitor.close()
            else:
                asked = QUESTIONS | ASKED
                answers = {name: feed.answer_now(query) for name, query in asked.items()}
                await asyncio.to_thread(Path(target).write_bytes, pickle.dumps(answers))
            os.write(1, b"\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
