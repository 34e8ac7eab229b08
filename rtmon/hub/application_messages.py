"""Messages that the application sends to clients on all nodes: publish, broadcast, notify."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..core.backpressure import Policy
from ..protocol.data_encoding import Data
from .application_input import (
    AnyClient,
    checked_client_id,
    draft_fields,
    excluded_ids,
    notification,
    own_message,
    speech,
)
from .broadcast import Broadcast
from .broker_events import BrokerEventHandler
from .brokers.base import Draft, Note, user_key
from .client_handle import Client
from .connection import Connection
from .delivery_receipts import PublicationReceipt, Receipt
from .hub_context import HubContext
from .local_clients import LocalClient, LocalClients
from .node_requests import NodeRequests
from .outgoing_messages import Outgoing
from .publisher import Publisher
from .room_channel_keys import CHAT, channel_key

__all__ = ["ApplicationMessages"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ApplicationMessages:
    """Validates and encodes each message of the application once, and delivers it on all nodes.

    Attributes:
        context: the hub's shared context.
        broadcast: delivers messages to the connections of this node.
        publisher: publishes through the broker.
        events: delivers notifications to users of this node.
        clients: the clients of this node.
        calls: sends requests to other nodes.
    """

    context: HubContext
    broadcast: Broadcast
    publisher: Publisher
    events: BrokerEventHandler
    clients: LocalClients
    calls: NodeRequests

    async def publish(
        self,
        channel: str,
        data: Any,
        *,
        message_id: str | None,
        slow: Policy | None,
        key: str | None,
        total: bool,
    ) -> PublicationReceipt:
        """Publish to a channel; see :meth:`rtmon.hub.Hub.publish`."""
        fields = draft_fields(channel, data, message_id=message_id, slow=slow, key=key)
        draft = self.context.messages.draft("publication", **fields)
        return await self._publish(channel_key(draft.channel), draft, total=total)

    async def say(
        self,
        room: str | None,
        message: Any,
        *,
        name: str | None,
        exclude: AnyClient | Iterable[AnyClient] | None,
    ) -> PublicationReceipt:
        """Publish a message to a room or the chat; see :meth:`rtmon.hub.Hub.say`."""
        place, kind, fields = speech(room, message, name=name or self.context.options.name)
        draft = self.context.messages.draft(kind, exclude=excluded_ids(exclude), **fields)
        return await self._publish(place, draft, total=True)

    async def to_everybody(
        self,
        kind: str,
        payload: Any,
        *,
        exclude: AnyClient | Iterable[AnyClient] | None,
    ) -> Receipt:
        """Send a message to all clients of all nodes; see :meth:`rtmon.hub.Hub.broadcast`."""
        kind, encoded = own_message(kind, payload)
        ids = excluded_ids(exclude)
        async with self._turn(CHAT, self.context.options.slow):
            local = self.to_local(kind, encoded, ids)
        others = await self.calls.total("broadcast", kind=kind, data=encoded, exclude=ids)
        return Receipt(local=local, total=None if others is None else local + others)

    def to_local(self, kind: str, payload: Data, exclude: Iterable[str]) -> int:
        """Send a message to all clients of this node. Returns the number of clients."""
        message = self.context.messages.message(kind, payload)
        policy = self.context.options.slow
        outgoing = Outgoing(message, policy=policy, key=("broadcast", kind), count=0)
        return self.broadcast.send(outgoing, exclude=exclude)

    async def send(self, client: AnyClient, kind: str, payload: Any) -> Receipt:
        """Send a message to one client of any node; see :meth:`rtmon.hub.Hub.send`."""
        client_id = checked_client_id(client)
        if isinstance(client, Connection):
            client = self.clients.of(client)
        handle = client if isinstance(client, Client) else self.clients.find(client_id)
        if handle is not None:
            await handle.send(kind, payload)
            return Receipt(local=int(isinstance(handle, LocalClient)), total=1)
        kind, encoded = own_message(kind, payload)
        await self.calls.ask(client_id, "send", kind=kind, data=encoded)
        return Receipt(local=0, total=1)

    def notify(self, user: str, title: str, text: str, *, level: str, data: Any) -> Receipt:
        """Send a notification to a user; see :meth:`rtmon.hub.Hub.notify`."""
        user, payload = notification(user, title, text, level=level, data=data)
        # Deliver on this node at once. Other nodes receive the notification from the broker.
        note = Note(type="notification", payload=payload, skip=self.context.node)
        self.context.broker.send_note(user_key(user), note)
        local = self.events.notify(user, payload)
        return Receipt(local=local, total=None if self.context.broker.shared else local)

    async def notified_everywhere(self, user: str, receipt: Receipt) -> Receipt:
        """Return a notification's receipt with the number of connections on all nodes."""
        others = await self.calls.total("count", place=user_key(user))
        return Receipt(
            local=receipt.local, total=None if others is None else receipt.local + others
        )

    async def _publish(self, place: str, draft: Draft, *, total: bool) -> PublicationReceipt:
        """Publish to a room, a channel or the chat, and count the clients that it was sent to."""
        counts = self.broadcast.counts
        async with self._turn(place, self.context.slow_policy(place, draft.slow)):
            counts[draft.id] = 0
            try:
                receipt = await self.publisher.publish(place, draft)
            finally:
                local = counts.pop(draft.id, 0)
        ask = total or not self.context.broker.shared
        others = (
            await self.calls.total("count", place=place, exclude=draft.exclude) if ask else None
        )
        return PublicationReceipt(
            epoch=receipt.epoch,
            offset=receipt.offset,
            duplicate=receipt.duplicate,
            local=local,
            total=None if others is None else local + others,
        )

    def _turn(self, place: str, policy: Policy) -> contextlib.AbstractAsyncContextManager[None]:
        """Return a context manager in which a publication is sent.

        With the policy ``block``, entering the context waits until the send queues of all receivers
        on this node have space. With other policies, entering does not wait.
        """
        if policy == "block":
            return self.broadcast.wait_for_room(place)
        return contextlib.nullcontext()
