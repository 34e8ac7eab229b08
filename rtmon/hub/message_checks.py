"""Checks: functions of the application that see a client's message before the hub handles it.

A check may replace the message's payload, or refuse the message.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from ..errors import OptionError, ProtocolError
from ..protocol.catalog import HEARTBEATS, INCOMING
from ..protocol.codecs import MSGPACK
from ..protocol.data_encoding import decode_data
from ..protocol.payload_bases import DataIn
from .client_handle import Client
from .connection import Connection
from .handlers.custom_messages import CustomHandler
from .hook_calls import HookCalls, HookFailed, HookFunction, checked_function, failed_answer

__all__ = ["MessageChecks"]

_UNCHECKED: Mapping[str, str] = {
    "batch": "each message in a batch is checked by itself",
    "connect": "use on_connect",
    "file_chunk": "check file_offer",
    "file_metadata": "check file_offer, whose checks also run for file_metadata",
    "pubsub": "check publish, whose checks also run for pubsub",
    **dict.fromkeys(HEARTBEATS - {"batch"}, "the hub handles heartbeats by itself"),
}
"""Message types that cannot have a check → what the application can do instead."""


class MessageChecks:
    """For each message, calls the checks that the application has added for its message type.

    Args:
        calls: calls the checks with a timeout.
        client_of: returns the application's handle of a connection's client.
        custom: message type → handler, for the message types that the application added.

    Attributes:
        functions: message type → its checks, in the order in which they are called.
    """

    def __init__(
        self,
        calls: HookCalls,
        client_of: Callable[[Connection], Client],
        custom: Mapping[str, CustomHandler],
    ) -> None:
        self._calls = calls
        self._client_of = client_of
        self._custom = custom
        self.functions: dict[str, list[HookFunction]] = {}

    def add(self, kind: str, function: Any) -> None:
        """Add a check for a message type. Checks of a type are called in the order of their adding.

        Raises:
            OptionError: clients do not send messages of this type, or the function cannot be called
                with ``(client, payload)``.
        """
        if kind in _UNCHECKED:
            raise OptionError(f"Messages of type {kind!r} cannot be checked: {_UNCHECKED[kind]}.")
        if kind not in INCOMING and kind not in self._custom:
            raise OptionError(
                f"No client sends messages of type {kind!r:.100}: check one of "
                f"{', '.join(self._checkable())}, or register your own with hub.on first."
            )
        checked = checked_function(f"check({kind!r})", function, "client, payload")
        self.functions.setdefault(kind, []).append(checked)

    async def pass_through(self, connection: Connection, kind: str, payload: Any) -> Any:
        """Call all checks of a message type. Returns the payload, perhaps replaced by a check.

        Args:
            connection: the sender's connection.
            kind: the message type.
            payload: the decoded payload.

        Raises:
            ProtocolError: a check refuses the message, or fails.
        """
        client = self._client_of(connection)
        for function in self.functions.get(kind, ()):
            shown = _shown(payload)
            try:
                returned = await self._calls.call(function, client, shown)
                if returned is not shown:
                    payload = _replacement(returned, payload, kind)
            except ProtocolError:
                raise
            except Exception as error:  # noqa: BLE001 - of the application's function
                self._calls.failed(f"check({kind!r})", function, error)
                raise failed_answer() from None
        return payload

    def _checkable(self) -> Collection[str]:
        """Return the message types that can have a check."""
        return sorted({*INCOMING, *self._custom} - {*_UNCHECKED})


def _shown(payload: Any) -> Any:
    """Return the payload to pass to a check, with ``data`` decoded from its stored form."""
    if not isinstance(payload, DataIn):
        return payload
    shown = copy.copy(payload)
    force_setattr(shown, "data", decode_data(payload.data))  # type: ignore[arg-type]
    return shown


def _replacement(returned: Any, payload: Any, kind: str) -> Any:
    """Return the payload that a check returned, after validating it like a client's payload.

    Raises:
        HookFailed: the check returned None, or a payload that is not valid for the message type.
    """
    if returned is None:
        raise HookFailed("it returned None: return the payload, or another one")
    wanted = type(payload) if isinstance(payload, msgspec.Struct) else Any
    try:
        return MSGPACK.convert(returned, wanted, of=kind)
    except (ProtocolError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise HookFailed(f"it returned {returned!r:.100}: {error!s:.200}") from None
