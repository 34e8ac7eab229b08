"""Read what is readable of a malformed JSON message: its id, and the messages of a batch.

Some programs write NaN or half of a surrogate pair into JSON. A strict decoder then refuses the
whole text. Python's own decoder accepts such values, so it can find the message that
contains such a value.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from . import limits
from .field_types import Id

__all__ = ["Salvaged", "salvage"]


class Salvaged(NamedTuple):
    """Readable parts of a text that is not a valid message.

    Attributes:
        id: the message's id, to name it in an error; None if it has no valid id.
        messages: the messages of a batch, each as JSON, including malformed ones; empty if the text
            is not a batch.
    """

    id: str | None
    messages: list[msgspec.Raw]


def salvage(data: str | bytes | msgspec.Raw) -> Salvaged:
    """Return the readable parts of a text that is not a valid message. Never raises."""
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
