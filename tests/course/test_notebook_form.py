"""The form of the course's notebooks: heads, lengths, exercises, links."""

from __future__ import annotations

import re
from statistics import median

import pytest

from .notebooks import NOTEBOOKS, ROOT, Notebook


@pytest.fixture(params=NOTEBOOKS, scope="module")
def notebook(request: pytest.FixtureRequest) -> Notebook:
    """Each notebook of the course in turn."""
    return Notebook.read(request.param)


def lines(source: str) -> int:
    """Lines of code, without empty ones."""
    return sum(1 for line in source.splitlines() if line.strip())


def test_course_has_eleven_notebooks() -> None:
    """Notebooks 00 to 10 exist, each in the syllabus and with a page in the gallery."""
    assert [name[:2] for name in NOTEBOOKS] == [f"{number:02d}" for number in range(11)]
    syllabus = (ROOT / "notebooks" / "README.md").read_text("utf-8")
    assert all(f"({name}.ipynb)" in syllabus for name in NOTEBOOKS)
    assert all((ROOT / "docs" / "gallery" / f"{name}.md").is_file() for name in NOTEBOOKS)


def test_notebook_begins_with_a_question_and_ends_with_a_button(notebook: Notebook) -> None:
    """The title of a notebook is a question, and its last cell shows the button that stops its
    servers.
    """
    title = notebook.cells[0].source.splitlines()[0]
    assert title.startswith("# ")
    assert title.endswith("?")
    assert notebook.code[-1] == "await stop_button()"


def test_head_of_notebook_has_goals_prerequisites_and_time(notebook: Notebook) -> None:
    """The head names goals, required knowledge, and 15 to 45 minutes."""
    head = notebook.cells[0].source
    assert "\n**Goals:** " in head
    assert "\n**You should know:** " in head
    assert 15 <= notebook.minutes <= 45


def test_code_cells_are_small(notebook: Notebook) -> None:
    """Half of the code cells have fewer than five lines; none has more than fifteen except
    checks, which a learner need not read.
    """
    sizes = [
        lines(cell.source)
        for cell in notebook.cells
        if cell.cell_type == "code" and "check" not in cell.metadata.get("tags", ())
    ]
    assert median(sizes) < 5
    assert max(sizes) <= 15


def test_prose_and_code_are_balanced(notebook: Notebook) -> None:
    """A notebook has 800 to 2,000 words, and about as much prose as code."""
    code = "\n".join(notebook.code)
    assert 800 <= len(notebook.prose.split()) <= 2_000
    assert 0.5 < len(code) / len(notebook.prose) < 2


def test_numbers_in_prose_come_from_code(notebook: Notebook) -> None:
    """Every figure in the prose is in the code, too, which computes or checks it."""
    names = r"\*\*Time:\*\* \d+|SHA-\d+|UTF-\d+|RFC \d+|Exercise \d+|p\d\d\b|\(0\d[^)]*\)"
    prose = re.sub(
        rf"```.*?```|`[^`]*`|\]\([^)]*\)|{names}|[Bb]ase64", "", notebook.prose, flags=re.DOTALL
    )
    code = "\n".join(notebook.code).replace("_", "")
    figures = {figure.replace(",", "") for figure in re.findall(r"\d[\d,.]*\d|\d", prose)}
    assert {figure for figure in figures if figure not in code} == set()


def test_exercises_have_solutions_checks_and_wrong_answers(notebook: Notebook) -> None:
    """There are two to five exercises, each with a hidden solution, a check after it, and at
    least five wrong answers, which ``test_run`` tries.
    """
    exercises = list(notebook.exercises())
    assert 2 <= len(exercises) <= 5
    assert len(notebook.wrong()) == len(exercises)
    assert all(len(answers) >= 5 for answers in notebook.wrong()), "five wrong answers are tried"
    for at, _ in exercises:
        assert "check" in notebook.cells[at + 1].metadata.tags
        assert "await check(" in notebook.cells[at + 1].source


def test_notebook_has_no_outputs(notebook: Notebook) -> None:
    """Outputs, which change with each run, are not committed."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


def test_links_of_notebook_have_targets(notebook: Notebook) -> None:
    """Every target of a notebook's links exists."""
    for target in re.findall(r"\]\(([^)#]+)", notebook.prose):
        assert target.startswith("https://") or (notebook.path.parent / target).exists(), target
