"""Typical clients written without rtmon, in Node and Python, use all common features of a hub.

tests/browser runs the same clients in Chromium, with and without React.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from tests.peers.packages import install
from tests.usages.place import MODULE, places

RUN = """\
import {{ EventSource }} from "{peers}/eventsource/dist/index.js";
import {{ WebSocket }} from "{peers}/ws/wrapper.mjs";
Object.assign(globalThis, {{ EventSource, WebSocket }});
const {{ run }} = await import("{module}");
console.log(JSON.stringify(await run({place})));
process.exit(0);
"""


async def test_hub_serves_plain_ws_and_eventsource_clients_in_node(tmp_path: Path) -> None:
    """Hub serves Node clients written with only ``ws`` and ``eventsource``: all eleven usage
    examples succeed.
    """
    peers = install()
    async with places(tmp_path) as place:
        script = tmp_path / "run.mjs"
        script.write_text(RUN.format(peers=peers, module=MODULE, place=json.dumps(place)))
        running = await asyncio.create_subprocess_exec(
            *(shutil.which("node") or "node", str(script)), stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(200):
                output, _ = await running.communicate()
        finally:
            if running.returncode is None:
                running.kill()
    assert json.loads(output) == {"done": 11, "failed": []}


async def test_hub_serves_plain_websockets_clients_in_python(tmp_path: Path) -> None:
    """Hub serves Python clients written with only ``websockets``: welcome, chat, private
    messages, pings, errors and departures.
    """

    async def heard(client: Any, kind: str) -> dict[str, Any]:
        while True:
            message = json.loads(await client.recv())
            if message["type"] == kind:
                payload: dict[str, Any] = message["payload"]
                return payload

    def message(kind: str, **payload: Any) -> str:
        return json.dumps({"type": kind, "payload": payload})

    async with (
        places(tmp_path) as place,
        connect(place["url"], proxy=None) as ada,
        connect(f"{place['url']}/ws/bo", proxy=None) as bo,
        asyncio.timeout(30),
    ):
        assert (await heard(bo, "welcome"))["client_id"] == "bo"
        assert (await heard(ada, "user_joined"))["user_count"] >= 1
        await ada.send(message("chat_message", text="hi"))
        assert (await heard(bo, "chat_message"))["text"] == "hi"
        await ada.send(message("private_message", target_client_id="bo", text="psst"))
        assert (await heard(bo, "private_message"))["text"] == "psst"
        await ada.send(message("ping"))
        assert (await heard(ada, "pong"))["timestamp"] > 0
        for wrong in ("{", message("dance")):
            await ada.send(wrong)
            assert (await heard(ada, "error"))["message"]
        await bo.close()
        assert (await heard(ada, "user_left"))["user_count"] == 1
