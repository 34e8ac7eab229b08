"""Hooks: functions of the application that are called when clients connect, act or disconnect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Literal, TypeAlias

from ..errors import ProtocolError
from ..metrics.close_causes import UNKNOWN
from ..protocol.data_encoding import Data, decode_data
from .client_handle import Client
from .connection import BeforeWelcome, Connection
from .hook_calls import HookCalls, HookFailed, HookFunction, checked_function, failed_answer
from .hook_queue import HookQueue
from .hub_context import HubContext

__all__ = ["HookName", "Hooks"]

HookName: TypeAlias = Literal[
    "on_connect", "on_disconnect", "on_join", "on_leave", "on_subscribe", "on_publish"
]

_PARAMETERS: Final[dict[HookName, str]] = {
    "on_connect": "client",
    "on_disconnect": "client, code, reason, cause",
    "on_join": "client, room",
    "on_leave": "client, room",
    "on_subscribe": "client, channel",
    "on_publish": "client, channel, data",
}
"""Hook → the parameters with which its functions are called."""


class Hooks:
    """Calls the application's hooks. A slow or failing hook affects only its own client.

    Args:
        context: the hub's shared context.
        calls: calls the functions with a timeout.
        client_of: returns the application's handle of a connection's client.
    """

    def __init__(
        self, context: HubContext, calls: HookCalls, client_of: Callable[[Connection], Client]
    ) -> None:
        self._context = context
        self._calls = calls
        self._client_of = client_of
        self._functions: dict[HookName, list[HookFunction]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, hook: HookName, function: Any) -> None:
        """Register a function for a hook. A hook calls its functions in the order of registration.

        Raises:
            OptionError: the function cannot be called with the hook's parameters.
        """
        checked = checked_function(hook, function, _PARAMETERS[hook])
        self._functions.setdefault(hook, []).append(checked)

    async def admit(self, connection: Connection) -> None:
        """Call the ``on_connect`` hooks of a client before its welcome.

        Raises:
            ProtocolError: a hook refuses the client or fails, or the connection has ended.
        """
        functions = self._functions.get("on_connect")
        if functions is not None:
            connection.held = BeforeWelcome()
            await self._ask(functions, connection)
        connection.admitted = True
        if not connection.open:
            # The connection ended while the hooks ran. They accepted the client, so the
            # application's on_disconnect hooks are called, too.
            self.disconnected(connection, ())
            raise ProtocolError("unknown_client", "The connection has ended meanwhile.")

    async def _ask(self, functions: Sequence[HookFunction], connection: Connection) -> None:
        """Call the ``on_connect`` functions one after the other.

        Raises:
            ProtocolError: a function refuses the client, or fails.
        """
        client = self._client_of(connection)
        for function in functions:
            try:
                welcome = await self._welcomes(function, client)
            except ProtocolError:
                raise
            except Exception as error:  # noqa: BLE001 - of the application's function
                self._calls.failed("on_connect", function, error)
                raise failed_answer() from None
            if not welcome:
                raise ProtocolError("forbidden", "The server does not let you in.")

    async def _welcomes(self, function: HookFunction, client: Client) -> bool:
        """Call one ``on_connect`` function. Returns False if it refuses the client."""
        returned = await self._calls.call(function, client)
        if not isinstance(returned, bool | None):
            raise HookFailed(f"it returned {returned!r:.100}: return None, True or False")
        return returned is not False

    def joined(self, connection: Connection, room: str, *, reply_to: str | None = None) -> None:
        """Queue the ``on_join`` hooks of a client that has joined a room.

        Args:
            connection: the client's connection.
            room: the room.
            reply_to: id of the client's message, for an error answer if a hook fails; None if there
                is no message to answer.
        """
        self._notify("on_join", connection, room, reply_to=reply_to)

    def left(self, connection: Connection, room: str, *, reply_to: str | None = None) -> None:
        """Queue the ``on_leave`` hooks of a client that has left a room."""
        self._notify("on_leave", connection, room, reply_to=reply_to)

    def subscribed(
        self, connection: Connection, channel: str, *, reply_to: str | None = None
    ) -> None:
        """Queue the ``on_subscribe`` hooks of a client that has subscribed."""
        self._notify("on_subscribe", connection, channel, reply_to=reply_to)

    def published(
        self, connection: Connection, channel: str, data: Data, *, reply_to: str | None = None
    ) -> None:
        """Queue the ``on_publish`` hooks of a client that has published to a channel."""
        if "on_publish" in self._functions:
            self._notify("on_publish", connection, channel, decode_data(data), reply_to=reply_to)

    def disconnected(self, connection: Connection, rooms: Sequence[str]) -> None:
        """Queue the ``on_leave`` and ``on_disconnect`` hooks of a client that has disconnected.

        Args:
            connection: the client's connection.
            rooms: the rooms that the client was in.
        """
        for room in rooms:
            self._notify("on_leave", connection, room)
        if "on_disconnect" in self._functions:
            end = connection.peer.ending
            reason = end.reason_received if end.initiator == "remote" else end.reason_sent
            cause = end.cause or UNKNOWN
            self._notify("on_disconnect", connection, end.close_code, reason or "", cause)

    async def aclose(self) -> None:
        """Wait up to ``hook_timeout`` seconds for running hooks, then cancel unfinished ones."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._context.options.hook_timeout)
            for task in late:
                task.cancel()

    def _notify(
        self, hook: HookName, connection: Connection, *rest: Any, reply_to: str | None = None
    ) -> None:
        """Queue the call of all functions of a hook for one client."""
        functions = self._functions.get(hook)
        if functions is None:
            return
        if connection.hooks is None:
            connection.hooks = HookQueue(self._spawn)

        async def call() -> None:
            client = self._client_of(connection)
            for function in functions:
                await self._call(hook, function, connection, (client, *rest), reply_to)

        if not connection.hooks.add(call):
            self._calls.failed(
                hook, None, HookFailed("too many calls wait in the queue; this call was dropped")
            )

    async def _call(
        self,
        hook: HookName,
        function: HookFunction,
        connection: Connection,
        arguments: tuple[Any, ...],
        reply_to: str | None,
    ) -> None:
        """Call one function of a hook. If it fails, answer the client's message with an error."""
        try:
            await self._done(function, arguments)
        except Exception as error:  # noqa: BLE001 - of the application's function
            self._calls.failed(hook, function, error)
            if reply_to is not None and connection.open:
                wrong = error if isinstance(error, ProtocolError) else failed_answer()
                connection.error(wrong, reply_to=reply_to)

    async def _done(self, function: HookFunction, arguments: tuple[Any, ...]) -> None:
        """Call a function that must return None.

        Raises:
            HookFailed: the function returned something else.
        """
        returned = await self._calls.call(function, *arguments)
        if returned is not None:
            raise HookFailed(f"it returned {returned!r:.100}: return None")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task that :meth:`aclose` waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
