"""Validation and encoding of what the application passes to a hub: messages, names and ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from ..core.backpressure import Policy, checked_policy
from ..errors import OptionError, ProtocolError
from ..protocol import limits
from ..protocol.catalog import INCOMING, OUTGOING, Notification
from ..protocol.channel_patterns import checked_channel
from ..protocol.data_encoding import Data, encode_data, plain_text
from ..protocol.field_types import Id, checked_name, explain
from .client_handle import Client
from .connection import Connection
from .room_channel_keys import CHAT, room_key

__all__ = [
    "AnyClient",
    "checked_client_id",
    "draft_fields",
    "excluded_ids",
    "notification",
    "own_message",
    "speech",
]

AnyClient: TypeAlias = str | Client | Connection
"""A client's handle, a connection, or a client id."""

EXCLUDED_MOST = 1_000
"""Maximum number of clients that one message may exclude. Their ids are sent to every node."""


def draft_fields(
    channel: str, data: Any, *, message_id: str | None, slow: Policy | None, key: str | None
) -> dict[str, Any]:
    """Return the validated fields of a publication; see :meth:`rtmon.hub.Hub.publish`.

    Raises:
        OptionError: one of the arguments is invalid.
    """
    try:
        return {
            "channel": checked_channel(checked_name(channel)),
            "data": encode_data(data),
            "own_id": None if message_id is None else _checked_id(message_id),
            "slow": None if slow is None else checked_policy(slow),
            "key": None if key is None else plain_text(key),
        }
    except (ProtocolError, TypeError, ValueError) as error:
        raise OptionError(
            f"This cannot be published to {channel!r:.200}: {explain(error)}."
        ) from None


def notification(
    user: str, title: str, text: str, *, level: str, data: Any
) -> tuple[str, Notification]:
    """Return the user id and the payload of a notification; see :meth:`rtmon.hub.Hub.notify`.

    Raises:
        OptionError: one of the arguments is invalid.
    """
    try:
        user, title, text, level = map(plain_text, (user, title, text, level))
        _check_length(title, text, level)
        payload = Notification(title=title, text=text, level=level, data=encode_data(data))
    except (TypeError, ValueError) as error:
        raise OptionError(f"This notification cannot be sent to {user!r:.200}: {error}.") from None
    return user, payload


def own_message(kind: str, payload: Any) -> tuple[str, Data]:
    """Return the type and the encoded payload of a message of an application's own type.

    Args:
        kind: the message type.
        payload: a dict of JSON values; None stands for an empty dict.

    Raises:
        OptionError: the type is one of the protocol, or the payload cannot be encoded.
    """
    try:
        kind = _checked_own_type(kind)
        return kind, _encoded_payload(payload)
    except (TypeError, ValueError) as error:
        raise OptionError(f"A message {kind!r:.100} cannot be sent: {error}.") from None


def speech(room: str | None, message: Any, *, name: str) -> tuple[str, str, dict[str, Any]]:
    """Validate a message from the server to a room or the chat; see :meth:`rtmon.hub.Hub.say`.

    Returns:
        A triple: the key of the room or of the chat, the message type, and the message's fields.

    Raises:
        OptionError: one of the arguments is invalid.
    """
    try:
        fields: dict[str, Any] = {"name": checked_name(name)}
        if isinstance(message, str):
            fields["text"] = plain_text(message)
            _check_length(message)
        elif message is None or room is None:
            needed = "give text" if room is None else "give text, or other data"
            raise TypeError(needed)  # noqa: TRY301 - handled below
        else:
            fields["data"] = encode_data(message)
        if room is None:
            return CHAT, "chat_message", fields
        fields["channel"] = checked_name(room)
        return room_key(fields["channel"]), "room_message", fields
    except (TypeError, ValueError) as error:
        where = "to the chat" if room is None else f"to the room {room!r:.200}"
        raise OptionError(f"This cannot be sent {where}: {explain(error)}.") from None


def checked_client_id(client: AnyClient) -> str:
    """Return the id of a client.

    Raises:
        OptionError: the argument is neither a client nor a client id.
    """
    try:
        return client.id if isinstance(client, Client | Connection) else plain_text(client)
    except (TypeError, ValueError):
        raise OptionError(f"{client!r:.200} is no client and no id of a client.") from None


def excluded_ids(exclude: AnyClient | Iterable[AnyClient] | None) -> tuple[str, ...]:
    """Return the ids of the clients that a message excludes. None excludes no client.

    Raises:
        OptionError: an argument is neither a client nor a client id, or there are too many.
    """
    if exclude is None:
        return ()
    given = (exclude,) if isinstance(exclude, str | Client | Connection) else exclude
    if not isinstance(given, Iterable):
        raise OptionError(f"exclude is {exclude!r:.200}: give clients or ids of clients.")
    ids = {checked_client_id(each) for each in given}
    if len(ids) > EXCLUDED_MOST:
        raise OptionError(
            f"exclude has {len(ids)} clients, and {EXCLUDED_MOST} is the most: send to a room."
        )
    return tuple(ids)


def _checked_own_type(kind: Any) -> str:
    checked = plain_text(kind)
    if not 0 < len(checked) <= limits.TYPE_LENGTH:
        raise ValueError(f"a message type has 1 to {limits.TYPE_LENGTH} characters")
    if checked in INCOMING or checked in OUTGOING:
        raise ValueError("it is a message type of the protocol; choose another name")
    return checked


def _encoded_payload(payload: Any) -> Data:
    if isinstance(payload, bytes | bytearray | memoryview):
        raise TypeError("bytes are no payload; publish() and say() carry them")
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        raise TypeError(f"a payload is an object: give a dict, not a {type(payload).__name__}")
    return encode_data(payload)


def _checked_id(message_id: Any) -> str:
    found: str = msgspec.convert(plain_text(message_id), Id)
    return found


def _check_length(*texts: str) -> None:
    if sum(map(len, texts)) > limits.TEXT_LENGTH:
        raise ValueError(f"text may be {limits.TEXT_LENGTH} characters, title and level included")
