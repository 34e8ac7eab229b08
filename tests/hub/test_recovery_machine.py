"""Property-based test: clients recover missed publications in random sequences of events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rtmon.hub import Hub
from rtmon.hub.brokers.base import Draft, Recovery
from rtmon.hub.brokers.memory import MemoryBroker
from rtmon.hub.brokers.redis_encoding import decode_draft, encode_draft
from rtmon.hub.transports.base import Peer
from rtmon.protocol.codecs import JSON
from rtmon.protocol.data_encoding import encode_data

T = TypeVar("T")

SIZE, AGE, CHANNELS = 6, 30.0, 2


class SlowBroker(MemoryBroker):
    """A memory broker that runs other coroutines while it reads history."""

    meanwhile: list[Coroutine[Any, Any, Any]]

    async def recover(self, key: str, *, since: tuple[str, int] | None, age: float) -> Recovery:
        waiting, self.meanwhile = self.meanwhile, []
        half = len(waiting) // 2
        for work in waiting[:half]:
            await work
        found = await super().recover(key, since=since, age=age)
        for work in waiting[half:]:
            await work
        return found


class RecordingPeer(Peer):
    """A transport that stores the messages that the hub sends."""

    transport = "test"
    codec = JSON

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, data: str | bytes, **_: Any) -> bool:
        self.sent.append(json.loads(data))
        return True

    def close(self, code: int, reason: str) -> None:
        """Do nothing."""

    @property
    def waiting(self) -> int:
        return 0


class Reader:
    """A subscriber that disconnects and reconnects, with its position and its received messages."""

    def __init__(self) -> None:
        self.session: Any = None
        self.peer = RecordingPeer()
        self.since: dict[str, Any] | None = None
        self.index = 0
        """Number of publications up to the reader's position."""

    def read(self) -> list[int]:
        """Return the offsets of the publications received since the last call."""
        sent, self.peer.sent = self.peer.sent, []
        return [m["payload"]["offset"] for m in sent if m["type"] == "publication"]


class RecoveryMachine(RuleBasedStateMachine):
    """Readers disconnect and reconnect at random while others publish and time passes.

    The model is a list of all publications: the offset in the receipt, and the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.time = 1_000.0
        self.readers: list[Reader] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the machine's event loop."""
        return self.loop.run_until_complete(work)

    @initialize(crowds=st.booleans())
    def begin(self, crowds: bool) -> None:  # noqa: FBT001 (Hypothesis passes it by name)
        """Start a hub with a short history; ``crowds`` allows evictions by other channels."""
        self.crowds = crowds
        self.start()
        self.readers = [Reader() for _ in range(3)]

    def teardown(self) -> None:
        self.run(self.hub.aclose())
        self.loop.close()

    def start(self) -> None:
        """Start a hub with an empty history."""
        self.broker = SlowBroker(clock=lambda: self.time, channels=CHANNELS)
        self.broker.meanwhile = []
        self.hub = Hub(broker=self.broker, clock=lambda: self.time, history=SIZE, history_age=AGE)
        self.published: list[tuple[int, float]] = []
        self.crowded = False

    async def put(self) -> None:
        """Publish one message, and record its offset and the time."""
        receipt = await self.hub.publish("c", None)
        assert not self.published or receipt.offset > self.published[-1][0]
        self.published.append((receipt.offset, self.time))

    @rule(count=st.integers(1, 4))
    def publish(self, count: int) -> None:
        """Publish this many messages."""
        for _ in range(count):
            self.run(self.put())

    @rule(seconds=st.floats(0.0, 20.0))
    def wait(self, seconds: float) -> None:
        """Advance the clock."""
        self.time += seconds

    @precondition(lambda self: self.crowds)
    @rule()
    def crowd(self) -> None:
        """Publish to so many other channels that the broker evicts channels without subscribers."""
        self.crowded = True
        for number in range(CHANNELS + 1):
            self.run(self.hub.publish(f"other{number}", 0))

    @precondition(lambda self: all(reader.session is None for reader in self.readers))
    @rule()
    def restart(self) -> None:
        """Restart the hub, which loses its history."""
        self.run(self.hub.aclose())
        self.start()
        for reader in self.readers:
            reader.index = 0

    @rule(which=st.integers(0, 2))
    def leave(self, which: int) -> None:
        """Disconnect one reader."""
        reader = self.readers[which]
        if reader.session is not None:

            async def cut() -> None:
                self.hub.closed(reader.session)

            self.run(cut())
            reader.session = None

    @rule(which=st.integers(0, 2), during=st.integers(0, 4))
    def enter(self, which: int, during: int) -> None:
        """Connect one reader, for the first time or again, while ``during`` messages are
        published.
        """
        reader = self.readers[which]
        if reader.session is not None:
            return
        reader.peer = RecordingPeer()
        reader.session = self.run(self.hub.open(reader.peer))
        self.broker.meanwhile = [self.put() for _ in range(during)]
        payload = {"channel": "c", **({"since": reader.since} if reader.since else {})}
        message = {"type": "subscribe", "id": "s", "payload": payload}
        self.run(self.hub.receive(reader.session, json.dumps(message)))
        answer = next(m for m in reader.peer.sent if m.get("reply_to") == "s")["payload"]

        # Publications before the history was read are missed, and later ones are new.
        missed = [(o, t) for o, t in self.published[reader.index :] if o <= answer["offset"]]
        new = [offset for offset, _ in self.published if offset > answer["offset"]]
        assert len(new) == during - during // 2
        kept = [offset for offset, when in missed[-SIZE:] if when >= self.time - AGE]
        got = reader.read()
        same_epoch = reader.since is not None and reader.since["epoch"] == answer["epoch"]
        if reader.since is None:
            assert "recovered" not in answer
            assert got == new
        elif not same_epoch:
            assert answer["recovered"] is False
            assert got == new
        elif answer["recovered"]:
            assert got == [offset for offset, _ in missed] + new
        else:
            assert len(kept) < len(missed) or self.crowded, "a complete history must be recovered"
            assert got == kept + new or self.crowded
        reader.since = {"epoch": answer["epoch"], "offset": answer["offset"]}
        if new:
            reader.since["offset"] = new[-1]
        reader.index = len(self.published)

    @invariant()
    def nothing_lost_nothing_twice(self) -> None:
        """Connected readers receive every publication once and in order."""
        for reader in self.readers:
            if reader.session is not None:
                wanted = [offset for offset, _ in self.published[reader.index :]]
                assert reader.read() == wanted
                reader.index = len(self.published)
                if wanted and reader.since is not None:
                    reader.since["offset"] = wanted[-1]


TestRecovery = RecoveryMachine.TestCase
TestRecovery.settings = settings(max_examples=60, stateful_step_count=30)


def test_publication_is_unchanged_after_encoding_and_decoding_for_redis() -> None:
    """Publication, with bytes or other data, is unchanged after it is encoded for Redis and
    decoded.
    """
    for data in ({"a": [1, None, 0.5]}, b"\x00\xff", None):
        draft = Draft(type="publication", id="1", timestamp=2, channel="c", data=encode_data(data))
        assert decode_draft(encode_draft(draft)) == draft
