"""A hub's client with the `websockets` library: it joins, sends, and prints what it receives.

Run: python examples/clients/with_websockets.py ws://127.0.0.1:8765
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect


async def main(url: str) -> None:
    async with connect(url) as connection:
        await connection.send(json.dumps({"type": "connect", "payload": {"name": "websockets"}}))
        await connection.send(json.dumps({"type": "chat_message", "payload": {"text": "hello"}}))
        async for text in connection:
            message = json.loads(text)
            print(message["type"], message["payload"].get("text", ""), flush=True)
            if message["type"] == "chat_message":
                break


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765"))
