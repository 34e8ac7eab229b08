"""Build a JSON Schema of all messages of the protocol, for authors of clients."""

from __future__ import annotations

from typing import Any

import msgspec

from .catalog import INCOMING, OUTGOING
from .envelope import VERSION, Metadata

__all__ = ["catalog_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def catalog_schema() -> dict[str, Any]:
    """Return the schema of all messages as one JSON Schema document.

    Returns:
        ``fromClient`` and ``fromServer`` describe the messages of each direction, with their
        envelope. ``$defs`` has the payloads. The document's root matches any message.
    """
    kinds = [Metadata, *INCOMING.values(), *OUTGOING.values()]
    _, definitions = msgspec.json.schema_components(
        list(dict.fromkeys(kinds)), ref_template="#/$defs/{name}"
    )
    from_client = {kind: _message(kind, payload) for kind, payload in INCOMING.items()}
    from_server = {
        kind: _message(kind, payload, ("id", "timestamp")) for kind, payload in OUTGOING.items()
    }
    for kind, message in from_client.items():
        definitions[f"client.{kind}"] = message
    for kind, message in from_server.items():
        definitions[f"server.{kind}"] = message
    return {
        "$schema": _DIALECT,
        "title": f"rtmon hub protocol, version {VERSION}",
        "fromClient": {"oneOf": [_ref(f"client.{kind}") for kind in from_client]},
        "fromServer": {"oneOf": [_ref(f"server.{kind}") for kind in from_server]},
        "anyOf": [
            _ref(f"{side}.{kind}")
            for side, kinds_ in (("client", from_client), ("server", from_server))
            for kind in kinds_
        ],
        "$defs": definitions,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _message(
    kind: str, payload: type[msgspec.Struct], always: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "type": {"const": kind},
            "timestamp": {"type": "number", "description": "Unix milliseconds."},
            "payload": _ref(payload.__name__),
            "reply_to": {"type": "string"},
            "metadata": _ref(Metadata.__name__),
        },
        "required": ["type", *(["payload"] if always or _needs(payload) else []), *always],
    }


def _needs(payload: type[msgspec.Struct]) -> bool:
    """Return whether a payload type has required fields."""
    return any(field.required for field in msgspec.structs.fields(payload))
