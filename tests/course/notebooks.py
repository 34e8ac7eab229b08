"""The notebooks of the course, read from the folder ``notebooks/``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[2]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}

SOLUTION = re.compile(r"<details><summary>Solution</summary>\s+```python\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Notebook:
    """A notebook of the course.

    Attributes:
        path: The notebook's file.
        cells: The notebook's cells, as nbformat reads them.
    """

    path: Path
    cells: list[Any]

    @classmethod
    def read(cls, name: str) -> Notebook:
        """Read a notebook by its file name without suffix, such as ``00_quickstart``."""
        return cls(NOTEBOOKS[name], nbformat.read(NOTEBOOKS[name], 4).cells)

    @property
    def code(self) -> list[str]:
        """Source text of each code cell."""
        return [cell.source for cell in self.cells if cell.cell_type == "code"]

    @property
    def prose(self) -> str:
        """All text of the notebook without the hidden solutions."""
        texts = [cell.source for cell in self.cells if cell.cell_type == "markdown"]
        return re.sub(r"<details>.*?</details>", "", "\n\n".join(texts), flags=re.DOTALL)

    @property
    def minutes(self) -> int:
        """Duration in minutes that the notebook's first cell announces."""
        found = re.search(r"^\*\*Time:\*\* (\d+) minutes\.$", self.cells[0].source, re.MULTILINE)
        assert found, "the head has no line such as **Time:** 15 minutes."
        return int(found[1])

    def follows_prose(self, at: int) -> bool:
        """Return True if the cell before this one is text."""
        return at > 0 and self.cells[at - 1].cell_type == "markdown"

    def exercises(self) -> Iterator[tuple[int, str]]:
        """Yield the index of each exercise's cell with its official solution."""
        for at, cell in enumerate(self.cells):
            if "exercise" in cell.metadata.get("tags", ()):
                found = SOLUTION.search(self.cells[at - 1].source)
                assert found, f"the exercise in cell {at} has no hidden solution before it"
                yield at, found[1]

    def wrong(self) -> list[Mapping[str, str]]:
        """Return the wrong answers to each exercise, from ``wrong_00.py`` and so on, as reason →
        answer.
        """
        module = import_module(f"tests.course.wrong_{self.path.stem[:2]}")
        answers: list[Mapping[str, str]] = module.WRONG
        return answers
