"""Write the table of metrics in docs/prometheus.md; with --check, report whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from rtmon.sinks.prometheus import families

PAGE = Path(__file__).parents[1] / "docs" / "prometheus.md"

BEGIN = "<!-- Written by `make docs`; do not edit. -->\n"
END = "<!-- The end of what is written. -->\n"


def table() -> str:
    """Return the table of metrics as Markdown, one metric per line."""
    rows = ["| metric | type | what it is |", "|---|---|---|"]
    for family in families():
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        what = family.documentation.replace("|", "\\|")
        rows.append(f"| `{name}` | {family.type} | {what} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Write the table; with --check, return 1 if it is not current."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    current = f"{before}{BEGIN}{table()}{END}{after}"
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(current, encoding="utf-8")
    elif text != current:
        print(f"{PAGE.name} is not current: run make docs")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
