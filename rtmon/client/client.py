"""The public API of a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from functools import partial
from os import PathLike
from typing import Any, Self, TypeVar

from ..errors import OptionError
from ..protocol.catalog import ACKNOWLEDGED, Position
from ..protocol.data import plain_text
from .connection_loop import Engine
from .file_transfers import Files, Progress
from .options import ClientOptions
from .plain_protocol import RAW
from .result_types import ClientState, ClientStats, Message, What
from .subscription import Subscription
from .wire_formats import Raw

__all__ = ["Client"]

F = TypeVar("F", bound=Callable[..., Any])


class Client:
    """A client that reconnects whenever its connection is lost. See :func:`rtmon.connect`.

    Use ``async with``, or ``await`` the client and call :meth:`close` later. ``async for`` yields
    all messages.
    Methods must be called on the client's event loop.

    Attributes:
        options: the client's options.
    """

    def __init__(self, engine: Engine, options: ClientOptions) -> None:
        self.options = options
        self._engine = engine
        self._session = engine.session
        self._files = Files(engine)

    def __repr__(self) -> str:
        return f"<Client {self._engine.address} {self.state}>"

    @property
    def state(self) -> ClientState:
        """connecting, open, reconnecting, closing or closed."""
        return self._session.lifecycle.state

    @property
    def client_id(self) -> str | None:
        """Client id from the server; each connection gets a new one."""
        return self._session.client_id

    @property
    def stats(self) -> ClientStats:
        """The client's current statistics."""
        return self._engine.stats()

    # Opening and closing

    async def _start(self) -> Self:
        await self._engine.start()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self._start().__await__()

    async def __aenter__(self) -> Self:
        return await self._start()

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the client; it does not reconnect. Idempotent.

        If connected, the client first sends its queued messages, for at most ``close_timeout``
        seconds. Messages that are not delivered by then are dropped: a pending request raises
        :class:`ClientClosed`, others are counted in ``stats.dropped`` and reported to
        :meth:`on_error`.
        """
        await self._engine.close()

    async def wait_open(self) -> None:
        """Wait until the client is connected.

        Raises:
            ClientClosed: it is closed, or has given up.
        """
        await self._engine.wait_open()

    def reconnect(self) -> None:
        """Try to connect now, without waiting for the backoff; does nothing while connected."""
        self._engine.hurry()

    # Sending

    async def send(self, kind: str, payload: Any = None) -> None:
        """Send a message without waiting for an answer; queue it while disconnected.

        ``publish``, ``chat_message`` and ``room_message`` are delivered once and in order, even if
        the connection is lost meanwhile. Errors from the server go to :meth:`on_error`.

        Args:
            kind: the message type, such as ``chat_message``.
            payload: the payload of that type, see docs/protocol.md.

        Raises:
            ClientClosed: it is closed, or has given up.
            OptionError: the payload cannot be sent.
            QueueFull: the send queue is full, and ``queue_policy`` is ``refuse``.
        """
        await self._engine.send(kind, {} if payload is None else payload)

    async def send_raw(self, data: str | bytes) -> None:
        """Send a WebSocket message unchanged; queue it while disconnected. Not for hubs.

        Args:
            data: a text or binary message.

        Raises:
            ClientClosed, QueueFull: as for :meth:`send`.
            OptionError: ``protocol`` is not ``plain``, or messages are sent in batches.
        """
        if self.options.protocol != "plain" or self.options.batch is not None:
            raise OptionError("send_raw() needs protocol='plain' and no batch: use send().")
        if not isinstance(data, str | bytes):
            raise OptionError(f"A message is {type(data).__name__}: give str or bytes.")
        await self._engine.send(RAW, Raw(data))

    async def request(
        self, kind: str, payload: Any = None, *, timeout: float | None = None
    ) -> Message:
        """Send a message and wait for the answer.

        Args:
            kind: the message type.
            payload: the payload of that type, see docs/protocol.md; ``ack`` is added if required.
            timeout: seconds; ``request_timeout`` if None.

        Raises:
            ProtocolError: the server answered with an error; see its ``code``.
            TimeoutError: there was no answer in time.
            ConnectionLost: the connection ended first, and repeating the request is not safe.
            MessageExpired: the message waited in the queue longer than ``queue_age``.
            ClientClosed: it is closed, or has given up.
            OptionError: the payload cannot be sent.
            QueueFull: the send queue is full, and ``queue_policy`` is not ``wait``.
        """
        self._hub_only("request()")
        payload = {} if payload is None else payload
        if kind in ACKNOWLEDGED:
            if not isinstance(payload, dict):
                raise OptionError(f"The payload of {kind!r} is {payload!r}: give a dict.")
            payload = {**payload, "ack": True}
        async with asyncio.timeout(self.options.request_timeout if timeout is None else timeout):
            return await self._engine.request(kind, payload)

    async def publish(
        self, channel: str, data: Any, *, ack: bool = False, timeout: float | None = None
    ) -> Position | None:
        """Publish to a channel; delivered once and in order, as with :meth:`send`.

        Args:
            channel: its name.
            data: bytes, or anything that JSON can hold.
            ack: wait for the server's acknowledgement.
            timeout: as for :meth:`request`.

        Returns:
            With ``ack``, the position of the publication.

        Raises:
            RtmonError: as for :meth:`send`, with ``ack`` as for :meth:`request`.
        """
        payload = {"channel": channel, "data": data}
        if not ack:
            await self.send("publish", payload)
            return None
        answer = await self.request("publish", payload, timeout=timeout)
        return answer.position

    async def flush(self) -> None:
        """Wait until the server has received every message sent so far.

        Raises:
            ClientClosed: it has given up.
        """
        await self._engine.flush()

    # Receiving

    def on(self, kind: str, payload: Any = None) -> Callable[[F], F]:
        """Decorate a handler of a message type; ``*`` means all types.

        Handlers may be coroutine functions. They run one at a time and in order; their exceptions
        are logged.

        Args:
            kind: such as ``chat_message``.
            payload: type to convert the payload to, such as a dataclass or a class of
                :mod:`rtmon.protocol.catalog`; a dict if None.
        """

        def decorate(function: F) -> F:
            self._engine.delivery.callbacks.on_message(kind, payload, function)
            return function

        return decorate

    def on_open(self, function: F) -> F:
        """Decorate a callback that gets a :class:`Change` when the first connection is open."""
        return self._on("open", function)

    def on_close(self, function: F) -> F:
        """Decorate a callback for the end of a connection that the server had welcomed.

        ``delay`` is the seconds until the next attempt; if the client will not reconnect, it is
        None and ``state`` is ``closed``.
        """
        return self._on("close", function)

    def on_error(self, function: F) -> F:
        """Decorate a callback for failed attempts to connect, and for errors that no caller gets.

        A connection that ends before the server's welcome counts as a failed attempt.
        """
        return self._on("error", function)

    def on_reconnect(self, function: F) -> F:
        """Decorate a callback for each reconnect; ``downtime`` is the seconds offline."""
        return self._on("reconnect", function)

    def on_gave_up(self, function: F) -> F:
        """Decorate a callback for when the client gives up reconnecting."""
        return self._on("gave_up", function)

    def _hub_only(self, what: str) -> None:
        """Raise if the server is not a hub, which this method needs."""
        if self.options.protocol == "plain":
            raise OptionError(
                f"{what} needs a hub, and protocol='plain' is for any server: send() what yours "
                "takes, and hear its answer with on()."
            )

    def _on(self, what: What, function: F) -> F:
        self._engine.delivery.callbacks.on_change(what, function)
        return function

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            try:
                message = await self._engine.delivery.read()
            except StopAsyncIteration:
                return
            yield message

    def subscribe(
        self,
        channel: str,
        callback: Callable[[Message], Any] | None = None,
        *,
        since: Position | None = None,
    ) -> Subscription:
        """Subscribe to a channel, or to a pattern such as ``news.*``.

        Without a callback: ``async with client.subscribe("news") as news: async for message in
        news``. With a callback the subscription starts at once, and ``close()`` ends it.

        Args:
            channel: its name, or a pattern.
            callback: called with each message, in order with the handlers of :meth:`on`; may be a
                coroutine function.
            since: resume after this position, taken from an earlier message.

        Raises:
            OptionError: the channel name is invalid, the callback is not callable, or the server is
                not a hub.
            ClientClosed: with a callback, if the client is closed or has given up.
        """
        self._hub_only("subscribe()")
        if callback is not None and not callable(callback):
            raise OptionError(f"callback is {callback!r:.200}: give a function.")
        callbacks = self._engine.delivery.callbacks
        subscription = Subscription(
            self._engine.membership,
            _sendable(channel),
            since,
            publish=self.publish,
            buffer=self.options.buffer,
            call=None if callback is None else partial(callbacks.add, callback),
        )
        if callback is not None:
            subscription.start()
        return subscription

    async def join(self, room: str, *, since: Position | None = None) -> None:
        """Join a room, and join it again after each reconnect; its messages go to the handlers.

        Raises:
            ProtocolError: the server refuses.
            ClientClosed: it is closed, or has given up.
            ClientError: it left the room before the server answered.
            OptionError: the room name is invalid, or the server is not a hub.
        """
        self._hub_only("join()")
        await self._engine.membership.join(_sendable(room), since)

    async def leave(self, room: str) -> None:
        """Leave a room."""
        self._hub_only("leave()")
        self._engine.membership.leave(room)

    # Files

    async def send_file(
        self,
        source: str | PathLike[str] | bytes,
        *,
        name: str | None = None,
        to: str | None = None,
        room: str | None = None,
        mime: str | None = None,
        progress: Progress | None = None,
    ) -> Message:
        """Send a file; the transfer resumes after a reconnect.

        Args:
            source: a path, or the content as bytes.
            name: file name; by default that of the path.
            to: id of the receiving client.
            room: the receiving room; without ``to`` and ``room`` the server receives the file.
            mime: its media type.
            progress: called with the bytes received by the server, and the total.

        Returns:
            The server's ``file_done``; its payload has ``file``, ``name``, ``size``, ``sha256``.

        Raises:
            ProtocolError: the server refused the file, or its checksum differs.
            ConnectionLost: it is unknown if the server has received the whole file.
            ClientClosed: it is closed, or has given up.
            OSError: the file cannot be read.
        """
        self._hub_only("send_file()")
        return await self._files.send(
            source, name=name, to=to, room=room, mime=mime, progress=progress
        )

    async def receive_file(
        self, offer: Message, path: str | PathLike[str], *, progress: Progress | None = None
    ) -> Message:
        """Receive an offered file; the transfer resumes after a reconnect.

        In a handler of ``file_offer``, run it as a task: handlers run one after the other.

        Args:
            offer: the ``file_offer`` message.
            path: the file to write; do not trust the name in the offer. The file appears there
                once it is complete.
            progress: called with the bytes received so far, and the total.

        Returns:
            The server's ``file_done``.

        Raises:
            ProtocolError: the server refused, or the content differs from the offer.
            ClientClosed: it is closed, or has given up.
            OSError: the file cannot be written.
        """
        self._hub_only("receive_file()")
        return await self._files.receive(offer, path, progress=progress)


def _sendable(name: str) -> str:
    """Check the name of a room or channel, which each reconnect sends again."""
    try:
        return plain_text(name)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name!r:.200} is no name: {error}.") from None
