"""Client protocols of the load generator: how to connect, publish, and count deliveries.

Messages are JSON objects of one size. Each contains `MARK` once, a byte that occurs nowhere else in
what the servers send. So deliveries are counted by a search for one byte, without parsing, however
the stream is split. Compressed messages are counted as WebSocket frames instead.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["DIALECTS", "MARK", "SIZE", "Dialect", "frame", "payload"]

MARK = b"^"
SIZE = 200
"""Size of a message in bytes."""

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
"""The compression offer that browsers send."""

_WORDS = ("price", "order", "tick", "volume", "spread", "depth", "trade", "quote", "level", "book")


def payload(number: int) -> bytes:
    """Return a message as JSON of `SIZE` bytes, with words and digits as in real data."""
    generator = random.Random(number % 64)
    text = " ".join(
        f"{generator.choice(_WORDS)} {generator.randrange(10**5):05}" for _ in range(20)
    )
    empty = json.dumps(
        {"mark": MARK.decode(), "n": f"{number:09}", "text": ""}, separators=(",", ":")
    )
    return f'{empty[:-2]}{text[: SIZE - len(empty)]}"}}'.encode()


def frame(data: bytes, *, opcode: int = 1) -> bytes:
    """Return a client's WebSocket frame (RFC 6455, 5.2).

    Its masking key of zeros leaves the payload unchanged.
    """
    size = len(data)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65536:
        length = bytes((0x80 | 126,)) + size.to_bytes(2)
    else:
        length = bytes((0x80 | 127,)) + size.to_bytes(8)
    return bytes((0x80 | opcode,)) + length + bytes(4) + data


def upgrade(path: str, *, deflate: bool = False) -> bytes:
    """Return the HTTP request that opens a WebSocket."""
    return (
        b"GET " + path.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n" + (DEFLATE if deflate else b"") + b"\r\n"
    )


Steps = tuple[tuple[bytes, bytes], ...]
"""Steps that open a connection: bytes to send, and a pattern that the received bytes must match
before the next step. Text that the pattern's group `sid` matched replaces `@SID@` in later steps.
"""

ANSWERED = b"0\r\n\r\n"
"""End of an HTTP response with chunked encoding."""


@dataclass(frozen=True)
class Dialect:
    """Client protocol of one kind of server.

    Attributes:
        subscribe: Steps that open a subscriber's connection.
        publisher: Steps that open the publisher's connection.
        publish: Function that makes the bytes to send for a message.
        frames: True to count deliveries as WebSocket frames instead of by `MARK`.
        greeting: Number of steps of `subscribe` until the server's first message.
        poll: HTTP request that a polling client repeats after each response.
    """

    subscribe: Steps
    publisher: Steps
    publish: Callable[[bytes], bytes] = field(default=frame)
    frames: bool = False
    greeting: int = 1
    poll: bytes = b""


_OPEN = rb"^HTTP/1.1 101 [^^]*\r\n\r\n"
_JOINED = _OPEN + b"."
"""Step of the servers in servers.py, which send a frame to a subscriber once it is subscribed."""


def _to_hub(data: bytes) -> bytes:
    return frame(b'{"type":"publish","payload":{"channel":"bench","data":' + data + b"}}")


def _to_socketio(data: bytes) -> bytes:
    return frame(b'42["publish",' + data + b"]")


def _ask(path: str, body: bytes | None = None) -> bytes:
    """Return an HTTP request for a keep-alive connection."""
    method = "GET" if body is None else "POST"
    length = "" if body is None else f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n".encode() + (body or b"")


def _to_nats(data: bytes) -> bytes:
    return b"PUB bench %d\r\n%b\r\n" % (len(data), data)


_PUBLISHER = ((upgrade("/publish"), _OPEN),)
_HUB = ((upgrade("/"), _OPEN + b'.*"welcome"'),)
_SUBSCRIBE = frame(b'{"type":"subscribe","payload":{"channel":"bench"}}')
_SOCKETIO = (
    (upgrade("/socket.io/?EIO=4&transport=websocket"), _OPEN + b".*0{"),
    (frame(b"40"), b"40{"),
)
_NATS = b'CONNECT {"verbose":false,"pedantic":false,"lang":"raw","version":"1"}\r\n'
_HUB_ASGI = ((upgrade("/ws"), _OPEN + b'.*"welcome"'),)
_SUBSCRIBE_EVENT = b'42["subscribe",{"channel":"bench"}]'
_POLLING = "/socket.io/?EIO=4&transport=polling"
_POLLED = f"{_POLLING}&sid=@SID@"
_ANSWER = rb"^HTTP/1.1 200 .*0\r\n\r\n$"

_CONNECTED = (
    (_ask(_POLLING), rb'"sid":"(?P<sid>[^"]+)".*0\r\n\r\n$'),
    (_ask(_POLLED, b"40"), _ANSWER),
    (_ask(_POLLED), b'"welcome".*0\r\n\r\n$'),
)

DIALECTS = {
    "websocket": Dialect(((upgrade("/subscribe"), _JOINED),), _PUBLISHER),
    "deflate": Dialect(((upgrade("/subscribe", deflate=True), _JOINED),), _PUBLISHER, frames=True),
    "upgrade": Dialect(((upgrade("/subscribe"), _OPEN),), _PUBLISHER),
    "upgrade deflate": Dialect(((upgrade("/subscribe", deflate=True), _OPEN),), _PUBLISHER),
    "nchan deflate": Dialect(
        ((upgrade("/subscribe", deflate=True), _OPEN),), _PUBLISHER, frames=True
    ),
    "hub": Dialect((*_HUB, (_SUBSCRIBE, b'"ack"')), _HUB, _to_hub),
    "welcome": Dialect(_HUB, _HUB),
    "welcome deflate": Dialect(((upgrade("/", deflate=True), _JOINED),), _HUB),
    "socketio": Dialect((*_SOCKETIO, (frame(b'42["join"]'), b"joined")), _SOCKETIO, _to_socketio),
    "hub asgi": Dialect((*_HUB_ASGI, (_SUBSCRIBE, b'"ack"')), _HUB_ASGI, _to_hub),
    "hub sse": Dialect(
        ((_ask("/events?channel=bench"), b"^HTTP/1.1 200 .*event: ack.*\n\n"),),
        _HUB_ASGI,
        _to_hub,
    ),
    "hub socketio": Dialect(
        (_SOCKETIO[0], (frame(b"40"), b'"welcome"'), (frame(_SUBSCRIBE_EVENT), b'"ack"')),
        _HUB_ASGI,
        _to_hub,
        greeting=2,
    ),
    "hub polling": Dialect(
        (
            *_CONNECTED,
            (_ask(_POLLED, _SUBSCRIBE_EVENT), _ANSWER),
            (_ask(_POLLED), b'"ack".*0\r\n\r\n$'),
        ),
        _HUB_ASGI,
        _to_hub,
        greeting=3,
        poll=_ask(_POLLED),
    ),
    "idle asgi": Dialect(_HUB_ASGI, _HUB_ASGI),
    "idle sse": Dialect(((_ask("/events"), b"event: welcome.*\n\n"),), _HUB_ASGI),
    "idle socketio": Dialect((_SOCKETIO[0], (frame(b"40"), b'"welcome"')), _HUB_ASGI),
    "idle polling": Dialect(_CONNECTED, _HUB_ASGI, poll=_ask(_POLLED)),
    "nats": Dialect(
        ((_NATS + b"SUB bench 1\r\nPING\r\n", b"PONG\r\n"),),
        ((_NATS + b"PING\r\n", b"PONG\r\n"),),
        _to_nats,
    ),
}
