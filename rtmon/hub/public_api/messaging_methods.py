"""What a program says to the clients of its hub; see docs/hub.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, overload

from ...core.backpressure import Policy
from ...errors import OptionError
from ..application_input import AnyClient
from ..callback_subscriptions import Callback, CallbackSubscription
from ..delivery_receipts import PublicationReceipt, Receipt
from ..handlers.custom_messages import HandlerFunction, custom_handler
from ..hub_assembly import HubAssembly

__all__ = ["MessagingMethods"]


class MessagingMethods:
    """Sends, publishes and takes messages, as the server."""

    _parts: HubAssembly

    async def broadcast(
        self,
        type: str,  # noqa: A002 - the field's name on the wire
        payload: dict[str, Any] | None = None,
        *,
        exclude: AnyClient | Iterable[AnyClient] | None = (),
    ) -> Receipt:
        """Send a message to all clients that are connected, on all nodes.

        It has no position and is not kept: a client that is away does not get it. While the broker
        cannot be reached, only clients of this node do.

        Args:
            type: a message type of your own: none of the protocol's, as clients would take it for
                another message. For those see :meth:`say`, :meth:`publish`, :meth:`notify`.
            payload: a dict of what JSON can hold, as for :meth:`publish` but no bytes; an empty
                one if None.
            exclude: a client or several, or their ids, that do not get it; up to 1,000.

        Returns:
            How many clients it was sent to; other nodes have a second to say so.

        Raises:
            OptionError: this cannot be sent.
        """
        return await self._parts.messages.to_everybody(type, payload, exclude=exclude)

    async def send(
        self,
        client: AnyClient,
        type: str,  # noqa: A002 - the field's name on the wire
        payload: dict[str, Any] | None = None,
    ) -> Receipt:
        """Send a message to one client, on any node.

        Args:
            client: the client, or its id.
            type: a message type of your own, as for :meth:`broadcast`.
            payload: as for :meth:`broadcast`.

        Raises:
            OptionError: this cannot be sent.
            ProtocolError: the client is gone (``unknown_client``), its node did not answer within
                five seconds (``no_answer``; it may have got it), or the broker cannot be reached
                (``unavailable``).
        """
        return await self._parts.messages.send(client, type, payload)

    async def say(
        self,
        room: str | None,
        message: Any,
        *,
        name: str | None = None,
        exclude: AnyClient | Iterable[AnyClient] | None = (),
    ) -> PublicationReceipt:
        """Say something in a room, as the server; it is kept in the room's history.

        Args:
            room: the room; None for the chat with everybody.
            message: text, or, in a room, other data as for :meth:`publish`.
            name: the sender's name that clients show; the hub's own name if None.
            exclude: a client or several, or their ids, that do not get it now; up to 1,000. One
                that is away and comes back gets it from the history.

        Returns:
            Its position, and how many clients it was sent to; other nodes have a second to say so.

        Raises:
            OptionError: this cannot be said.
            ProtocolError: the broker cannot be reached.
        """
        return await self._parts.messages.say(room, message, name=name, exclude=exclude)

    async def publish(
        self,
        channel: str,
        data: Any,
        *,
        message_id: str | None = None,
        slow: Policy | None = None,
        key: str | None = None,
        total: bool = False,
    ) -> PublicationReceipt:
        """Publish to a channel, as the server.

        Args:
            channel: a name, not a pattern.
            data: bytes, or what JSON can hold: None, bool, str, finite float, int of up to 64 bits,
                and lists and dicts of these, subclasses included; of up to
                :data:`rtmon.protocol.limits.DATA_SIZE` bytes. It is encoded at once, so it
                may be changed and published again.
            message_id: a new id if None.
            slow: policy for slow consumers, if not the channel's or the hub's; see
                :data:`rtmon.core.backpressure.Policy`. With ``block`` this waits until all
                subscribers on this node have room.
            key: with ``keep_latest``, what of the channel this is the latest of, such as the
                symbol of a price.
            total: ask other nodes how many of their clients it was sent to; this waits for up to a
                second.

        Returns:
            Its position, and how many clients it was sent to.

        Raises:
            OptionError: the channel, the data or the id is not one that can be published, the
                policy is none, or the key is no text.
            ProtocolError: the broker cannot be reached; publish it again later, with the same
                ``message_id``. It may arrive twice, as servers have no ids of their own.
        """
        return await self._parts.messages.publish(
            channel, data, message_id=message_id, slow=slow, key=key, total=total
        )

    @overload
    def notify(
        self,
        user: str,
        title: str,
        text: str = "",
        *,
        level: str = "info",
        data: Any = None,
        total: Literal[False] = False,
    ) -> Receipt: ...

    @overload
    def notify(
        self,
        user: str,
        title: str,
        text: str = "",
        *,
        level: str = "info",
        data: Any = None,
        total: Literal[True],
    ) -> Awaitable[Receipt]: ...

    def notify(
        self,
        user: str,
        title: str,
        text: str = "",
        *,
        level: str = "info",
        data: Any = None,
        total: bool = False,
    ) -> Receipt | Awaitable[Receipt]:
        """Send a notification to all connections of a user, on all nodes.

        Args:
            user: the user id.
            title: a few words.
            text: the rest; :data:`rtmon.protocol.limits.TEXT_LENGTH` characters with the title.
            level: for the client to show it by, such as ``info`` or ``warning``.
            data: as for :meth:`publish`.
            total: ask other nodes how many of their connections it was sent to, and return an
                awaitable of the receipt, which takes up to a second; it is sent at once all the
                same.

        Returns:
            How many connections it was sent to.

        Raises:
            OptionError: this is not what every client can be sent.
        """
        messages = self._parts.messages
        receipt = messages.notify(user, title, text, level=level, data=data)
        return messages.notified_everywhere(user, receipt) if total else receipt

    def subscribe(self, channel: str, callback: Callback) -> CallbackSubscription:
        """Call a function, or a coroutine function, with each publication.

        Args:
            channel: a channel, or a pattern such as ``news.*``.
            callback: what it raises is logged.

        Returns:
            The subscription; ``cancel()`` ends it.
        """
        return self._parts.broadcast.subscribe(channel, callback)

    def on(self, kind: str) -> Callable[[HandlerFunction], HandlerFunction]:
        """Decorate the handler of a message type of your own.

        ``async def handler(session, payload: T)``: the payload is decoded as T, for example a
        ``msgspec.Struct``; what the handler returns is the ``data`` of the ``ack`` that
        answers; None is answered only if the client asks; ProtocolError is answered as an error.

        Raises:
            OptionError: the type is one of the protocol's own.
        """
        if not isinstance(kind, str):
            raise OptionError(
                f"{kind!r:.100} is no message type: @hub.on takes one, in parentheses."
            )

        def decorate(function: HandlerFunction) -> HandlerFunction:
            reserved = self._parts.dispatcher.protocol_types
            self._parts.custom[kind] = custom_handler(kind, function, reserved=reserved)
            return function

        return decorate
