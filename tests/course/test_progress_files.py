"""The progress file of a learner, and the reports made from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtmon.course import check, progress_files
from rtmon.course.progress_files import ProgressEntry, Result, merge, read, report_of
from rtmon.errors import FileFormatError

Environment = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: Environment) -> Path:
    """Let the learner "ada" work in a temporary folder without other course settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RTMON_LEARNER", "ada")
    for name in ("RTMON_PROGRESS", "RTMON_CLASS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def checked(*, found: int, exercise: str | None = "01-2", points: int | None = 3) -> None:
    """Check an exercise whose right answer is 2."""
    await check(
        "two", found=lambda: found, expected=2, exercise=exercise, points=points, within=0.0
    )


async def test_check_appends_a_json_line_to_the_progress_file(somewhere: Path) -> None:
    """Exercise check that names its exercise appends one line of JSON to rtmon-progress.jsonl;
    a check without a name appends none.
    """
    await checked(found=1)
    await checked(found=2)
    await checked(found=2, exercise=None, points=None)
    lines = (somewhere / "rtmon-progress.jsonl").read_text("utf-8").splitlines()
    first, second = map(json.loads, lines)
    assert first.pop("time") <= second.pop("time")
    assert first == {
        "learner": "ada",
        "exercise": "01-2",
        "claim": "two",
        "right": False,
        "points": 3,
        "note": "found 1, this asks for 2",
    }
    assert (second["right"], second["note"]) == (True, "")


async def test_progress_file_is_chosen_or_turned_off_by_the_environment(
    somewhere: Path, monkeypatch: Environment
) -> None:
    """Exercise check writes its progress to the path in RTMON_PROGRESS, and writes no file when
    the variable is "off".
    """
    monkeypatch.setenv("RTMON_PROGRESS", str(somewhere / "other.jsonl"))
    await checked(found=1)
    assert (somewhere / "other.jsonl").exists()
    monkeypatch.setenv("RTMON_PROGRESS", "off")
    await checked(found=1)
    assert not (somewhere / "rtmon-progress.jsonl").exists()
    assert len((somewhere / "other.jsonl").read_text("utf-8").splitlines()) == 1


async def test_check_prints_its_result_when_the_progress_file_cannot_be_written(
    somewhere: Path, monkeypatch: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exercise check prints its result and the problem when the progress file cannot be written
    or is full.
    """
    monkeypatch.setenv("RTMON_PROGRESS", str(somewhere / "missing" / "progress.jsonl"))
    await checked(found=2)
    said = capsys.readouterr().out
    assert "✓ Right: two" in said
    assert "not added to your progress file" in said
    monkeypatch.setenv("RTMON_PROGRESS", str(somewhere / "full.jsonl"))
    monkeypatch.setattr(progress_files, "FULL", 10)
    (somewhere / "full.jsonl").write_text("x" * 11)
    await checked(found=2)
    assert "is full (10 bytes)" in capsys.readouterr().out


def test_learner_name_comes_from_environment_jupyterhub_or_login(monkeypatch: Environment) -> None:
    """Learner's name is RTMON_LEARNER, else JupyterHub's user, else the login name, shortened and
    without control characters.
    """
    assert progress_files.learner() == "ada"
    monkeypatch.setenv("RTMON_LEARNER", "a\x1b[2Jda" + "x" * 200)
    assert progress_files.learner() == "a [2Jda" + "x" * 121
    monkeypatch.delenv("RTMON_LEARNER")
    monkeypatch.setenv("JUPYTERHUB_USER", "hubert")
    assert progress_files.learner() == "hubert"
    monkeypatch.delenv("JUPYTERHUB_USER")
    monkeypatch.setenv("LOGNAME", "logan")
    assert progress_files.learner() == "logan"


def line(**changes: object) -> str:
    """Return a line of a progress file."""
    entry = {"time": 1, "learner": "ada", "exercise": "01-2", "claim": "two", "right": True}
    return json.dumps({**entry, "points": 3, **changes}) + "\n"


@pytest.mark.parametrize(
    "bad",
    [
        "nonsense\n",
        "[]\n",
        line(exercise="../x"),
        line(points=-1),
        line(points=10**9),
        line(learner=""),
        line(note="x" * 201),
        '{"time": 1}\n',
    ],
)
def test_reading_progress_returns_an_error_in_place_of_a_malformed_line(
    somewhere: Path, bad: str
) -> None:
    """Reading a progress file returns an error in place of a malformed line, and the entries of all
    other lines.
    """
    path = somewhere / "progress.jsonl"
    path.write_text(line() + bad + "\n" + line(learner="ben"))
    first, error, last = read(path)
    assert isinstance(first, ProgressEntry)
    assert isinstance(error, FileFormatError)
    assert "line 2: not a line of a progress file" in str(error)
    assert isinstance(last, ProgressEntry)
    assert last.learner == "ben"


def test_right_exercise_stays_right_in_reports() -> None:
    """Learner's report gives an exercise as right when any check of the exercise was right, and
    counts the tries of all checks.
    """
    entries = [
        ProgressEntry(
            time=at, learner="ada", exercise="01-2", claim="", right=right, points=2, note=note
        )
        for at, (right, note) in enumerate([(False, "a"), (False, "b"), (True, ""), (False, "c")])
    ]
    assert report_of(entries[:2]) == {"01-2": Result(right=False, tries=2, points=2, note="b")}
    assert report_of(entries) == {"01-2": Result(right=True, tries=4, points=2)}


def test_reports_merge_to_the_same_result_in_any_order() -> None:
    """Merging two reports of a learner gives the same result in either order."""
    old = {"01-1": Result(right=False, tries=1, note="old")}
    new = {"01-1": Result(right=False, tries=2, note="new"), "01-2": Result(right=True, tries=1)}
    assert merge(merge({}, old), new) == merge(merge({}, new), old) == new
    right = {"01-1": Result(right=True, tries=3)}
    assert merge(right, old) == merge(old, right) == right
