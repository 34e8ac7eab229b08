"""Form of the course's notebooks: first cells, lengths, exercises, links."""

from __future__ import annotations

import re
from statistics import median

import pytest

from .notebooks import NOTEBOOKS, ROOT, Notebook


@pytest.fixture(params=NOTEBOOKS, scope="module")
def notebook(request: pytest.FixtureRequest) -> Notebook:
    """Return each notebook of the course in turn."""
    return Notebook.read(request.param)


def lines(source: str) -> int:
    """Return the number of code lines, without empty ones."""
    return sum(1 for line in source.splitlines() if line.strip())


def test_course_has_eleven_notebooks_in_syllabus_and_gallery() -> None:
    """Course has notebooks 00 to 10, each listed in the syllabus and with a page in the gallery."""
    assert [name[:2] for name in NOTEBOOKS] == [f"{number:02d}" for number in range(11)]
    syllabus = (ROOT / "notebooks" / "README.md").read_text("utf-8")
    assert all(f"({name}.ipynb)" in syllabus for name in NOTEBOOKS)
    assert all((ROOT / "docs" / "gallery" / f"{name}.md").is_file() for name in NOTEBOOKS)


def test_notebook_begins_with_a_question_and_ends_with_the_stop_button(notebook: Notebook) -> None:
    """Course notebook has a question as its title, and its last cell shows the stop button."""
    title = notebook.cells[0].source.splitlines()[0]
    assert title.startswith("# ")
    assert title.endswith("?")
    assert notebook.code[-1] == "await stop_button()"


def test_first_cell_of_notebook_has_goals_prerequisites_and_duration(notebook: Notebook) -> None:
    """First cell of a course notebook names goals, required knowledge, and a duration of 15 to 45
    minutes.
    """
    head = notebook.cells[0].source
    assert "\n**Goals:** " in head
    assert "\n**You should know:** " in head
    assert 15 <= notebook.minutes <= 45


def test_code_cells_have_at_most_fifteen_lines(notebook: Notebook) -> None:
    """Code cells of a course notebook have at most 15 lines and a median below five, checks not
    counted.
    """
    sizes = [
        lines(cell.source)
        for cell in notebook.cells
        if cell.cell_type == "code" and "check" not in cell.metadata.get("tags", ())
    ]
    assert median(sizes) < 5
    assert max(sizes) <= 15


def test_notebook_has_800_to_2000_words_and_similar_amounts_of_code(notebook: Notebook) -> None:
    """Course notebook has 800 to 2,000 words, and its code is between half and twice as long as its
    text.
    """
    code = "\n".join(notebook.code)
    assert 800 <= len(notebook.prose.split()) <= 2_000
    assert 0.5 < len(code) / len(notebook.prose) < 2


def test_every_number_in_notebook_text_also_occurs_in_its_code(notebook: Notebook) -> None:
    """Every number in the text of a course notebook also occurs in the notebook's code."""
    names = r"\*\*Time:\*\* \d+|SHA-\d+|UTF-\d+|RFC \d+|Exercise \d+|p\d\d\b|\(0\d[^)]*\)"
    prose = re.sub(
        rf"```.*?```|`[^`]*`|\]\([^)]*\)|{names}|[Bb]ase64", "", notebook.prose, flags=re.DOTALL
    )
    code = "\n".join(notebook.code).replace("_", "")
    figures = {figure.replace(",", "") for figure in re.findall(r"\d[\d,.]*\d|\d", prose)}
    assert {figure for figure in figures if figure not in code} == set()


def test_notebook_exercises_have_solutions_checks_and_wrong_answers(notebook: Notebook) -> None:
    """Course notebook has two to five exercises, each with a hidden solution, a check, and at least
    five wrong answers for the tests.
    """
    exercises = list(notebook.exercises())
    assert 2 <= len(exercises) <= 5
    assert len(notebook.wrong()) == len(exercises)
    assert all(len(answers) >= 5 for answers in notebook.wrong()), "five wrong answers are tried"
    for at, _ in exercises:
        assert "check" in notebook.cells[at + 1].metadata.tags
        assert "await check(" in notebook.cells[at + 1].source


def test_notebook_is_committed_without_outputs(notebook: Notebook) -> None:
    """Course notebook is committed without outputs and execution counts."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


def test_relative_links_of_notebook_point_to_existing_files(notebook: Notebook) -> None:
    """Relative links of a course notebook point to existing files, and all other links use
    https.
    """
    for target in re.findall(r"\]\(([^)#]+)", notebook.prose):
        assert target.startswith("https://") or (notebook.path.parent / target).exists(), target
