"""Methods of ``Hub`` by which the application sends, publishes and receives messages."""

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
    """Sends, publishes and receives messages on behalf of the server."""

    _parts: HubAssembly

    async def broadcast(
        self,
        type: str,  # noqa: A002 - the field's name on the wire
        payload: dict[str, Any] | None = None,
        *,
        exclude: AnyClient | Iterable[AnyClient] | None = (),
    ) -> Receipt:
        """Send a message to all connected clients, on all nodes.

        The message has no position and is not kept, so a client that connects after the call does
        not get the message. While the broker cannot be reached, only clients of this node get it.

        Args:
            type: a message type of the application. Types of the protocol are refused, because
                clients would misinterpret the message; see :meth:`say`, :meth:`publish` and
                :meth:`notify` instead.
            payload: a dict of JSON values, as for :meth:`publish` but without bytes; None sends an
                empty dict.
            exclude: a client or several, or their ids, that do not get the message; up to 1,000.

        Returns:
            The number of clients that the message was sent to. The call waits up to one second for
            the numbers of other nodes.

        Raises:
            OptionError: the type, the payload or ``exclude`` is invalid.
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
            type: a message type of the application, as for :meth:`broadcast`.
            payload: as for :meth:`broadcast`.

        Raises:
            OptionError: one of the arguments is invalid.
            ProtocolError: the client has disconnected (``unknown_client``), its node did not answer
                within five seconds (``no_answer``), or the broker cannot be reached
                (``unavailable``). After ``no_answer`` the client may have got the message.
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
        """Publish a message from the server to a room or the chat. It is kept in the history.

        Args:
            room: the room; None for the public chat.
            message: text, or, in a room, other data as for :meth:`publish`.
            name: the sender's name that clients show; None for the hub's name.
            exclude: a client or several, or their ids, that do not get the message now; up to
                1,000. A disconnected client gets it later from the history.

        Returns:
            The position, and the number of clients that the message was sent to. The call waits up
            to one second for the numbers of other nodes.

        Raises:
            OptionError: one of the arguments is invalid.
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
        """Publish data from the server to a channel.

        Args:
            channel: the name of a channel, not a pattern.
            data: bytes, or a JSON value: None, bool, str, finite float, int of up to 64 bits, and
                lists and dicts of these, including subclasses. Maximum size:
                :data:`rtmon.protocol.limits.DATA_SIZE` bytes. The data is encoded during
                this call, so it may be changed afterwards and published again.
            message_id: id of the message; None for a new id.
            slow: policy for slow consumers; None for the channel's or the hub's policy. See
                :data:`rtmon.core.backpressure.Policy`. With ``block``, the call waits until all
                subscribers on this node have space in their send queues.
            key: for the policy ``keep_latest``: a later publication with the same key, such as the
                symbol of a price, replaces this one in send queues.
            total: True to ask other nodes how many of their clients got the message, which takes up
                to one second.

        Returns:
            The position, and the number of clients that the message was sent to.

        Raises:
            OptionError: one of the arguments is invalid.
            ProtocolError: the broker cannot be reached. The publication may have succeeded: if it
                is published again, clients may get it twice, because the server's message ids are
                not deduplicated.
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
            title: a short title.
            text: the text; title, level and text have :data:`rtmon.protocol.limits.TEXT_LENGTH`
                characters at most.
            level: how the client should show it, such as ``info`` or ``warning``.
            data: further data, as for :meth:`publish`.
            total: True to ask other nodes how many connections got the notification. The call then
                returns an awaitable of the receipt, which takes up to one second. The notification
                itself is sent at once in both cases.

        Returns:
            The number of connections that the notification was sent to.

        Raises:
            OptionError: one of the arguments is invalid.
        """
        messages = self._parts.messages
        receipt = messages.notify(user, title, text, level=level, data=data)
        return messages.notified_everywhere(user, receipt) if total else receipt

    def subscribe(self, channel: str, callback: Callback) -> CallbackSubscription:
        """Call a function or coroutine function with each publication to a channel.

        Args:
            channel: a channel, or a pattern such as ``news.*``.
            callback: the function. Its exceptions are logged.

        Returns:
            The subscription. Call its ``cancel()`` to end it.
        """
        return self._parts.broadcast.subscribe(channel, callback)

    def on(self, kind: str) -> Callable[[HandlerFunction], HandlerFunction]:
        """Decorate the handler of a message type that the application adds.

        The handler is ``async def handler(session, payload: T)``. The payload is decoded as T, for
        example a ``msgspec.Struct``. The handler's result becomes ``data`` of the ``ack``; without
        a result, the server sends an ``ack`` only if the client asks for it. A ProtocolError is
        sent to the client as an error.

        Args:
            kind: the message type.

        Raises:
            OptionError: the type belongs to the protocol.
        """
        if not isinstance(kind, str):
            raise OptionError(f"{kind!r:.100} is not a message type: use @hub.on('TYPE').")

        def decorate(function: HandlerFunction) -> HandlerFunction:
            reserved = self._parts.dispatcher.protocol_types
            self._parts.custom[kind] = custom_handler(kind, function, reserved=reserved)
            return function

        return decorate
