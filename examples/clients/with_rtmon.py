"""A hub's client with rtmon's own library, which reconnects and recovers missed messages.

Run: python examples/clients/with_rtmon.py ws://127.0.0.1:8765
Set the environment variable TOKEN if the server requires a token.
"""

import asyncio
import os
import sys

import rtmon


async def main(url: str) -> None:
    token = os.environ.get("TOKEN")
    async with rtmon.connect(url, name="rtmon", token=token) as client:
        await client.send("chat_message", {"text": "hello"})
        async for message in client:
            print(message.type, message.payload.get("text", ""), flush=True)
            if message.type == "chat_message":
                break


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765"))
