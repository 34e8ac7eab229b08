"""Command-line options that would have no effect are refused."""

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
def test_command_refuses_an_option_that_has_no_effect(
    arguments: list[str], option: str, because: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon` command exits with code 2 and names the option that has no effect together with the
    other options given, and the reason.
    """
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"rtmon: Invalid value for '{option}")
    assert "it has no effect" in said
    assert because in said
    assert len(said.splitlines()) == 1


def test_hub_options_are_ignored_or_refused_by_an_echo_server(
    taken: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon serve --echo` ignores hub options in the environment, but with RTMON_ECHO=1 instead of
    --echo the command exits with code 2 when a hub option is given anywhere.
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
def test_serve_refuses_a_malformed_origin_before_it_listens(
    extra: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon serve` with a malformed allowed origin exits with code 2 before it listens, and names
    the origin.
    """
    assert main(["serve", "--port=0", "--origin=chat.example", *extra]) == 2
    said = capsys.readouterr()
    assert "'chat.example'" in said.err
    assert said.out == ""
