"""A hub with authentication by tokens, permissions and rate limits.

Run: python examples/servers/secured.py
Then, in another terminal, with one of the tokens that the server prints:
TOKEN=… python examples/clients/with_rtmon.py

In production your login service issues the tokens and signs them with its private key. The hub then
needs only the public key.
"""

import asyncio
import os
import secrets
import time

import jwt

import rtmon
from rtmon.hub import JWT, ChannelOptions, Hub, Session

PORT = int(os.environ.get("PORT", "8765"))
ADMIN_PORT = int(os.environ.get("ADMIN_PORT", "8766"))
SECRET = os.environ.get("JWT_SECRET") or secrets.token_urlsafe(48)


def token(user: str, name: str, scope: str = "") -> str:
    claims = {"sub": user, "name": name, "scope": scope, "aud": "chat", "exp": time.time() + 600}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def allow(session: Session, action: str, place: str) -> bool:
    if action == "join" and place == "room:staff":
        return session.identity is not None and "staff" in session.identity.permissions
    return action != "upload"


hub = Hub(
    auth=JWT(SECRET, algorithms=["HS256"], audience="chat"),
    allow=allow,
    channels={"prices.**": ChannelOptions(publish="prices:write")},
    connections_per_user=3,
    connections_per_address=100,
    user_rate=20.0,
    user_burst=50,
)


async def main() -> None:
    async with rtmon.serve(hub, "127.0.0.1", PORT, admin=ADMIN_PORT) as server:
        print(f"{server.url} asks for a token. Watch it: rtmon dashboard {server.admin_url}")
        print("ada may publish prices:", token("u1", "Ada", "prices:write"))
        print("bob may not:", token("u2", "Bob"), flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("ended")
