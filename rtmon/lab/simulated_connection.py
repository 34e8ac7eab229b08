"""A connection of a simulated user that counts messages and bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ..protocol.close import GOING_AWAY, NORMAL, effective_code
from .load_report import ConnectionReport
from .tcp_sockets import has_ended
from .user_schedule import Kind

__all__ = ["CLOSE_TIMEOUT", "Hear", "SimulatedConnection"]


_OPEN_TIMEOUT = 30.0
"""Timeout of a handshake in seconds. It is long, because thousands may connect at once."""

_PING_INTERVAL = 20.0
"""Seconds between two pings, as in ``websockets``."""

CLOSE_TIMEOUT = 10.0
"""Seconds to wait for the server's close frame, as in ``websockets``."""

_PAUSE = 0.1
"""Seconds until a ``ping`` message that the server refused is sent again."""


Hear = Callable[[bytes], None]
"""Called with each received message; must not block."""


class _Socket(ClientConnection):
    """A ``websockets`` client connection that counts the bytes received on the wire.

    Attributes:
        wire_in: bytes received, including handshake and frame headers, but not the overhead of TLS.
    """

    wire_in = 0

    def data_received(self, data: bytes) -> None:
        self.wire_in += len(data)
        super().data_received(data)


class SimulatedConnection:
    """A simulated user's connection, with a reader task that counts every received message.

    Attributes:
        messages_out, messages_in: whole messages.
        bytes_out, bytes_in: payload bytes of these messages.
        heard: number of received messages, not counting the server's answers to :meth:`round_trip`.
        lost: set when the connection has ended.
    """

    def __init__(self, socket: ClientConnection, name: str, hear: Hear | None = None) -> None:
        self.heard = 0
        self.lost = asyncio.Event()
        self._pace = 0.0
        self._paced = asyncio.Event()
        self._hear = hear
        self._socket = socket
        self._name = name
        host, port = socket.local_address[:2]
        self._local = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.messages_out = self.bytes_out = 0
        self.messages_in = self.bytes_in = 0
        self._hub = False
        self._answers: dict[str, asyncio.Future[bool]] = {}
        self._pings = 0
        self._on_end: Callable[[SimulatedConnection], None] | None = None
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls,
        url: str,
        name: str,
        *,
        hear: Hear | None = None,
        compression: bool = True,
        buffer: int | None = None,
        keepalive: bool = True,
    ) -> Self:
        """Connect a simulated user to a server.

        Args:
            url: URL of the server.
            name: name of the user, which a hub shows.
            hear: called with each received message.
            compression: whether to offer permessage-deflate.
            buffer: size of the kernel's receive buffer in bytes; None for its default.
            keepalive: True to send pings, and to close the connection if no pong arrives. Pass
                False for a client that does not read, because it would not receive pongs.

        Raises:
            OSError, TimeoutError, WebSocketException: the connection failed.
        """
        socket = await connect(
            url,
            max_size=None,
            proxy=None,
            compression="deflate" if compression else None,
            open_timeout=_OPEN_TIMEOUT,
            ping_interval=_PING_INTERVAL if keepalive else None,
            create_connection=_Socket,
        )
        if buffer is not None:
            kernel = socket.transport.get_extra_info("socket")
            kernel.setsockopt(SOL_SOCKET, SO_RCVBUF, buffer)
        return cls(socket, name, hear)

    @property
    def ended(self) -> bool:
        """True once the connection has ended."""
        return self.lost.is_set()

    @property
    def cut_off(self) -> bool:
        """True once the TCP connection has ended, even while the paused reader has not noticed."""
        return self.ended or has_ended(self._socket.transport.get_extra_info("socket"))

    @property
    def close_code(self) -> int:
        """The close code; 1006 while the connection is open."""
        protocol = self._socket.protocol
        sent, received = protocol.close_sent, protocol.close_rcvd
        return effective_code(
            None if sent is None else sent.code, None if received is None else received.code
        )

    @property
    def wire_in(self) -> int:
        """Number of bytes received, including handshake and frame headers."""
        return getattr(self._socket, "wire_in", 0)

    @property
    def pace(self) -> float:
        """Seconds that the reader pauses after each message; 0 for no pause."""
        return self._pace

    @pace.setter
    def pace(self, seconds: float) -> None:
        self._pace = seconds
        self._paced.set()

    async def _rest(self) -> None:
        """Pause for :attr:`pace` seconds. A change of the value applies to the running pause."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while (rest := began + self._pace - clock()) > 0:
            self._paced.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if rest == math.inf else rest):
                    await self._paced.wait()

    def on_end(self, callback: Callable[[SimulatedConnection], None]) -> None:
        """Call a function when the connection ends, or at once if the connection has ended."""
        self._on_end = callback
        if self.ended:
            callback(self)

    def report(self) -> ConnectionReport:
        """Return the counts of this connection so far."""
        return ConnectionReport(
            name=self._name,
            local=self._local,
            messages_out=self.messages_out,
            bytes_out=self.bytes_out,
            messages_in=self.messages_in,
            bytes_in=self.bytes_in,
            open=not self.ended,
            close_code=self.close_code if self.ended else None,
        )

    async def say(self, kind: Kind, text: str, place: str) -> None:
        """Send a message. Does nothing if the connection has ended.

        Args:
            kind: the kind of message.
            text: the message's text.
            place: the room or channel to send it to.
        """
        if kind == "chat":
            await self.send("chat_message", text=text)
        elif kind == "room":
            await self.send("room_message", room=place, text=text)
        elif kind == "publish":
            await self.send("publish", channel=place, data=text)
        else:
            await self._put(text.encode(), text=kind == "text")

    async def send(self, kind: str, **payload: Any) -> None:
        """Send a message of the hub's protocol. Does nothing if the connection has ended."""
        await self._send({"type": kind, "payload": payload})

    async def knock(self) -> None:
        """Send an unsolicited pong (RFC 6455, 5.5.3) to find out whether the connection is alive.

        If the server has ended the connection, the server's kernel answers with a TCP reset, and
        :attr:`cut_off` becomes True.
        """
        with contextlib.suppress(ConnectionClosed):
            await self._socket.pong()

    async def round_trip(self) -> None:
        """Return after the server has handled all messages that this connection sent before.

        Send a ``ping`` message to a hub, which handles messages in order. Send a ping frame to
        any other server, because every server answers ping frames.
        """
        if not self._hub:
            try:
                await (await self._socket.ping())
            except ConnectionClosed:
                return
            return
        answered = False
        while not answered and not self.ended:
            answered = await self._ask()
            if not answered:
                # The hub refused the ping, since the user has reached its rate limit: wait.
                await asyncio.sleep(_PAUSE)

    async def _ask(self) -> bool:
        """Send a ``ping`` message. Return True if the hub answers, False if it refuses."""
        self._pings += 1
        key = f"ping-{self._pings}"
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        await self._send({"type": "ping", "id": key, "payload": {}})
        lost = asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait((answer, lost), return_when=asyncio.FIRST_COMPLETED)
            return answer.done() and answer.result()
        finally:
            lost.cancel()
            del self._answers[key]

    async def leave(self, how: str, *, within: float = CLOSE_TIMEOUT) -> None:
        """End the connection, and wait for the server's close frame.

        Args:
            how: ``normal`` (1000), ``going away`` (1001) or ``abort`` (without a close frame).
            within: seconds to wait for the server's close frame; then the connection is aborted.
        """
        self.pace = 0.0
        if how == "abort":
            self._socket.transport.abort()
        else:
            try:
                async with asyncio.timeout(within):
                    await self._socket.close(GOING_AWAY if how == "going away" else NORMAL)
            except TimeoutError:
                self._socket.transport.abort()
        await self._reader

    async def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        await self._put(data, text=True)

    async def _put(self, data: bytes, *, text: bool) -> None:
        try:
            await self._socket.send(data, text=text)
        except ConnectionClosed:
            return
        self.messages_out += 1
        self.bytes_out += len(data)

    async def _read(self) -> None:
        try:
            while True:
                data = await self._socket.recv(decode=False)
                self.messages_in += 1
                self.bytes_in += len(data)
                if self.messages_in == 1:
                    await self._greet(data)
                if not (self._answers and self._is_answer(data)):
                    self.heard += 1
                    if self._hear is not None:
                        self._hear(data)
                if self._pace:
                    await self._rest()
        except ConnectionClosed:
            pass
        finally:
            self.lost.set()
            if self._on_end is not None:
                self._on_end(self)

    async def _greet(self, data: bytes) -> None:
        if _decode(data).get("type") == "welcome":
            self._hub = True
            await self._send({"type": "connect", "payload": {"name": self._name}})

    def _is_answer(self, data: bytes) -> bool:
        if b'"reply_to"' not in data:
            return False
        message = _decode(data)
        answer = self._answers.get(str(message.get("reply_to")))
        if answer is None:
            return False
        if not answer.done():
            answer.set_result(message.get("type") == "pong")
        return True


def _decode(data: bytes) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
