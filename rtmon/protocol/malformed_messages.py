"""What can still be read of JSON that is no message: its id, and the other messages of a batch.

Half of a surrogate pair or NaN, which some programs write into JSON, spoils the text as a whole for
a strict decoder. Python's own decoder reads such values, and so finds which message has one.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from . import limits
from .field_types import Id

__all__ = ["Salvaged", "salvage"]


class Salvaged(NamedTuple):
    """Parts of a text that is no message.

    Attributes:
        id: of the message, so that an error can name it; None if it has none that can be sent.
        messages: of a batch, each in JSON, the bad ones too; empty if it is no batch.
    """

    id: str | None
    messages: list[msgspec.Raw]


def salvage(data: str | bytes | msgspec.Raw) -> Salvaged:
    """Read what can be read of a text that is no message. Never raises."""
    try:
        found = json.loads(data if isinstance(data, str) else bytes(data))
    except (ValueError, RecursionError):
        return Salvaged(None, [])
    if not isinstance(found, dict):
        return Salvaged(None, [])
    payload = found.get("payload")
    inner = payload.get("messages") if isinstance(payload, dict) else None
    messages = inner if found.get("type") == "batch" and isinstance(inner, list) else []
    if len(messages) > limits.BATCH_MAX_MESSAGES:
        messages = []
    return Salvaged(
        _sendable_id(found.get("id")), [msgspec.Raw(json.dumps(each)) for each in messages]
    )


def _sendable_id(value: Any) -> str | None:
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=Id)
    except (msgspec.ValidationError, TypeError, ValueError):
        return None
