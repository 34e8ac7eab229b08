"""`rtmon course`: its help, its errors, and its end by Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from rtmon.cli import main
from rtmon.cli.exposure_warnings import open_wall

from .running import SOON, Command


@pytest.mark.parametrize("arguments", [["course"], ["course", "wall"], ["course", "grade"]])
def test_course_commands_print_help_with_an_example(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Help of `rtmon course` and of its subcommands contains an example command."""
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
def test_course_prints_one_sentence_when_an_argument_is_wrong(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon course` prints one sentence that names the fault and exits with code 2 when an
    argument is wrong.
    """
    assert main(["course", *arguments]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.splitlines()) == 1


def test_progress_wall_ends_on_ctrl_c_while_the_class_server_is_away(
    command: Callable[..., Command],
) -> None:
    """`rtmon course wall` starts although the class server does not run, and exits with code 0 on
    Ctrl-C.
    """
    wall = command("course", "wall", "ws://127.0.0.1:1", "--port=0", "--no-browser")
    wall.read_until("Ctrl-C ends it.")
    code, seconds = wall.end(signal.SIGINT)
    assert code == 0
    assert seconds < SOON
    assert "Traceback" not in wall.rest()


def test_progress_wall_warns_when_its_address_is_not_loopback() -> None:
    """Progress wall warns that other machines can read the names and results of learners when its
    address is not loopback.
    """
    assert open_wall("127.0.0.1", 5007) is None
    assert "names and results of all learners" in str(open_wall("192.0.2.1", 5007))
