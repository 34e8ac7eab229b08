"""Checks: functions of the program that see a client's message before the hub handles it."""

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
    "batch": "the messages in it are checked one by one",
    "connect": "use on_connect",
    "file_chunk": "check file_offer",
    "file_metadata": "check file_offer, which stands for it, too",
    "pubsub": "check publish, which stands for it, too",
    **dict.fromkeys(HEARTBEATS - {"batch"}, "heartbeats are not for programs"),
}
"""Message types that cannot be checked, and what to do instead."""


class MessageChecks:
    """Has the program look at messages of clients, change them, or refuse them.

    Args:
        calls: calls the functions.
        client_of: makes the program's handle of a client.
        custom: message type → handler, of the application.

    Attributes:
        functions: message type → its checks.
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
        """Add a check of a message type, after those that there are.

        Raises:
            OptionError: there is no such type to check, or the function is no check.
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
        """Return the payload that all checks of a type have let through, perhaps replaced.

        Args:
            connection: the sender's.
            kind: the message type.
            payload: decoded.

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
            except Exception as error:  # noqa: BLE001 - of the program's function
                self._calls.failed(f"check({kind!r})", function, error)
                raise failed_answer() from None
        return payload

    def _checkable(self) -> Collection[str]:
        return sorted({*INCOMING, *self._custom} - {*_UNCHECKED})


def _shown(payload: Any) -> Any:
    """Return the payload as a check sees it: with ``data`` as a value, not in its stored form."""
    if not isinstance(payload, DataIn):
        return payload
    shown = copy.copy(payload)
    force_setattr(shown, "data", decode_data(payload.data))  # type: ignore[arg-type]
    return shown


def _replacement(returned: Any, payload: Any, kind: str) -> Any:
    """Return what a check put in place of a payload, held to the same limits as clients are."""
    if returned is None:
        raise HookFailed("it returned None: return the payload, or another one")
    wanted = type(payload) if isinstance(payload, msgspec.Struct) else Any
    try:
        return MSGPACK.convert(returned, wanted, of=kind)
    except (ProtocolError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise HookFailed(f"it returned {returned!r:.100}: {error!s:.200}") from None
