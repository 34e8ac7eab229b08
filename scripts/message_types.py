"""Generate lists of message types from the catalog; with --check, report stale files.

The lists are the table in docs/protocol.md, the constants of rtmon.protocol, and the sets,
constants and payload types of the browser client.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import msgspec

from rtmon.protocol import alternative_spellings, catalog
from rtmon.protocol.message_type import MessageType
from rtmon.protocol.payload_bases import PayloadIn

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "protocol.md"
SETS = ROOT / "rtmon" / "web" / "client" / "catalog.js"
TYPES = ROOT / "rtmon" / "web" / "client" / "catalog.d.ts"
NAMES = ROOT / "rtmon" / "protocol" / "message_type_names.py"

WRITTEN = "Written by `make docs` from rtmon/protocol/catalog; do not edit."
BEGIN = f"<!-- {WRITTEN} -->\n"
END = "<!-- The end of what is written. -->\n"

SCALARS = {str: "string", int: "number", float: "number", bool: "boolean", Any: "any"}

PROPERTIES = {
    "positioned": "position",
    "repeatable": "repeatable",
    "ephemeral": "ephemeral",
    "heartbeat": "heartbeat",
}

SETS_OF_TYPES = {
    "ACKNOWLEDGED": "Answered by an `ack` if the payload asks for it.",
    "BINARY": "Their `data` may be bytes as a whole.",
    "EPHEMERAL": "Of no use later, and not queued while the client is offline.",
    "REPEATABLE": "May be sent twice under one id, and take effect once.",
}

OTHER_FIELDS = {
    field.encode_name
    for spelled in (
        alternative_spellings.Room,
        alternative_spellings.Receiver,
        alternative_spellings.ChunkNumber,
    )
    for field in msgspec.structs.fields(spelled)
} - {"room", "to"}

Payload = type[msgspec.Struct]


def page() -> str:
    """Return the current text of docs/protocol.md."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


def table() -> str:
    """Return the message types as a Markdown table, one per line."""
    rows = [
        "| type | from a client | from the server | answered by | properties |",
        "|---|---|---|---|---|",
    ]
    for each in catalog.MESSAGE_TYPES:
        properties = [words for name, words in PROPERTIES.items() if getattr(each, name)]
        if each.name in catalog.BINARY:
            properties.append("binary")
        sides = f"{fields(each.incoming)} | {fields(each.outgoing)}"
        rows.append(f"| `{each.name}` | {sides} | {answer(each)} | {', '.join(properties)} |")
    return "\n".join(rows) + "\n"


def fields(payload: Payload | None) -> str:
    """Return the names of a payload's fields, optional ones with a question mark."""
    if payload is None:
        return ""
    spelled = payload.spelled if issubclass(payload, PayloadIn) else ()
    names = [
        field.encode_name if field.required or field.name in spelled else f"{field.encode_name}?"
        for field in msgspec.structs.fields(payload)
        if field.encode_name not in OTHER_FIELDS
    ]
    return f"`{{{', '.join(names)}}}`"


def answer(each: MessageType) -> str:
    """Return the type of the message that answers a message type."""
    if each.acknowledged:
        return "`ack`, if asked"
    return "" if each.reply is None else f"`{each.reply}`"


def names() -> str:
    """Return the current text of rtmon/protocol/message_type_names.py."""
    types = [each.name for each in catalog.MESSAGE_TYPES]
    lines = [
        '"""The message types as constants.',
        "",
        WRITTEN,
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Final",
        "",
        "__all__ = [",
        *(f'    "{name.upper()}",' for name in sorted(types)),
        "]",
        "",
        # The linter takes a constant with "token" in its name for a password.
        *(
            f'{name.upper()}: Final = "{name}"{"  # noqa: S105" if "token" in name else ""}'
            for name in types
        ),
    ]
    return "\n".join(lines) + "\n"


def sets() -> str:
    """Return the module of the browser client with sets of message types by their properties."""
    lines = comment(f"Message types by what they have in common. {WRITTEN}", "")
    for name, meaning in SETS_OF_TYPES.items():
        lines += ["", *comment(meaning, ""), f"export const {name} = new Set(["]
        lines += [f'  "{each}",' for each in sorted(getattr(catalog, name))]
        lines.append("]);")
    meaning = "Message types that have a position, and the kind of place that it is in."
    lines += ["", *comment(meaning, ""), "export const POSITIONED = {"]
    lines += [f'  {name}: "{kind}",' for name, kind in catalog.POSITIONED.items()]
    lines += ["};", "", *comment("The message types as constants.", "")]
    lines.append("export const MESSAGE_TYPES = Object.freeze({")
    lines += [f'  {each.name.upper()}: "{each.name}",' for each in catalog.MESSAGE_TYPES]
    return "\n".join([*lines, "});"]) + "\n"


def types() -> str:
    """Return the payloads of unsolicited messages as TypeScript."""
    rows = [each for each in catalog.MESSAGE_TYPES if each.unsolicited]
    payloads: dict[Payload, None] = {}
    for each in rows:
        if each.outgoing is not None:
            collect(each.outgoing, payloads)
    lines = [*comment(f"The payloads of messages from the server. {WRITTEN}", ""), ""]
    lines += [interface(payload) for payload in payloads]
    lines.append("/** Message types that come by themselves, with their payloads. */")
    lines.append("export interface Messages {")
    lines += [f"  {each.name}: {each.outgoing.__name__};" for each in rows if each.outgoing]
    lines += ["}", "", *comment("The message types as constants.", "")]
    lines.append("export declare const MESSAGE_TYPES: {")
    lines += [f'  readonly {each.name.upper()}: "{each.name}";' for each in catalog.MESSAGE_TYPES]
    return "\n".join([*lines, "};"]) + "\n"


def collect(payload: Payload, found: dict[Payload, None]) -> None:
    """Add a payload to `found`, after the payloads that its fields contain."""
    for field in msgspec.structs.fields(payload):
        for inner in (field.type, *get_args(field.type)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                collect(inner, found)
    found[payload] = None


def interface(payload: Payload) -> str:
    """Return a payload as a TypeScript interface."""
    described = descriptions(payload)
    lines = [*comment(inspect.cleandoc(payload.__doc__ or "").partition("\n")[0], "")]
    lines.append(f"export interface {payload.__name__} {{")
    for field in msgspec.structs.fields(payload):
        lines += comment(described.get(field.name, ""), "  ")
        lines.append(f"  {field.encode_name}{'' if field.required else '?'}: {typed(field.type)};")
    return "\n".join([*lines, "}\n"])


def descriptions(payload: Payload) -> dict[str, str]:
    """Return field name → its description in the docstring."""
    found = {}
    for base in reversed(payload.__mro__):
        _, _, attributes = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        pattern = r"^    (\w[\w, ]*): (.+(?:\n     .+)*)"
        for names, text in re.findall(pattern, attributes, re.MULTILINE):
            for name in names.split(", "):
                found[name] = re.sub(r"\s+", " ", text).replace("``", "`")
    return found


def comment(text: str, indent: str) -> list[str]:
    """Return text as a TypeScript comment."""
    if not text:
        return []
    text = text[0].upper() + text[1:].replace("``", "`")
    line = f"{indent}/** {text} */"
    if len(line) <= 100:
        return [line]
    starred = f"{indent} * "
    wrapped = textwrap.wrap(text, 100, initial_indent=starred, subsequent_indent=starred)
    return [f"{indent}/**", *wrapped, f"{indent} */"]


def typed(kind: Any) -> str:
    """Return the type of a field as TypeScript, without null: such a field is optional instead."""
    if get_origin(kind) is list:
        return f"{typed(get_args(kind)[0])}[]"
    if isinstance(kind, UnionType):
        return " | ".join(dict.fromkeys(typed(k) for k in get_args(kind) if k is not NoneType))
    return SCALARS.get(kind) or str(kind.__name__)


def main() -> int:
    """Write the files; with --check, return 1 if a file is not current."""
    stale = 0
    for path, text in ((PAGE, page()), (NAMES, names()), (SETS, sets()), (TYPES, types())):
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"{path.name} is not current: run make docs")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
