from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from rtmon.backoff import Backoff
from rtmon.batching import Batch
from rtmon.client.errors import ClientClosed, ConnectionLost, MessageExpired, QueueFull
from rtmon.client.options import ClientOptions
from rtmon.client.pace import Pace
from rtmon.client.places import Cursor, matches
from rtmon.client.records import Change, Message
from rtmon.client.session import Session
from rtmon.errors import OptionError
from rtmon.protocol.incoming import Position
from rtmon.testing import FakeClock


class Wire:
    """A session, and a server that says what a test wants."""

    def __init__(self, *, seed: int = 1, **options: Any) -> None:
        self.clock = FakeClock()
        rng = random.Random(seed)
        self.session = Session(ClientOptions(**options), rng=rng, wall=self.clock.time)
        self.events: list[Any] = []

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def say(self, kind: str, payload: dict[str, Any] | None = None, **envelope: Any) -> None:
        """The server sends a message."""
        message = {"type": kind, "payload": payload or {}, "id": "s", "timestamp": 1, **envelope}
        self.session.receive(json.dumps(message), self.now)
        self.events += self.session.take_events()

    def open(self, epoch: str = "e", offset: int = 0, **payload: Any) -> list[dict[str, Any]]:
        """A connection is welcomed. Returns what the client says then."""
        self.session.connecting()
        welcome = {"client_id": "c", "session": "first", "epoch": epoch, "offset": offset}
        self.say("welcome", {**welcome, "limits": {"rate": 1e6}, **payload})
        return self.said()

    def said(self) -> list[dict[str, Any]]:
        """What the client wants to write now."""
        said = []
        while (data := self.session.next(self.now)) is not None:
            said.append(json.loads(data))
        return said

    def lose(self, code: int = 1006) -> float | None:
        """The connection ends."""
        delay = self.session.lost(self.now, code, "")
        self.events += self.session.take_events()
        return delay

    def send(self, kind: str, payload: Any, answers: list[Any] | None = None) -> None:
        """The user sends something."""
        settle = None if answers is None else answers.append
        self.session.send(kind, payload, self.now, settle=settle)

    def pass_time(self, seconds: float) -> None:
        """Time passes, and the session looks at the clock."""
        self.clock.advance(seconds)
        self.session.tick(self.now)
        self.events += self.session.take_events()

    def changes(self) -> list[Change]:
        return [event for event in self.events if isinstance(event, Change)]


def kinds(said: list[dict[str, Any]]) -> list[str]:
    """The types of messages."""
    return [message["type"] for message in said]


def test_ten_minutes_of_outage() -> None:
    """Ten minutes without a server take a moment to simulate; what is kept goes out in order."""
    wire = Wire(queue_age=900.0, queue_size=700)
    wire.open()
    place = wire.session.enter("channel", "news", wire.now)
    subscribe = wire.said()[0]
    wire.say("ack", {"epoch": "e", "offset": 4}, reply_to=subscribe["id"])
    assert place.entered
    start, sent = wire.now, 0
    delay = wire.lose()
    while wire.now < start + 600:
        assert delay is not None
        wire.pass_time(delay)
        wire.send("publish", {"channel": "news", "data": sent})
        sent += 1
        wire.session.connecting()
        delay = wire.session.failed(wire.now, OSError("refused"))
    said = wire.open(offset=9, recovered=True)
    assert kinds(said[:2]) == ["connect", "subscribe"]
    assert said[0]["payload"]["session"] == "first"
    assert said[1]["payload"] == {"channel": "news", "since": {"epoch": "e", "offset": 4}}
    assert [m["payload"]["data"] for m in said if m["type"] == "publish"] == list(range(sent))
    assert sent > 40
    stats = wire.session.stats(wire.now)
    assert stats.downtime == pytest.approx(wire.now - start)
    assert (stats.attempts, stats.reconnects) == (sent + 2, 1)


def test_five_thousand_come_back() -> None:
    """5,000 clients whose server is gone for 5 s are back within 30 s, never 35 % in a second."""
    backs = []
    for seed in range(5_000):
        wire = Wire(seed=seed)
        wire.open()
        wire.clock.advance(60)
        gone = wire.now
        delay = wire.session.lost(wire.now, 1006, "")
        while wire.now + (delay or 0) < gone + 5:
            assert delay is not None
            wire.clock.advance(delay)
            delay = wire.session.failed(wire.now, OSError("refused"))
        assert delay is not None
        backs.append(wire.now + delay - gone)
    assert max(backs) < 30
    assert max(Counter(int(back) for back in backs).values()) < 0.35 * 5_000


@pytest.mark.parametrize("repeatable", [True, False])
def test_what_may_not_have_arrived(repeatable: bool) -> None:  # noqa: FBT001
    """A message cut off before its answer is sent again under its id only if that does no harm."""
    wire = Wire()
    wire.open()
    answers: list[Any] = []
    kind = "publish" if repeatable else "private_message"
    wire.send(kind, {"channel": "c", "data": 1, "ack": True}, answers)
    first = wire.said()
    wire.lose()
    again = [m for m in wire.open() if m["type"] == kind]
    if repeatable:
        assert [m["id"] for m in again] == [first[0]["id"]]
        wire.say("ack", {"epoch": "e", "offset": 1}, reply_to=again[0]["id"])
        assert answers[0].payload["offset"] == 1
    else:
        assert again == []
        assert isinstance(answers[0], ConnectionLost)


def test_a_pong_confirms() -> None:
    """The server takes messages in order: its pong says that it has all that was sent before."""
    wire = Wire(heartbeat_interval=20.0)
    wire.open()
    wire.send("publish", {"channel": "c", "data": 1})
    wire.said()
    wire.pass_time(20)
    (ping,) = wire.said()
    wire.send("publish", {"channel": "c", "data": 2})
    wire.said()
    wire.clock.advance(0.25)
    wire.say("pong", {"timestamp": 1}, reply_to=ping["id"])
    assert wire.session.heartbeat.rtt == pytest.approx(0.25)
    wire.lose()
    assert [m["payload"]["data"] for m in wire.open() if m["type"] == "publish"] == [2]


def test_a_dead_link() -> None:
    """A link is dead heartbeat_timeout after a ping, unless anything at all came since."""
    wire = Wire(heartbeat_interval=20.0, heartbeat_timeout=10.0)
    wire.open()
    wire.pass_time(20)
    assert kinds(wire.said()) == ["ping"]
    wire.pass_time(9)
    wire.say("notification", {"title": "alive"})
    wire.pass_time(9.9)
    assert wire.session.dead is None
    wire.pass_time(0.1)
    assert wire.session.dead is not None


def test_a_link_that_takes_nothing() -> None:
    """A ping that cannot even be written, because the link takes nothing, counts from its time."""
    wire = Wire(heartbeat_interval=20.0, heartbeat_timeout=10.0)
    wire.open()
    wire.pass_time(29.9)
    assert wire.session.dead is None
    assert wire.session.due(wire.now) == pytest.approx(wire.now + 0.1)
    wire.pass_time(0.1)
    assert wire.session.dead is not None


@pytest.mark.parametrize(
    ("code", "back"),
    [
        (1000, False),
        (1001, True),
        (1006, True),
        (1008, False),
        (1013, True),
        (4000, True),
        (4499, True),
        (4500, False),
    ],
)
def test_close_codes(code: int, back: bool) -> None:  # noqa: FBT001
    """The close code says whether to come back; if not, that is told, and nothing more is sent."""
    wire = Wire()
    wire.open()
    answers: list[Any] = []
    wire.send("history", {}, answers)
    assert (wire.lose(code) is not None) is back
    assert [c.what for c in wire.changes()][1:] == ["close"] + [] * back + ["gave_up"] * (not back)
    assert len(answers) == (not back)
    assert wire.session.lifecycle.state == ("reconnecting" if back else "closed")


def test_the_servers_word_counts_more() -> None:
    """`disconnect` says whether and when to come back, whatever the code; others wait, too."""
    wire = Wire(backoff=Backoff(base=1, max=1))
    wire.open()
    wire.say("disconnect", {"code": 1001, "retry": False})
    assert wire.lose(1001) is None
    wire = Wire(backoff=Backoff(base=1, max=1))
    wire.open()
    wire.say("disconnect", {"code": 1000, "retry": True, "retry_after": 7})
    delay = wire.lose(1000)
    assert delay is not None
    assert 7 <= delay <= 8
    wire.open()
    assert (wire.lose(1001) or 9) <= 1


def test_giving_up() -> None:
    """After so many failures in a row it gives up; connections that end at once count as such."""
    wire = Wire(backoff=Backoff(base=1, attempts=3), stable_after=5.0)
    for _ in range(3):
        wire.open()
        wire.clock.advance(1)
        assert wire.lose(1013) is not None
    wire.open()
    wire.clock.advance(5)
    assert wire.lose(1013) is not None
    assert wire.session.failed(wire.now, OSError()) is not None
    assert wire.session.failed(wire.now, OSError()) is not None
    assert wire.session.failed(wire.now, OSError()) is None
    assert wire.session.lifecycle.ended is not None


def test_too_old() -> None:
    """What waited longer than queue_age is dropped and told; the rest is sent."""
    wire = Wire(queue_age=60.0)
    answers: list[Any] = []
    wire.send("publish", {"channel": "c", "data": 1})
    wire.send("publish", {"channel": "c", "data": 2}, answers)
    wire.pass_time(59)
    wire.send("publish", {"channel": "c", "data": 3})
    wire.pass_time(1)
    assert isinstance(answers[0], MessageExpired)
    assert ["dropped" in change.reason for change in wire.changes()] == [True]
    assert [m["payload"]["data"] for m in wire.open() if m["type"] == "publish"] == [3]
    assert wire.session.stats(wire.now).expired == 2


def test_not_sent_again_when_forgotten() -> None:
    """What was sent once is not sent again when the server no longer remembers its id."""
    wire = Wire(queue_age=3_600.0)
    wire.open()
    wire.send("publish", {"channel": "c", "data": 1})
    wire.said()
    wire.lose()
    wire.send("publish", {"channel": "c", "data": 2})
    wire.pass_time(290)
    assert [m["payload"]["data"] for m in wire.open() if m["type"] == "publish"] == [2]


@pytest.mark.parametrize("policy", ["wait", "refuse", "drop_oldest"])
def test_a_full_queue(policy: Any) -> None:
    """One message too many is refused, or the oldest goes for it."""
    wire = Wire(queue_size=2, queue_policy=policy)
    for number in (1, 2):
        wire.send("publish", {"channel": "c", "data": number})
    if policy == "drop_oldest":
        wire.send("publish", {"channel": "c", "data": 3})
    else:
        with pytest.raises(QueueFull):
            wire.send("publish", {"channel": "c", "data": 3})
    left = [m["payload"]["data"] for m in wire.open() if m["type"] == "publish"]
    assert left == ([2, 3] if policy == "drop_oldest" else [1, 2])


def test_batches() -> None:
    """Messages are collected by number and by time, and sent as one, in order."""
    wire = Wire(batch=Batch(size=3, delay=0.5))
    wire.open()
    for number in range(4):
        wire.send("publish", {"channel": "c", "data": number})
    (batch,) = wire.said()
    assert [m["payload"]["data"] for m in batch["payload"]["messages"]] == [0, 1, 2]
    assert wire.session.due(wire.now) == pytest.approx(wire.now + 0.5)
    wire.pass_time(0.5)
    assert [m["payload"]["data"] for m in wire.said()] == [3]
    wire.send("publish", {"channel": "c", "data": b"\0"})
    wire.pass_time(0.5)
    assert wire.said()[0]["payload"] == {"channel": "c", "data": "AA==", "encoding": "base64"}


def test_no_faster_than_the_server() -> None:
    """The rate of the welcome is kept; what is refused all the same is sent again, in order."""
    wire = Wire()
    wire.open(limits={"rate": 10.0})
    for number in range(30):
        wire.send("publish", {"channel": "c", "data": number})
    said = wire.said()
    assert len(said) < 10
    for refused in said[-2:]:
        wire.say("error", {"code": "rate_limited", "retry": True}, reply_to=refused["id"])
    assert wire.said() == []
    wire.pass_time(10)
    assert [m["payload"]["data"] for m in wire.said()][:3] == [
        *(m["payload"]["data"] for m in said[-2:]),
        said[-1]["payload"]["data"] + 1,
    ]


@pytest.mark.parametrize("rate", [1.0, 3.0, 7.0, 200.0, 333.3])
def test_a_pace_keeps_its_word(rate: float) -> None:
    """When the next message is said to be due, it may be sent, however times are rounded."""
    for began in (0.0, 0.1, 12_345.678, 1e6 / 3):
        pace, now = Pace(), began
        pace.start(now, rate=rate, burst=3)
        pace.spend(pace.left(now))
        for _ in range(100):
            now = max(now, pace.due())
            assert pace.left(now) == 1
            pace.spend(1)


def test_too_large() -> None:
    """What the server would end the connection for is not sent."""
    wire = Wire()
    wire.open(limits={"message_size": 2_000, "rate": 10.0})
    with pytest.raises(OptionError, match="2000"):
        wire.send("publish", {"channel": "c", "data": "x" * 2_000})
    with pytest.raises(OptionError, match="finite"):
        wire.send("publish", {"channel": "c", "data": float("nan")})


def test_typing_is_not_kept() -> None:
    """That somebody was typing before an outage is of no use after it."""
    wire = Wire()
    wire.send("typing_start", {})
    assert kinds(wire.open()) == ["connect"]


def test_nonsense_from_the_server() -> None:
    """What cannot be read is told, and does not end anything."""
    wire = Wire()
    wire.open()
    for data in ("", "[]", '{"type": 1}', '{"type": "x", "payload": 3}', b"\x01\xff", b"\x00"):
        wire.session.receive(data, wire.now)
    wire.say("welcome", {"limits": 3})
    wire.say("publication", {"channel": "c", "epoch": 1, "offset": "x"})
    wire.say("unheard_of", {"a": 1})
    assert len([change for change in wire.changes() if change.what == "error"]) >= 6
    assert [e.type for e in wire.events if isinstance(e, Message)][-1] == "unheard_of"


def test_a_welcome_that_makes_no_sense() -> None:
    """A server that takes no messages at all is no hub: it is not spoken to, and that is told."""
    wire = Wire()
    wire.session.connecting()
    wire.say("welcome", {"client_id": "c", "session": "s", "limits": {"rate": 0}})
    assert not wire.session.connected
    assert "rate" in wire.changes()[0].reason


def test_positions() -> None:
    """A cursor tells what is new, what came before, and before what something is missing."""

    def at(offset: int, epoch: str = "e") -> Position:
        return Position(epoch=epoch, offset=offset)

    cursor = Cursor(dense=True)
    cursor.entered(at(5), None)
    assert [cursor.take(at(n)) for n in (5, 6, 7, 6, 9, 10)] == [None, False, False, None, True, 0]
    assert cursor.entered(at(20), recovered=False)
    assert [cursor.take(at(n)) for n in (11, 12)] == [True, False]
    assert cursor.take(at(1, "f")) is True
    sparse = Cursor(dense=False, position=at(1))
    assert sparse.take(at(5)) is False


def test_an_answer_that_is_too_old() -> None:
    """A reader who returned further back is let in by the answer to that, not by an earlier one."""
    wire = Wire()
    wire.open()
    session, channel = wire.session, {"channel": "news", "epoch": "e"}
    place = session.enter("channel", "news", wire.now, Position(epoch="e", offset=5))
    (first,) = wire.said()
    session.rewind(place, Position(epoch="e", offset=2), wire.now)
    *_, second = wire.said()
    wire.say("ack", {**channel, "offset": 6, "recovered": True}, reply_to=first["id"])
    assert not place.entered
    wire.say("ack", {**channel, "offset": 6, "recovered": True}, reply_to=second["id"])
    assert place.entered
    for offset in (3, 4, 5, 6):
        wire.say("publication", {**channel, "offset": offset, "data": offset})
    got = [event.message if hasattr(event, "message") else event for event in wire.events]
    gaps = [(e.position.offset, e.gap) for e in got if getattr(e, "type", "") == "publication"]
    assert gaps == [(3, False), (4, False), (5, False), (6, False)]


@pytest.mark.parametrize(
    ("pattern", "channel", "expected"),
    [
        ("news", "news", True),
        ("news.*", "news.a", True),
        ("news.*", "news.a.b", False),
        ("news.**", "news.a.b", True),
        ("**", "a", True),
        ("*.b", "a.b", True),
        ("a+*", "aab", False),
    ],
)
def test_patterns(pattern: str, channel: str, expected: bool) -> None:  # noqa: FBT001
    """Patterns mean here what they mean to the hub."""
    assert matches(pattern, channel) is expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\n"},
        {"codec": "xml"},
        {"codec": ["json"]},
        {"queue_policy": "hope"},
        {"batch": True},
        {"heartbeat_interval": 0},
        {"queue_size": 0},
        {"info": "x" * 3_000},
        {"backoff": 3},
        {"open_timeout": None},
        {"heartbeat_interval": "x"},
        {"queue_size": None},
    ],
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    """An option that makes no sense is refused at once."""
    with pytest.raises(OptionError):
        ClientOptions(**wrong)


@pytest.mark.parametrize("gives_up", [True, False])
def test_what_is_left_at_the_end_is_told(gives_up: bool) -> None:  # noqa: FBT001
    """What can no longer be sent when a client ends is counted, and told to somebody."""
    wire = Wire(backoff=Backoff(attempts=0) if gives_up else Backoff())
    wire.open()
    answers: list[Any] = []
    wire.send("publish", {"channel": "c", "data": 1})
    wire.said()
    wire.send("publish", {"channel": "c", "data": 2})
    wire.send("publish", {"channel": "c", "data": 3, "ack": True}, answers)
    wire.send("typing_start", {})
    if gives_up:
        assert wire.lose() is None
    else:
        wire.session.closing()
        wire.session.closed(wire.now)
        wire.events += wire.session.take_events()
    told = [change.reason for change in wire.changes() if change.what == "error"]
    assert told == ["2 messages may not have arrived: the client is closed."]
    assert wire.session.stats(wire.now).dropped == 2
    assert isinstance(answers[0], ClientClosed)
