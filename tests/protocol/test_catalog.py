"""The catalog of message types, and the files generated from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtmon.hub import Hub
from rtmon.protocol import alternative_spellings, catalog
from rtmon.protocol.message_type import MessageType
from rtmon.protocol.payload_bases import PayloadIn

SCRIPT = Path(__file__).parents[2] / "scripts" / "message_types.py"

SPELLED = [
    name
    for name, payload in catalog.INCOMING.items()
    if issubclass(payload, PayloadIn) and payload.spelled
]
"""Message types with a required field that has several accepted names."""


def test_files_generated_from_the_catalog_are_current() -> None:
    """Table in docs/protocol.md and the JavaScript client's sets and types equal what the
    catalog generates.
    """
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_message_types_are_constants_of_the_package() -> None:
    """Module ``rtmon.protocol`` has a constant for each message type after ``import rtmon``
    alone.
    """
    program = "import rtmon; p = rtmon.protocol; print(*(getattr(p, name) for name in p.__all__))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.split()) == sorted(each.name for each in catalog.MESSAGE_TYPES)


def test_each_message_type_has_one_row_in_the_catalog() -> None:
    """Each message type has only one row in the catalog and the table of alternative spellings
    together.
    """
    every = [each.name for each in (*catalog.MESSAGE_TYPES, *alternative_spellings.MESSAGE_TYPES)]
    assert len(every) == len(set(every))


def test_hub_has_a_handler_for_each_message_type_of_clients() -> None:
    """Hub has handlers for exactly the message types that clients can send, alternative spellings
    such as ``pubsub`` included.
    """
    handled = set(Hub()._dispatcher.protocol_types)
    assert handled == set(catalog.INCOMING) | {
        each.name for each in alternative_spellings.MESSAGE_TYPES
    }


@pytest.mark.parametrize("each", catalog.MESSAGE_TYPES, ids=lambda each: each.name)
def test_catalog_row_agrees_with_the_fields_of_its_payloads(each: MessageType) -> None:
    """Catalog row's properties, such as ``acknowledged`` and ``positioned``, agree with the
    fields of its payloads.
    """
    incoming = field_names(each.incoming)
    outgoing = field_names(each.outgoing)
    assert each.incoming is not None or each.outgoing is not None
    assert each.acknowledged is ("ack" in incoming)
    assert each.reply is None or each.reply in catalog.OUTGOING
    if each.positioned is not None:
        assert {"epoch", "offset"} <= outgoing
        assert each.positioned == "chat" or each.positioned in outgoing
    assert each.outgoing is not None or not each.unsolicited
    assert each.incoming is not None or not (each.reply or each.repeatable or each.ephemeral)


def field_names(payload: type[msgspec.Struct] | None) -> set[str]:
    """Return the names of a payload's fields in encoded messages."""
    if payload is None:
        return set()
    return {field.encode_name for field in msgspec.structs.fields(payload)}


@pytest.mark.parametrize(
    ("kind", "sent", "same"),
    [
        ("join_room", {"roomId": "tea"}, {"room": "tea"}),
        ("chat_message", {"text": "", "roomId": "tea"}, {"text": "", "room": "tea"}),
        ("private_message", {"targetClientId": "c"}, {"to": "c"}),
        ("private_message", {"target_client_id": "c"}, {"to": "c"}),
    ],
)
def test_compatible_field_name_is_decoded_as_the_same_room_or_client(
    kind: str, sent: dict[str, str], same: dict[str, str]
) -> None:
    """Payload with a compatible field name, such as ``roomId``, is decoded to the same room or
    client.
    """
    named = where(kind, sent)
    assert named is not None
    assert named == where(kind, same)


def where(kind: str, sent: dict[str, str]) -> str | None:
    """Return the room or client in a payload."""
    decoded: Any = msgspec.json.decode(json.dumps(sent), type=catalog.INCOMING[kind])
    named: str | None = decoded.where
    return named


@pytest.mark.parametrize("kind", SPELLED)
def test_payload_without_a_required_field_is_refused(kind: str) -> None:
    """Payload that has a required field under none of its accepted names raises ValidationError."""
    with pytest.raises(msgspec.ValidationError, match="is missing"):
        msgspec.json.decode(b'{"data": ""}', type=catalog.INCOMING[kind])
