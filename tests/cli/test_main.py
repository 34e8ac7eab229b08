"""The command `rtmon`: version, help, missing extras, and its small subcommands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import rtmon
from rtmon.cli import main
from tests.cli.running import run

COMMANDS = (
    "demo",
    "serve",
    "dashboard",
    "top",
    "record",
    "export",
    "diff",
    "load",
    "protocol",
    "notebooks",
    "course",
)


def test_rtmon_prints_its_version() -> None:
    """`rtmon --version` and `python -m rtmon --version` print the package's version."""
    expected = f"rtmon {rtmon.__version__}\n"
    script = Path(sys.executable).with_name("rtmon")
    printed = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert printed.stdout == expected
    assert run("--version").stdout == expected


def test_rtmon_without_a_command_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """`rtmon` without arguments prints a help text with a complete line for each command."""
    assert main([]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line] == list(COMMANDS)
    assert "..." not in listed


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_begins_its_examples_with_that_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Help of each `rtmon` command has an "Examples" section whose first line calls that
    command.
    """
    assert main([command, "--help"]) == 0
    _, _, examples = capsys.readouterr().out.partition("Examples:\n")
    assert examples.splitlines()[0].strip() == f"rtmon {command}" or examples.startswith(
        f"    rtmon {command} "
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["serve", "--prt=1"], "No such option: --prt"),
        (["serve", "--port=65536"], "'--port'"),
        (["serve", "--admin-port=x"], "'x' is neither a port (0 to 65535) nor 'off'"),
        (["demo", "--users=0"], "'--users'"),
        (["demo", "--users=many"], "'--users'"),
        (["demo", "--admin-port=off"], "'--admin-port'"),
        (["dashboard", "ftp://x"], "'ftp://x'"),
        (["load", "http://x"], "'http://x' does not begin with ws:// or wss://"),
        (["load"], "'URL'"),
        (["export", "ws://127.0.0.1:1"], "'--to'"),
    ],
)
def test_command_prints_one_sentence_when_an_option_is_wrong(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon` command prints one sentence on standard error and exits with code 2 when an
    option is wrong.
    """
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("rtmon: ")
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (["demo"], "panel", "dashboard"),
        (["dashboard"], "panel", "dashboard"),
        (["dashboard"], "pandas", "dashboard"),
        (["notebooks"], "jupyterlab", "notebook"),
        (["serve", "--redis=redis://localhost"], "redis", "redis"),
    ],
)
def test_command_says_how_to_install_a_missing_extra(
    arguments: list[str],
    package: str,
    extra: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`rtmon` command prints one sentence with the pip command of the missing extra and exits
    with code 2 when a package is not installed.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    # Makes the import fail, as if the package were not installed.
    monkeypatch.setitem(sys.modules, package, None)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{package!r}, which is not installed: pip install 'rtmon[{extra}]'" in printed.err
    assert len(printed.err.splitlines()) == 1


def test_export_fails_when_no_server_listens() -> None:
    """`rtmon export` prints one sentence, exits with code 1 and creates no folder when no server
    listens at the given address.
    """
    done = run("export", "ws://127.0.0.1:1", "--to=never-made", "--timeout=0.5")
    assert done.returncode == 1
    assert "ws://127.0.0.1:1" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path("never-made").exists()


def test_protocol_command_prints_message_types_or_json_schemas(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`rtmon protocol` prints a list of message types, and with --schema a JSON Schema of each."""
    assert main(["protocol"]) == 0
    listed = capsys.readouterr().out
    assert main(["protocol", "--schema"]) == 0
    defined = json.loads(capsys.readouterr().out)["$defs"]
    for side, line in zip(("client", "server"), listed.splitlines(), strict=True):
        for kind in line.partition(": ")[2].split(", "):
            assert f"{side}.{kind}" in defined


def test_notebooks_command_does_not_overwrite_changed_notebooks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon notebooks` copies missing course notebooks, keeps notebooks that the user changed, and
    names those it kept.
    """
    folder = tmp_path / "course"
    assert main(["notebooks", str(folder), "--no-start"]) == 0
    copied = sorted(folder.iterdir())
    assert [path for path in copied if path.suffix == ".ipynb"]
    assert capsys.readouterr().out.split() == [str(path) for path in copied]
    copied[0].write_text("mine")
    copied[1].unlink()
    run = json.loads(copied[2].read_text("utf-8"))
    run["cells"][1].update(execution_count=1, outputs=[{"output_type": "stream", "text": "hi"}])
    copied[2].write_text(json.dumps(run), "utf-8")
    assert main(["notebooks", str(folder), "--no-start"]) == 0
    assert copied[0].read_text() == "mine"
    assert copied[1].exists()
    assert json.loads(copied[2].read_text("utf-8")) == run, "outputs stay, and are no changes"
    printed = capsys.readouterr()
    assert f"kept {copied[0]}" in printed.err
    assert len(printed.err.splitlines()) == 1
    assert main(["notebooks", str(copied[0]), "--no-start"]) == 2
