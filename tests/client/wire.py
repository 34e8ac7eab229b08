"""A client session without a socket, and a server whose messages the test sends."""

from __future__ import annotations

import json
import random
from typing import Any

from rtmon.client.options import ClientOptions
from rtmon.client.result_types import Change
from rtmon.client.session import ClientSession
from rtmon.testing import FakeClock


class Wire:
    """A client session that is connected to the test instead of a server."""

    def __init__(self, *, seed: int = 1, **options: Any) -> None:
        self.clock = FakeClock()
        rng = random.Random(seed)
        self.session = ClientSession(ClientOptions(**options), rng=rng, wall=self.clock.time)
        self.events: list[Any] = []

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def say(self, kind: str, payload: dict[str, Any] | None = None, **envelope: Any) -> None:
        """Deliver a server message to the session."""
        message = {"type": kind, "payload": payload or {}, "id": "s", "timestamp": 1, **envelope}
        self.session.receive(json.dumps(message), self.now)
        self.events += self.session.take_events()

    def open(self, epoch: str = "e", offset: int = 0, **payload: Any) -> list[dict[str, Any]]:
        """Open a connection with a welcome, and return the messages that the client sends then."""
        self.session.connecting()
        welcome = {"client_id": "c", "session": "first", "epoch": epoch, "offset": offset}
        self.say("welcome", {**welcome, "limits": {"rate": 1e6}, **payload})
        return self.said()

    def said(self) -> list[dict[str, Any]]:
        """Return the messages that the client sends now."""
        said = []
        while (data := self.session.next(self.now)) is not None:
            said.append(json.loads(data))
        return said

    def lose(self, code: int = 1006) -> float | None:
        """End the connection with this code; return the delay until the reconnect, or None."""
        delay = self.session.lost(self.now, code, "")
        self.events += self.session.take_events()
        return delay

    def send(self, kind: str, payload: Any, answers: list[Any] | None = None) -> None:
        """Send a message as the client's user."""
        settle = None if answers is None else answers.append
        self.session.send(kind, payload, self.now, settle=settle)

    def pass_time(self, seconds: float) -> None:
        """Advance the clock, and run the session's timers."""
        self.clock.advance(seconds)
        self.session.tick(self.now)
        self.events += self.session.take_events()

    def changes(self) -> list[Change]:
        return [event for event in self.events if isinstance(event, Change)]


def kinds(said: list[dict[str, Any]]) -> list[str]:
    """Return the type of each message."""
    return [message["type"] for message in said]
