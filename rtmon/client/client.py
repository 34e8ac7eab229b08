"""The public API of a client: send, request, publish, subscribe, join, transfer files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from functools import partial
from os import PathLike
from typing import Any, Self, TypeVar

from ..errors import OptionError
from ..protocol.catalog import ACKNOWLEDGED, Position
from ..protocol.data_encoding import plain_text
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
    all messages that the client receives. Methods must be called on the client's event loop.

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
        """State of the client: connecting, open, reconnecting, closing or closed."""
        return self._session.lifecycle.state

    @property
    def client_id(self) -> str | None:
        """Client id that the server assigned to the latest connection; None before the first."""
        return self._session.client_id

    @property
    def stats(self) -> ClientStats:
        """The client's statistics, as of now."""
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
        """Close the client; it does not reconnect. May be called twice.

        If connected, the client first sends its queued messages, for at most ``close_timeout``
        seconds. Messages that are not acknowledged by then are dropped. Each of them raises
        :class:`ClientClosed` in the caller of :meth:`request` that waits for it, if there is one.
        The other dropped messages are counted in ``stats.dropped`` and reported to
        :meth:`on_error`.
        """
        await self._engine.close()

    async def wait_open(self) -> None:
        """Wait until the client is connected.

        Raises:
            ClientClosed: the client is closed, or has stopped reconnecting.
        """
        await self._engine.wait_open()

    def reconnect(self) -> None:
        """Try to connect now, without waiting for the backoff. Does nothing while connected."""
        self._engine.hurry()

    # Sending

    async def send(self, kind: str, payload: Any = None) -> None:
        """Send a message without waiting for an answer. While disconnected, the message is queued.

        ``publish``, ``chat_message`` and ``room_message`` are delivered once and in order, even if
        the connection is lost meanwhile. Errors from the server go to :meth:`on_error`.

        Args:
            kind: the message type, such as ``chat_message``.
            payload: the payload for that type, see docs/protocol.md.

        Raises:
            ClientClosed: the client is closed, or has stopped reconnecting.
            OptionError: the payload cannot be encoded, or the message is too large.
            QueueFull: the send queue is full, and ``queue_policy`` is ``refuse``.
        """
        await self._engine.send(kind, {} if payload is None else payload)

    async def send_raw(self, data: str | bytes) -> None:
        """Send a WebSocket message unchanged, to a server that is not a hub.

        While disconnected, the message is queued.

        Args:
            data: the message: ``str`` for a text message, ``bytes`` for a binary message.

        Raises:
            ClientClosed, QueueFull: as for :meth:`send`.
            OptionError: ``protocol`` is not ``plain``, messages are sent in batches, or ``data`` is
                neither ``str`` nor ``bytes``.
        """
        if self.options.protocol != "plain" or self.options.batch is not None:
            raise OptionError("send_raw() needs protocol='plain' and no batch: use send().")
        if not isinstance(data, str | bytes):
            raise OptionError(f"A message is {type(data).__name__}: give str or bytes.")
        await self._engine.send(RAW, Raw(data))

    async def request(
        self, kind: str, payload: Any = None, *, timeout: float | None = None
    ) -> Message:
        """Send a message and wait for the server's answer.

        Args:
            kind: the message type.
            payload: the payload for that type, see docs/protocol.md. If the server answers messages
                of this type only on request, the client adds ``ack`` to the message.
            timeout: seconds to wait for the answer; ``request_timeout`` if None.

        Raises:
            ProtocolError: the server answered with an error; see its ``code``.
            TimeoutError: there was no answer in time.
            ConnectionLost: the connection ended before the answer, and messages of this type are
                not sent again.
            MessageExpired: the message waited in the queue longer than ``queue_age``.
            ClientClosed: the client is closed, or has stopped reconnecting.
            OptionError: the payload cannot be encoded, or the message is too large.
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
        """Publish to a channel.

        The publication is delivered once and in order, even if the connection is lost meanwhile.

        Args:
            channel: name of the channel.
            data: bytes, or any value that JSON can represent.
            ack: True to wait for the server's acknowledgement.
            timeout: seconds to wait for the acknowledgement; ``request_timeout`` if None.

        Returns:
            With ``ack``, the position of the publication in the channel's history, else None.

        Raises:
            RtmonError: as for :meth:`send`; with ``ack``, as for :meth:`request`.
        """
        payload = {"channel": channel, "data": data}
        if not ack:
            await self.send("publish", payload)
            return None
        answer = await self.request("publish", payload, timeout=timeout)
        return answer.position

    async def flush(self) -> None:
        """Wait until the server has acknowledged all messages that were sent.

        Raises:
            ClientClosed: the client was closed meanwhile, or has stopped reconnecting.
        """
        await self._engine.flush()

    # Receiving

    def on(self, kind: str, payload: Any = None) -> Callable[[F], F]:
        """Decorate a function that handles messages of one type; ``*`` means all types.

        Handlers may be coroutine functions. They run one at a time and in order. Exceptions that
        they raise are logged.

        Args:
            kind: the message type, such as ``chat_message``.
            payload: type to convert the payload to, such as a dataclass or a class of
                :mod:`rtmon.protocol.catalog`. If None, the handler gets the payload as decoded, for
                a hub a dict.
        """

        def decorate(function: F) -> F:
            self._engine.delivery.callbacks.on_message(kind, payload, function)
            return function

        return decorate

    def on_open(self, function: F) -> F:
        """Decorate a function that gets a :class:`Change` when the first connection opens."""
        return self._on("open", function)

    def on_close(self, function: F) -> F:
        """Decorate a function that is called when a connection ends after the server's welcome.

        The function gets a :class:`Change`. Its ``delay`` is the time, in seconds, until the next
        attempt to connect. If the client will not reconnect, ``delay`` is None and ``state`` is
        ``closed``.
        """
        return self._on("close", function)

    def on_error(self, function: F) -> F:
        """Decorate a function for failed attempts to connect, and for errors that no call raises.

        The function gets a :class:`Change`. A connection that ends before the server's welcome
        counts as a failed attempt.
        """
        return self._on("error", function)

    def on_reconnect(self, function: F) -> F:
        """Decorate a function that is called after each reconnect.

        The function gets a :class:`Change`. Its ``downtime`` is the time offline, in seconds.
        """
        return self._on("reconnect", function)

    def on_gave_up(self, function: F) -> F:
        """Decorate a function that is called when the client stops reconnecting for good."""
        return self._on("gave_up", function)

    def _hub_only(self, what: str) -> None:
        """Raise OptionError if the server is not a hub: the method ``what`` needs a hub."""
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

        Without a callback, iterate over the subscription: ``async with client.subscribe("news") as
        news: async for message in news``. With a callback, the subscription starts at once; its
        ``close()`` ends it.

        Args:
            channel: name of the channel, or a pattern.
            callback: called with each message. Calls of this callback and of the handlers of
                :meth:`on` are made in the order of the messages. It may be a coroutine function.
            since: position of an earlier message, after which to resume.

        Raises:
            OptionError: the channel name is invalid, the callback is not callable, or the server is
                not a hub.
            ClientClosed: a callback is given, and the client is closed or has stopped reconnecting.
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
        """Join a room, and join it again after each reconnect.

        The room's messages go to the handlers of :meth:`on`.

        Args:
            room: name of the room.
            since: position of an earlier message of the room, after which to resume.

        Raises:
            ProtocolError: the server refused the request.
            ClientClosed: the client is closed, or has stopped reconnecting.
            ClientError: the client left the room before the server answered.
            OptionError: the room name is invalid, or the server is not a hub.
        """
        self._hub_only("join()")
        await self._engine.membership.join(_sendable(room), since)

    async def leave(self, room: str) -> None:
        """Leave a room. Does nothing if the client has not joined it."""
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
        """Send a file. After a reconnect, the transfer resumes.

        Args:
            source: path of the file, or its content as bytes.
            name: file name for the receiver; by default the last part of the path.
            to: client id of the receiver.
            room: the room whose clients receive the file. Without ``to`` and ``room``, the server
                itself receives the file.
            mime: the file's media type.
            progress: called with the number of bytes that the server has received, and the total.

        Returns:
            The server's ``file_done``. Its payload has ``file``, ``name``, ``size``, ``sha256``.

        Raises:
            ProtocolError: the server refused the file, or the checksum differs.
            ConnectionLost: the connection was lost while the server checked the file, and it is
                unknown if the server has kept it.
            ClientClosed: the client is closed, or has stopped reconnecting.
            OSError: the file cannot be read.
        """
        self._hub_only("send_file()")
        return await self._files.send(
            source, name=name, to=to, room=room, mime=mime, progress=progress
        )

    async def receive_file(
        self, offer: Message, path: str | PathLike[str], *, progress: Progress | None = None
    ) -> Message:
        """Receive an offered file. After a reconnect, the transfer resumes.

        A handler for ``file_offer`` should start this coroutine as a task and return, because the
        client calls no other handler until this handler has returned.

        Args:
            offer: the ``file_offer`` message.
            path: path to write the file to. It is created when the file is complete. Do not use the
                name in the offer as a path: the sender may have chosen it to overwrite a file.
            progress: called with the number of bytes received so far, and the total.

        Returns:
            The server's ``file_done``.

        Raises:
            ProtocolError: the server refused, or the content differs from the offer.
            ClientClosed: the client is closed, or has stopped reconnecting.
            OSError: the file cannot be written.
        """
        self._hub_only("receive_file()")
        return await self._files.receive(offer, path, progress=progress)


def _sendable(name: str) -> str:
    """Return the name of a room or channel; raise OptionError if it cannot be sent."""
    try:
        return plain_text(name)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name!r:.200} is no name: {error}.") from None
