"""The notebooks of the course: their form, their exercises, and that they clean up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from rtmon.course import check, every
from rtmon.testing import until

ROOT = Path(__file__).parents[1]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}

PATIENCE = 250
"""Seconds that a cell may take, on a machine that others use too."""

SOLUTION = re.compile(r"<details><summary>Solution</summary>\s+```python\n(.*?)```", re.DOTALL)

PICTURE = "application/vnd.rtmon.view.v1+json"
"""What shows a picture in a notebook is of this type."""

WRONG = {
    "00_quickstart": (
        "users = await start(Load(server.url, LoadOptions(users=4, ramp=0)), name='users')",
        (
            "async with connect(server.url) as guest:\n"
            '    await guest.send(\'{"type": "chat_message", "payload": {"text": "hi"}}\')'
        ),
        "await (await connect(server.url)).close(1000)",
    ),
    "01_chat": (
        'await friends["ada"].send("chat_message", {"text": "Only three hear this."})',
        'await friends["ada"].send("chat_message", {"text": "I hear it, too.", "echo": True})',
        'await friends["ada"].send("chat_message", {"text": "Psst!"})',
    ),
    "02_pubsub_and_rooms": (
        'await start(eve.subscribe("weather.**"), name="eve all")',
        (
            "latest = await hub.publish('news', 'the end')\n"
            "since = Position(epoch=latest.epoch, offset=latest.offset - 4)\n"
            "async with eve.subscribe('news', since=since) as last_news:\n"
            "    late = [await anext(last_news) for _ in range(3)]"
        ),
        (
            "await eve.join('garden')\n"
            "await eve.send('room_message', {'room': 'garden', 'text': 'alone'})"
        ),
    ),
    "03_batching": (
        "race.size, race.delay = 5, 150",
        (
            "async with rtmon.connect(server.url, name='thrifty') as thrifty:\n"
            "    for number in range(100):\n"
            "        await thrifty.publish('bulk', number)\n"
            "    await thrifty.flush()"
        ),
    ),
    "04_reconnection": (
        "in_seconds = await cut()",
        "quick = await start(rtmon.connect(proxy.url, name='quick'), name='quick')",
        "proxy.cut()\nawait until(lambda: client.stats.reconnects > returns)",
    ),
    "05_anatomy": (
        'pen.write(frame(1, b"anatomy"))',
        'await die(lambda w: w.write(frame(8, (4322).to_bytes(2, "big"))))',
        'crime = await die(deaths["does not mask"])',
    ),
    "06_binary_and_files": (
        'answer = (await eve.send_file(photo[1:], name="photo.jpg")).payload["name"]',
        'await hub.publish("sensor", b"too little")',
        'await eve.send_file(photo, name="nobody-took-it.bin", to=readers["msgpack"].client_id)',
    ),
    "07_transports": (
        'await post("I am back.", "no token")',
        'await cleo.send("42" + json.dumps(["join_room", {"room": "cellar"}]))',
    ),
    "08_slow_consumers": (
        'hub.change(channels={"prices": ChannelOptions(slow="drop_newest")})',
        "hub.change(stalled=30)",
    ),
}
"""A wrong answer to each exercise."""

BEFORE = """
import asyncio
import psutil


def _left():
    # Libraries' timers, which end by themselves after a while, are not the notebook's.
    theirs = ("ipykernel", "tornado", "zmq", "jupyter_client", "IPython")
    theirs += ("engineio", "sse_starlette")
    tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    tasks = [t for t in tasks if not any(
        f"/{each}/" in t.get_coro().cr_code.co_filename for each in theirs)]
    sockets = [s for s in psutil.Process().net_connections("tcp") if s.status == "LISTEN"]
    children = psutil.Process().children(recursive=True)
    return [t.get_name() for t in tasks], len(sockets), [c.pid for c in children]


_before = _left()
"""

PATIENT = """
import rtmon.course

_within = rtmon.course.until
rtmon.course.until = lambda look, *, timeout: _within(look, timeout=60)
"""
"""What is right is found to be so on a slow machine, too."""

IMPATIENT = "rtmon.course.until = _within"

AFTER = """
from rtmon.testing import until

try:
    await until(lambda: _left() == _before)
except TimeoutError:
    pass
print("left:", _left() == _before, _before, _left(), [
    t.get_coro().cr_code.co_filename for t in asyncio.all_tasks() if t.get_name() in _left()[0]])
"""


@dataclass(frozen=True)
class Notebook:
    """A notebook of the course, as it is shipped."""

    path: Path
    cells: list[Any]

    @classmethod
    def read(cls, path: Path) -> Notebook:
        """Read a notebook's file."""
        return cls(path, nbformat.read(path, 4).cells)

    @property
    def code(self) -> list[str]:
        """The source of each code cell."""
        return [cell.source for cell in self.cells if cell.cell_type == "code"]

    @property
    def prose(self) -> str:
        """What is to be read: without the solutions, which are hidden."""
        texts = [cell.source for cell in self.cells if cell.cell_type == "markdown"]
        return re.sub(r"<details>.*?</details>", "", "\n\n".join(texts), flags=re.DOTALL)

    def exercises(self) -> Iterator[tuple[int, str]]:
        """The place of each exercise's cell, and its solution."""
        for at, cell in enumerate(self.cells):
            if "exercise" in cell.metadata.get("tags", ()):
                found = SOLUTION.search(self.cells[at - 1].source)
                assert found, f"the exercise in cell {at} has no hidden solution before it"
                yield at, found[1]


@pytest.fixture(params=NOTEBOOKS, scope="module")
def notebook(request: pytest.FixtureRequest) -> Notebook:
    """Each notebook of the course in turn."""
    return Notebook.read(NOTEBOOKS[request.param])


def lines(source: str) -> int:
    """Lines of code, without empty ones."""
    return sum(1 for line in source.splitlines() if line.strip())


def test_there_are_nine() -> None:
    """The course is there from 00 to 08, and each of its notebooks stands in the syllabus."""
    assert [name[:2] for name in NOTEBOOKS] == [f"{number:02d}" for number in range(9)]
    syllabus = (ROOT / "notebooks" / "README.md").read_text("utf-8")
    assert all(f"({name}.ipynb)" in syllabus for name in NOTEBOOKS)


def test_it_opens_with_a_question_and_ends_by_stopping(notebook: Notebook) -> None:
    """The title of a notebook is a question, and its last cell stops what was started."""
    title = notebook.cells[0].source.splitlines()[0]
    assert title.startswith("# ")
    assert title.endswith("?")
    assert "await stop()" in notebook.code[-1]


def test_cells_are_small(notebook: Notebook) -> None:
    """Half of the code cells have fewer than five lines, and none has more than fifteen."""
    sizes = [lines(source) for source in notebook.code]
    assert median(sizes) < 5
    assert max(sizes) <= 15


def test_prose_and_code_are_balanced(notebook: Notebook) -> None:
    """A notebook has 800 to 2,000 words, and about as much prose as code."""
    code = "\n".join(notebook.code)
    assert 800 <= len(notebook.prose.split()) <= 2_000
    assert 0.5 < len(code) / len(notebook.prose) < 2


def test_numbers_come_from_code(notebook: Notebook) -> None:
    """Every figure in the prose stands in the code, too, so it is computed or checked there."""
    names = r"SHA-\d+|UTF-\d+|RFC \d+|Exercise \d+|p\d\d\b|\(0\d[^)]*\)"
    prose = re.sub(
        rf"```.*?```|`[^`]*`|\]\([^)]*\)|{names}|[Bb]ase64", "", notebook.prose, flags=re.DOTALL
    )
    code = "\n".join(notebook.code).replace("_", "")
    figures = {figure.replace(",", "") for figure in re.findall(r"\d[\d,.]*\d|\d", prose)}
    assert {figure for figure in figures if figure not in code} == set()


def test_exercises_have_solutions_and_checks(notebook: Notebook) -> None:
    """There are two to four exercises, each with a hidden solution, and a check after it."""
    exercises = list(notebook.exercises())
    assert 2 <= len(exercises) <= 4
    assert len(WRONG[notebook.path.stem]) == len(exercises)
    for at, _ in exercises:
        assert "check" in notebook.cells[at + 1].metadata.tags
        assert "await check(" in notebook.cells[at + 1].source


def test_no_outputs_are_committed(notebook: Notebook) -> None:
    """Outputs, which change with each run, are left out."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


def test_links_lead_somewhere(notebook: Notebook) -> None:
    """What a notebook links to is there."""
    for target in re.findall(r"\]\(([^)#]+)", notebook.prose):
        assert target.startswith("https://") or (notebook.path.parent / target).exists(), target


async def test_a_check_never_raises(capsys: pytest.CaptureFixture[str]) -> None:
    """A check says "right" when its claim comes to hold, and "not yet" whatever goes wrong."""
    looks: list[int] = []
    await check("third time", lambda: looks.append(1) or len(looks) == 3)
    await check("broken", lambda: 1 / 0, within=0.01)
    await check("undone", lambda: None, within=0.01)
    assert capsys.readouterr().out.splitlines() == [
        "✓ Right: third time",
        "○ Not yet: broken",
        "  The check met ZeroDivisionError: division by zero",
        "○ Not yet: undone",
    ]


async def test_every_goes_on_beside_and_ends() -> None:
    """What is repeated goes on until the context ends, and what it raises is not lost."""
    done: list[int] = []
    async with every(0.001, lambda: done.append(1)) as task:
        await until(lambda: len(done) > 3)
    assert task.cancelled()

    async def fail() -> None:
        raise ValueError(done)

    with pytest.raises(ValueError, match="1"):
        async with every(0.001, fail) as task:
            await until(task.done)


class Kernel:
    """A notebook in a kernel of its own, cell by cell."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client
        self._count = 0

    async def run(self, source: str) -> list[Any]:
        """Run a cell; returns its outputs."""
        cell = nbformat.v4.new_code_cell(source)
        self._client.nb.cells.append(cell)
        self._count += 1
        await self._client.async_execute_cell(cell, len(self._client.nb.cells) - 1)
        outputs: list[Any] = cell.outputs
        return outputs

    async def run_all(self, notebook: Notebook, answers: dict[int, str]) -> tuple[list[str], int]:
        """Run a notebook with answers, by the place of the exercise.

        Returns:
            What the checks said, and the first cell that showed a picture.
        """
        said, picture = [], len(notebook.cells)
        for at, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            answer = answers.get(at)
            outputs = await self.run(cell.source if answer is None else f"{cell.source}\n{answer}")
            if any(PICTURE in output.get("data", ()) for output in outputs):
                picture = min(picture, at)
            if "check" in cell.metadata.get("tags", ()):
                said.append(text(outputs))
        return said, picture


def text(outputs: list[Any]) -> str:
    """What a cell has said."""
    return "".join(
        output.text if output.output_type == "stream" else output.data["text/plain"]
        for output in outputs
        if output.output_type in {"stream", "display_data"}
    )


@pytest.mark.course
@pytest.mark.timeout(900)
async def test_solutions_pass_and_wrong_answers_do_not(notebook: Notebook) -> None:
    """Solutions are right, wrong answers are "not yet"; a picture is shown by the fifth cell, all
    runs twice in one kernel, and leaves neither port nor task nor process behind.
    """
    exercises = list(notebook.exercises())
    wrong = WRONG[notebook.path.stem]
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=PATIENCE, kernel_name="python3")
    async with client.async_setup_kernel(cwd=str(notebook.path.parent)):
        kernel = Kernel(client)
        await kernel.run(BEFORE + PATIENT)
        said, picture = await kernel.run_all(notebook, dict(exercises))
        assert [each[:7] for each in said] == ["✓ Right"] * len(exercises), said
        assert picture < 5
        await kernel.run(IMPATIENT)
        said, _ = await kernel.run_all(
            notebook, {at: answer for (at, _), answer in zip(exercises, wrong, strict=True)}
        )
        assert [each[:9] for each in said] == ["○ Not yet"] * len(exercises), said
        assert text(await kernel.run(AFTER)).startswith("left: True"), text(await kernel.run(AFTER))
