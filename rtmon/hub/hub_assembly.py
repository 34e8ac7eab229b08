"""Creation of all parts of a hub, such as its registry, handlers and limits."""

from __future__ import annotations

from pathlib import Path

from .admission.authentication import Auth, Authentication
from .admission.client_ids import ClientIds
from .admission.connection_expiry import Expiry
from .admission.permissions import Allow, Permissions
from .admission.refusals import Refusals
from .admission.user_and_address_limits import ConnectionLimits, RateLimits
from .application_messages import ApplicationMessages
from .broadcast import Broadcast
from .broker_events import BrokerEventHandler
from .client_handle import Client
from .connect_message import ConnectMessages
from .connection import Connection
from .connection_lifecycle import ConnectionLifecycle
from .connection_registry import ConnectionRegistry
from .files.store import FileStore
from .files.uploads import Uploads
from .handlers import Handler
from .handlers.chat import ChatHandlers
from .handlers.connection import ConnectionHandlers
from .handlers.custom_messages import CustomHandler
from .handlers.files import FileHandlers
from .handlers.presence import PresenceHandlers
from .handlers.pubsub import PubSubHandlers
from .handlers.rooms import RoomHandlers
from .history_recovery import HistoryReplay
from .hook_calls import HookCalls
from .hooks import Hooks
from .hub_context import HubContext
from .join_leave_announcements import JoinLeaveAnnouncements
from .local_clients import LocalClients
from .message_checks import MessageChecks
from .message_dispatch import Dispatcher
from .node_request_handler import NodeRequestHandler
from .node_requests import NodeRequests
from .options import HubOptions
from .presence import PresenceRecorder
from .publisher import Publisher
from .remote_clients import RemoteClients
from .room_membership import RoomMembership
from .stats import HubStats
from .typing_indicator import TypingIndicators

__all__ = ["HubAssembly"]


class HubAssembly:
    """All parts of one hub. Each part is given only the other parts that it uses.

    Args:
        context: the hub's shared context.
        auth: authenticates clients; None accepts the user id that a client claims.
        allow: decides what a client may do; None allows what the channel options allow.

    Raises:
        OptionError: two of the options contradict each other.
    """

    def __init__(self, context: HubContext, *, auth: Auth | None, allow: Allow | None) -> None:
        self.context = context
        self.registry = ConnectionRegistry()
        self.custom: dict[str, CustomHandler] = {}
        self.hook_calls = HookCalls(context)
        self.hooks = Hooks(context, self.hook_calls, self._client_of)
        self.checks = MessageChecks(self.hook_calls, self._client_of, self.custom)
        self.authentication = Authentication(context, auth)
        self.permissions = Permissions(context, allow)
        self.refusals = Refusals(context)
        self.connection_limits = ConnectionLimits(context)
        self.rate_limits = RateLimits(context, authenticated=self.authentication.required)
        self.expiry = Expiry(context)
        self.broadcast = Broadcast(context, self.registry)
        self.replay = HistoryReplay(context, self.broadcast)
        self.join_leave = JoinLeaveAnnouncements(context)
        self.presence = PresenceRecorder(context, self.registry, self.join_leave)
        self.typing = TypingIndicators(context)
        self.publisher = Publisher(context, self.join_leave)
        self.uploads = Uploads(context, self.registry, self.rate_limits, _store(context.options))
        self.calls = NodeRequests(context)
        self.events = BrokerEventHandler(
            context, self.registry, self.broadcast, self.join_leave, self.calls
        )
        self.client_ids = ClientIds(context, self.registry)
        self.introductions = ConnectMessages(
            context=context,
            registry=self.registry,
            broadcast=self.broadcast,
            presence=self.presence,
            join_leave=self.join_leave,
            authentication=self.authentication,
            expiry=self.expiry,
        )
        self.membership = RoomMembership(
            context=context,
            registry=self.registry,
            broadcast=self.broadcast,
            replay=self.replay,
            presence=self.presence,
            join_leave=self.join_leave,
            typing=self.typing,
            hooks=self.hooks,
        )
        self.lifecycle = ConnectionLifecycle(
            context=context,
            registry=self.registry,
            broadcast=self.broadcast,
            replay=self.replay,
            presence=self.presence,
            join_leave=self.join_leave,
            typing=self.typing,
            uploads=self.uploads,
            authentication=self.authentication,
            connection_limits=self.connection_limits,
            rate_limits=self.rate_limits,
            refusals=self.refusals,
            expiry=self.expiry,
            introductions=self.introductions,
            client_ids=self.client_ids,
            hooks=self.hooks,
            membership=self.membership,
        )
        self.clients = LocalClients(
            context=context, registry=self.registry, membership=self.membership
        )
        self.finder = RemoteClients(self.clients, self.calls)
        self.messages = ApplicationMessages(
            context=context,
            broadcast=self.broadcast,
            publisher=self.publisher,
            events=self.events,
            clients=self.clients,
            calls=self.calls,
        )
        acts = NodeRequestHandler(
            registry=self.registry, clients=self.clients, messages=self.messages
        )
        self.calls.act = acts.act
        self.dispatcher = Dispatcher(
            context,
            rates=self.rate_limits,
            uploads=self.uploads,
            handlers=self._handlers(),
            custom=self.custom,
            checks=self.checks,
        )

    def stats(self) -> HubStats:
        """Return the counters of this node; see :meth:`rtmon.hub.Hub.stats`."""
        series = self.broadcast.stats.series()
        return HubStats(
            clients=len(self.registry.connections),
            users=len(self.registry.users),
            rooms=len(self.registry.rooms),
            published=sum(each.published for each in series),
            delivered=sum(each.delivered for each in series),
            dropped=sum(each.dropped for each in series),
            refused=sum(self.refusals.counts.values()),
        )

    def _client_of(self, connection: Connection) -> Client:
        """Return the application's handle of a connection's client."""
        return self.clients.of(connection)

    def _handlers(self) -> dict[str, Handler]:
        """Return message type → handler, for all message types of the protocol."""
        rooms = RoomHandlers(
            context=self.context,
            registry=self.registry,
            permissions=self.permissions,
            membership=self.membership,
            publisher=self.publisher,
            typing=self.typing,
        )
        chat = ChatHandlers(
            context=self.context,
            registry=self.registry,
            permissions=self.permissions,
            publisher=self.publisher,
            typing=self.typing,
            rooms=rooms,
        )
        connection = ConnectionHandlers(
            context=self.context, introductions=self.introductions, rates=self.rate_limits
        )
        files = FileHandlers(permissions=self.permissions, uploads=self.uploads, checks=self.checks)
        presence = PresenceHandlers(
            context=self.context, registry=self.registry, permissions=self.permissions
        )
        pubsub = PubSubHandlers(
            context=self.context,
            registry=self.registry,
            permissions=self.permissions,
            broadcast=self.broadcast,
            replay=self.replay,
            presence=self.presence,
            publisher=self.publisher,
            hooks=self.hooks,
            checks=self.checks,
        )
        groups = (chat, connection, files, presence, pubsub, rooms)
        return {kind: handler for group in groups for kind, handler in group.handlers().items()}


def _store(options: HubOptions) -> FileStore | None:
    """Return the store of uploaded files; None if the options name no folder for files."""
    if options.files is None:
        return None
    return FileStore(
        Path(options.files),
        size=options.file_size,
        quota=options.file_quota,
        most=options.file_count,
        share=options.file_share,
    )
