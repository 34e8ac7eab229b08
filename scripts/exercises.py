"""Write nbgrader's metadata into the notebooks; with --check, report notebooks without it.

The metadata is derived from the arguments ``exercise=`` and ``points=`` of the checks, so it need
not be edited by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rtmon.course.notebook_exercises import file_text, mark_for_nbgrader

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def main() -> int:
    """Write the metadata; with --check, return 1 if a notebook is not current."""
    stale = False
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        before = json.loads(path.read_text("utf-8"))
        notebook = json.loads(path.read_text("utf-8"))
        mark_for_nbgrader(notebook)
        if notebook == before:
            continue
        stale = True
        if "--check" in sys.argv:
            print(f"nbgrader's metadata in {path.name} is not current: run `make docs`")
        else:
            path.write_text(file_text(notebook), "utf-8")
    return int(stale and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
