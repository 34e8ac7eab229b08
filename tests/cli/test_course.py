"""`rtmon course`: its help, its errors, and its end."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from rtmon.cli import main
from rtmon.cli.exposure_warnings import open_wall

from .running import SOON, Command


@pytest.mark.parametrize("arguments", [["course"], ["course", "wall"], ["course", "grade"]])
def test_course_has_help_with_examples(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The help of each subcommand has its purpose and an example."""
    assert main([*arguments, "--help"]) == 0
    assert "rtmon course wall" in (said := capsys.readouterr().out) or "rtmon course grade" in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["wall", "nonsense"], "nonsense"),
        (["wall", "--course", "/nowhere"], "does not exist"),
        (["wall", "--host", "203.0.113.1"], "cannot listen on 203.0.113.1"),
        (["grade"], "Missing argument"),
    ],
)
def test_course_names_a_bad_option(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad option is one sentence and exit code 2."""
    assert main(["course", *arguments]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.splitlines()) == 1


def test_wall_ends_on_ctrl_c_while_the_class_server_is_away(
    command: Callable[..., Command],
) -> None:
    """The wall runs before the class server does, and Ctrl-C ends it."""
    wall = command("course", "wall", "ws://127.0.0.1:1", "--port=0", "--no-browser")
    wall.read_until("Ctrl-C ends it.")
    code, seconds = wall.end(signal.SIGINT)
    assert code == 0
    assert seconds < SOON
    assert "Traceback" not in wall.rest()


def test_wall_warns_when_other_machines_can_read_it() -> None:
    """On an address beyond loopback, names and results can be read from the network."""
    assert open_wall("127.0.0.1", 5007) is None
    assert "names and results of all learners" in str(open_wall("192.0.2.1", 5007))
