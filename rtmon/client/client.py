"""The public face of a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from functools import partial
from os import PathLike
from typing import Any, Self, TypeVar

from ..errors import OptionError
from ..protocol.catalog import ACKNOWLEDGED, Position
from ..protocol.data import plain_text
from .engine import Engine
from .files import Files, Progress
from .options import ClientOptions
from .plain_protocol import RAW
from .records import ClientState, ClientStats, Message, What
from .subscription import Subscription
from .wire_formats import Raw

__all__ = ["Client"]

F = TypeVar("F", bound=Callable[..., Any])


class Client:
    """A connection to a hub, made anew whenever it is lost. See :func:`rtmon.connect`.

    ``async with`` it, or ``await`` it and :meth:`close` it later; ``async for`` gives all messages.
    All methods are for the event loop that it runs on.

    Attributes:
        options: how it behaves.
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
        """Id that the server gave this client, for as long as one connection lives."""
        return self._session.client_id

    @property
    def stats(self) -> ClientStats:
        """Its own numbers, as of now."""
        return self._engine.stats()

    # Beginning and end

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
        """End it for good. Idempotent.

        While it is connected, what is still to be sent is given ``close_timeout`` to arrive. What
        cannot, since there is no connection or not the time, is dropped: a request that
        waits gets :class:`ClientClosed`, the rest is counted in ``stats.dropped`` and told to
        :meth:`on_error`.
        """
        await self._engine.close()

    async def wait_open(self) -> None:
        """Wait until it is connected.

        Raises:
            ClientClosed: it is closed, or has given up.
        """
        await self._engine.wait_open()

    def reconnect(self) -> None:
        """Do not wait for the next attempt, make it now; while connected, nothing happens."""
        self._engine.hurry()

    # Speaking

    async def send(self, kind: str, payload: Any = None) -> None:
        """Send a message, or queue it until there is a connection, and do not wait for an answer.

        ``publish``, ``chat_message`` and ``room_message`` arrive once and in order, also if the
        connection is lost meanwhile. What the server refuses goes to :meth:`on_error`.

        Args:
            kind: the message type, such as ``chat_message``.
            payload: what docs/protocol.md says.

        Raises:
            ClientClosed: it is closed, or has given up.
            OptionError: the payload cannot be sent.
            QueueFull: so much waits already, and the policy is to refuse.
        """
        await self._engine.send(kind, {} if payload is None else payload)

    async def send_raw(self, data: str | bytes) -> None:
        """Send a whole message as it is, or queue it; for servers that are no hub.

        Args:
            data: a text or a binary message.

        Raises:
            ClientClosed, QueueFull: as for :meth:`send`.
            OptionError: the server is a hub, which takes messages with a type; or they are
                collected in batches.
        """
        if self.options.protocol != "plain" or self.options.batch is not None:
            raise OptionError("send_raw() needs protocol='plain' and no batch: use send().")
        if not isinstance(data, str | bytes):
            raise OptionError(f"A message is {type(data).__name__}: give str or bytes.")
        await self._engine.send(RAW, Raw(data))

    async def request(
        self, kind: str, payload: Any = None, *, timeout: float | None = None
    ) -> Message:
        """Send a message and wait for its answer.

        Args:
            kind: the message type.
            payload: what docs/protocol.md says; ``ack`` is added where it is needed.
            timeout: seconds; ``request_timeout`` if None.

        Raises:
            ProtocolError: the server refuses; it has a code.
            TimeoutError: there was no answer in time.
            ConnectionLost: the connection ended first, and asking again might do it twice.
            MessageExpired: it could not be sent for too long.
            ClientClosed: it is closed, or has given up.
            OptionError: the payload cannot be sent.
            QueueFull: so much waits already, and the policy is not to wait.
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
        """Publish to a channel; it arrives once and in order, as with :meth:`send`.

        Args:
            channel: its name.
            data: bytes, or anything that JSON can hold.
            ack: wait until the server has it.
            timeout: as for :meth:`request`.

        Returns:
            With ``ack``, its position.

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
        """Wait until the server has all that was sent.

        Raises:
            ClientClosed: it has given up.
        """
        await self._engine.flush()

    # Listening

    def on(self, kind: str, payload: Any = None) -> Callable[[F], F]:
        """Decorate a handler of a message type; ``*`` stands for all.

        Handlers, coroutine functions too, are called one at a time and in order. What they raise
        is logged.

        Args:
            kind: such as ``chat_message``.
            payload: what the message's payload is converted to, such as a dataclass, or one of
                :mod:`rtmon.protocol.catalog`; a dict if None.
        """

        def decorate(function: F) -> F:
            self._engine.delivery.callbacks.on_message(kind, payload, function)
            return function

        return decorate

    def on_open(self, function: F) -> F:
        """Decorate what is called with a :class:`Change` when the first connection is open."""
        return self._on("open", function)

    def on_close(self, function: F) -> F:
        """The same for when a connection that the server welcomed has ended.

        Its ``delay`` says when the next is tried; None, and its ``state`` ``closed``, for never.
        """
        return self._on("close", function)

    def on_error(self, function: F) -> F:
        """The same for failed attempts, and for errors that no caller is told of.

        A connection that ends before the server's welcome is a failed attempt, with its ``code``.
        """
        return self._on("error", function)

    def on_reconnect(self, function: F) -> F:
        """The same for when it is connected again; its ``downtime`` says after how long."""
        return self._on("reconnect", function)

    def on_gave_up(self, function: F) -> F:
        """The same for when it will not try again, without having been closed here."""
        return self._on("gave_up", function)

    def _hub_only(self, what: str) -> None:
        """Refuse what a server that is no hub cannot answer."""
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
        news``. With one the subscription begins at once; ``close()`` ends it.

        Args:
            channel: its name, or a pattern.
            callback: called with each message, in turn with the handlers of :meth:`on`; a
                coroutine function, too.
            since: a position to return to, of a message got earlier.

        Raises:
            OptionError: the name of the channel is none that can be sent, the callback is no
                function, or the server is no hub.
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
        """Be in a room from now on, over all connections; what is said there comes to handlers.

        Raises:
            ProtocolError: the server refuses.
            ClientClosed: it is closed, or has given up.
            ClientError: it left the room before the server answered.
            OptionError: the name of the room is none that can be sent, or the server is no hub.
        """
        self._hub_only("join()")
        await self._engine.membership.join(_sendable(room), since)

    async def leave(self, room: str) -> None:
        """Be in a room no more."""
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
        """Send a file; it goes on where it was when the connection is lost meanwhile.

        Args:
            source: a path, or what the file holds.
            name: what it is called; by default as the path.
            to: the client that it is for.
            room: the room that it is for; without both it is for the server.
            mime: its media type.
            progress: called with the bytes that the server has, and all.

        Returns:
            The server's ``file_done``; its payload has ``file``, ``name``, ``size``, ``sha256``.

        Raises:
            ProtocolError: the server refuses, or got something else than was sent.
            ConnectionLost: whether the server has all of it is not known.
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
        """Take a file that was offered; it goes on where it was when the connection is lost.

        In a handler of ``file_offer``, start it as a task: handlers wait for each other.

        Args:
            offer: the ``file_offer``.
            path: the file to write. What the offer says of a name is not to be trusted. The file
                appears there when it is complete.
            progress: called with the bytes that are here, and all.

        Returns:
            The server's ``file_done``.

        Raises:
            ProtocolError: the server refuses, or what came is not what was offered.
            ClientClosed: it is closed, or has given up.
            OSError: the file cannot be written.
        """
        self._hub_only("receive_file()")
        return await self._files.receive(offer, path, progress=progress)


def _sendable(name: str) -> str:
    """Check a name before a place is kept by it, which each connection enters anew."""
    try:
        return plain_text(name)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name!r:.200} is no name: {error}.") from None
