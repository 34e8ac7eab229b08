"""Options without effect, which commands refuse."""

from __future__ import annotations

import pytest

from rtmon.cli import main

LOAD = ["load", "ws://127.0.0.1:9"]


@pytest.mark.parametrize(
    ("arguments", "option", "because"),
    [
        (["serve", "--echo", "--files=x"], "--files", "no hub"),
        (["serve", "--echo", "--history=5"], "--history", "no hub"),
        (["serve", "--echo", "--page"], "--page", "no hub"),
        (["serve", "--echo", "--origin=https://a.example"], "--origin", "no hub"),
        (["serve", "--echo", "--asgi"], "--asgi", "no hub"),
        (["demo", "--no-dashboard", "--dashboard-port=0"], "--dashboard-port", "--no-dashboard"),
        (["demo", "--no-dashboard", "--browser"], "--browser", "--no-dashboard"),
        ([*LOAD, "--group=5"], "--group", "--mix"),
        ([*LOAD, "--mix=text=1,chat", "--group=5"], "--group", "--mix"),
        ([*LOAD, "--rate=0", "--size=5"], "--size", "rate of 0"),
        ([*LOAD, "--rate=0", "--closed"], "--closed", "rate of 0"),
        ([*LOAD, "--storm=5", "--duration=5"], "--storm", "--duration"),
    ],
)
def test_option_without_effect_is_refused(
    arguments: list[str], option: str, because: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option that would do nothing beside the others is an error with its name and the
    reason.
    """
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"rtmon: Invalid value for '{option}")
    assert "it has no effect" in said
    assert because in said
    assert len(said.splitlines()) == 1


def test_command_line_overrides_the_environment(
    taken: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--echo overrides hub options from the environment; an environment or a command line that
    contradicts itself is refused.
    """
    monkeypatch.setenv("RTMON_FILES", "x")
    echo = ["serve", "--echo", f"--port={taken}", "--admin-port=off", "--no-page"]
    assert main(echo) == 2
    assert "in use" in capsys.readouterr().err
    monkeypatch.setenv("RTMON_ECHO", "1")
    for arguments in (["serve"], ["serve", "--files=x"]):
        assert main(arguments) == 2
        assert "it has no effect with --echo" in capsys.readouterr().err


@pytest.mark.parametrize("extra", [[], ["--asgi"]])
def test_malformed_origin_is_refused_before_serving(
    extra: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A malformed origin is an error before the server listens."""
    assert main(["serve", "--port=0", "--origin=chat.example", *extra]) == 2
    said = capsys.readouterr()
    assert "'chat.example'" in said.err
    assert said.out == ""
