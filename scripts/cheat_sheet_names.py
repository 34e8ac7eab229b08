"""Extract the names that a cheat sheet of WebSocket classes uses, for docs/cheat-sheet.md.

Run: python scripts/cheat_sheet_names.py SHEET.md

Only names are kept: those of classes, methods, functions, message types, events and options, and
the numbers of tips. They are written to tests/docs/cheat_sheet_names.json. The tests in
test_cheat_sheet.py require a row in the docs for each of them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

NAMES = Path(__file__).parents[1] / "tests" / "docs" / "cheat_sheet_names.json"

BLOCK = re.compile(r"^```(?:javascript|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CLASS = re.compile(r"^class (\w+)")
METHOD = re.compile(r"^ {4}(?:async )?(?:def )?(\w+)\(.*\)(?: *->.*)? *[{:]")
FUNCTION = re.compile(r"^(?:async )?(?:function|def) (\w+)\(")
TYPES = (
    re.compile(r"""\btype"?: ["'](\w+)["']"""),
    re.compile(r"""\b(?:case|type ==|type ===) ["'](\w+)["']"""),
    re.compile(r"""\.(?:on|emit|send|addEventListener)\(["']([\w ]+)["']"""),
    re.compile(r"""^ {4}[A-Z_]+: ["'](\w+)["']"""),
)
OPTION = re.compile(r"^ {4,}(\w+): [\w\[\"'{][^(]*,?(?: //.*)?$")
READ = re.compile(r"\boptions\.(\w+)")
DEFAULTED = re.compile(r"(\w+)(?:: [\w.]+)? = (?:\d+|None|null)[,)]")
TIP = re.compile(r"^(\d+)\. \*\*", re.MULTILINE)

OPENS_OPTIONS = re.compile(r"options = \{$|= (?:io|new Server)\(")
OF_PYTHON = {"__init__"}


def names(text: str) -> dict[str, object]:
    """Return the names in a sheet by their kind."""
    classes: dict[str, set[str]] = {}
    functions: set[str] = set()
    types: set[str] = set()
    options: set[str] = set()
    for block in BLOCK.findall(text):
        methods: set[str] | None = None
        inside = False
        for line in block.splitlines():
            if found := CLASS.match(line):
                methods = classes.setdefault(found[1], set())
            elif line and not line.startswith((" ", "}", "#", "/")):
                methods = None
            if found := FUNCTION.match(line):
                functions.add(found[1])
            if methods is not None and (found := METHOD.match(line)):
                methods.add(found[1])
            for pattern in TYPES:
                types.update(pattern.findall(line))
            options.update(READ.findall(line))
            options.update(DEFAULTED.findall(line))
            inside = inside or OPENS_OPTIONS.search(line) is not None
            if inside and (found := OPTION.match(line)):
                options.add(found[1])
            inside = inside and not line.lstrip().startswith(("}", ")"))
    return {
        "classes": {
            name: sorted(found - OF_PYTHON - {"constructor", "if", "switch", "for"})
            for name, found in sorted(classes.items())
        },
        "functions": sorted(functions),
        "types": sorted(types),
        "options": sorted(options),
        "tips": sorted(map(int, TIP.findall(text.partition("Pro Tips")[2]))),
    }


def main() -> int:
    """Write the names in the sheet that the command line names."""
    found = names(Path(sys.argv[1]).read_text(encoding="utf-8"))
    NAMES.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
