"""The catalog of message types, and the files generated from its rows."""

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
"""Message types with a field that a client must send in one of its spellings."""


def test_generated_files_are_current() -> None:
    """The table in docs/protocol.md and the browser client's sets and types are generated from
    the catalog.
    """
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_message_types_are_constants_of_the_package() -> None:
    """``import rtmon`` alone gives ``rtmon.protocol`` a constant for each message type."""
    program = "import rtmon; p = rtmon.protocol; print(*(getattr(p, name) for name in p.__all__))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.split()) == sorted(each.name for each in catalog.MESSAGE_TYPES)


def test_message_type_has_one_row() -> None:
    """No message type has two rows, in the catalog or among the other spellings."""
    every = [each.name for each in (*catalog.MESSAGE_TYPES, *alternative_spellings.MESSAGE_TYPES)]
    assert len(every) == len(set(every))


def test_hub_has_a_handler_for_each_message_type_of_clients() -> None:
    """The hub handles exactly the message types that clients send, other spellings included."""
    handled = set(Hub()._dispatcher.protocol_types)
    assert handled == set(catalog.INCOMING) | {
        each.name for each in alternative_spellings.MESSAGE_TYPES
    }


@pytest.mark.parametrize("each", catalog.MESSAGE_TYPES, ids=lambda each: each.name)
def test_row_agrees_with_its_payloads(each: MessageType) -> None:
    """The properties in a row match the fields of its payloads."""
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
    """The names of a payload's fields on the wire."""
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
def test_other_spelling_is_the_same_field(
    kind: str, sent: dict[str, str], same: dict[str, str]
) -> None:
    """A payload that spells a field in another way names the same room or client."""
    named = where(kind, sent)
    assert named is not None
    assert named == where(kind, same)


def where(kind: str, sent: dict[str, str]) -> str | None:
    """The room or client that a payload names."""
    decoded: Any = msgspec.json.decode(json.dumps(sent), type=catalog.INCOMING[kind])
    named: str | None = decoded.where
    return named


@pytest.mark.parametrize("kind", SPELLED)
def test_payload_is_refused_without_any_spelling_of_a_field(kind: str) -> None:
    """A payload that has the field in none of its spellings is refused."""
    with pytest.raises(msgspec.ValidationError, match="is missing"):
        msgspec.json.decode(b'{"data": ""}', type=catalog.INCOMING[kind])
