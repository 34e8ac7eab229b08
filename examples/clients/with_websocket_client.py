"""A hub's client with the `websocket-client` library, which needs no event loop.

Run: python examples/clients/with_websocket_client.py ws://127.0.0.1:8765
"""

import json
import sys

import websocket


def main(url: str) -> None:
    connection = websocket.create_connection(url, timeout=10)
    connection.send(json.dumps({"type": "connect", "payload": {"name": "websocket-client"}}))
    connection.send(json.dumps({"type": "chat_message", "payload": {"text": "hello"}}))
    kind = None
    while kind != "chat_message":
        message = json.loads(connection.recv())
        kind = message["type"]
        print(kind, message["payload"].get("text", ""), flush=True)
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765")
