"""Addresses that commands print, and warnings that other machines have access."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rtmon.cli import main
from tests.cli.running import Command
from tests.hub.tokens import KEY

FREE = ("--port=0", "--admin-port=0")


@pytest.mark.parametrize("kind", [(), ("--asgi",), ("--echo",)], ids=["native", "asgi", "echo"])
def test_serve_warns_when_it_listens_on_all_addresses_without_authentication(
    command: Callable[..., Command], kind: tuple[str, ...]
) -> None:
    """`rtmon serve` that listens on all addresses without authentication prints a warning that any
    program can connect.
    """
    server = command("serve", *FREE, *kind, "--host=0.0.0.0")
    server.read_until("Ctrl-C")
    warning, serving, watch = server.output.splitlines()[:3]
    url = serving.removeprefix("Serving on ")
    assert url.startswith("ws://0.0.0.0:")
    assert warning.startswith("WARNING: The ")
    assert (
        f"no authentication, so any program that can reach {url.removeprefix('ws://')} " in warning
    )
    assert "admin listener is on 127.0.0.1 only" in warning
    assert "ws://127.0.0.1:" in watch
    with connect(url, proxy=None):
        pass


def test_serve_warning_names_the_file_folder_and_any_origin(
    command: Callable[..., Command], tmp_path: Path
) -> None:
    """Warning of `rtmon serve` on all addresses names the folder for uploaded files when --files is
    given, and says that any origin is allowed when --origin=* is given.
    """
    server = command(
        "serve", "--port=0", "--admin-port=off", "--host=::", f"--files={tmp_path}", "--origin=*"
    )
    server.read_until("Ctrl-C")
    warning, serving = server.output.splitlines()[:2]
    assert serving.startswith("Serving on ws://[::]:")
    assert str(tmp_path) in warning
    assert "any origin" in warning
    assert "admin" not in warning


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("--host=127.0.0.1",), {}),
        (("--host=::1",), {}),
        (("--host=localhost", "--echo"), {}),
        (("--host=0.0.0.0",), {"RTMON_JWT_SECRET": KEY}),
    ],
)
def test_serve_prints_no_warning_on_loopback_or_with_authentication(
    command: Callable[..., Command], arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    """`rtmon serve` prints no warning when it listens on loopback or requires tokens."""
    server = command("serve", *FREE, *arguments, environment=environment)
    server.read_until("Ctrl-C")
    assert "WARNING" not in server.output
    assert server.output.startswith("Serving on ws://")


@pytest.mark.parametrize(
    ("arguments", "warns"),
    [
        (["--host=0.0.0.0", "--origin=https://chat.example"], True),
        (["--host=::1", "--origin=[2001:db8::1]:5006", "--origin=münchen.example:443"], False),
    ],
)
def test_dashboard_warns_when_it_listens_on_all_addresses(
    command: Callable[..., Command],
    arguments: list[str],
    warns: bool,  # noqa: FBT001 - a parametrized value
) -> None:
    """`rtmon dashboard` that listens on all addresses prints a warning that it has no
    authentication; on loopback the command prints none.
    """
    page = command("dashboard", "--port=0", "--no-browser", *arguments)
    page.read_until("Ctrl-C")
    assert ("WARNING: The dashboard has no authentication" in page.output) is warns


def test_dashboard_accepts_only_its_own_and_allowed_origins_on_ipv6(
    command: Callable[..., Command],
) -> None:
    """Dashboard at an IPv6 address accepts WebSockets of its own page and of an allowed origin, and
    refuses other origins with 403.
    """
    page = command("dashboard", "--port=0", "--no-browser", "--host=::1", "--origin=[2001:db8::1]")
    page.read_until("Ctrl-C")
    own = page.output.splitlines()[0].split()[-1].rstrip("/")
    for origin, refused in ((own, False), ("https://[2001:db8::1]", False), ("http://[::1]", True)):
        status = 101
        try:
            with connect(f"ws{own.removeprefix('http')}/ws", origin=origin, proxy=None):  # type: ignore[arg-type]
                pass
        except InvalidStatus as error:
            status = error.response.status_code
        assert (status == 403) is refused, origin


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("chat.example:5006", "chat.example:5006"),
        ("https://Chat.Example:5006", "chat.example:5006"),
        ("chat.example", "chat.example:80"),
        ("https://chat.example", "chat.example:80"),
        ("chat.example:443", "chat.example:80"),
        ("münchen.example", "xn--mnchen-3ya.example:80"),
        ("[2001:db8:0::1]:5006", "[2001:db8::1]:5006"),
        ("https://[::1]", "[::1]"),
        ("*.chat.example:*", "*.chat.example:*"),
    ],
)
def test_dashboard_origin_is_normalised_as_bokeh_does(written: str, compared: str) -> None:
    """Origin given to `rtmon dashboard` is normalised to the form of host and port that Bokeh
    accepts for a browser's Origin header.
    """
    from bokeh.server.util import check_allowlist

    from rtmon.cli.dashboard import _compared
    from rtmon.core.web_origin import WebOrigin, ascii_form

    assert _compared(written) == compared
    if "*" not in written:
        page = WebOrigin.parse(ascii_form(f"https://{written.rpartition('//')[2]}"))
        assert check_allowlist(str(page).removeprefix("https://"), [compared])


@pytest.mark.parametrize("origin", ["", "http://", "ftp://chat.example", "a b", "chat.example/x"])
def test_dashboard_prints_one_sentence_when_an_origin_is_malformed(
    origin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon dashboard` prints one sentence and exits with code 2 when an allowed origin is
    malformed.
    """
    assert main(["dashboard", "--port=0", "--no-browser", f"--origin={origin}"]) == 2
    said = capsys.readouterr().err
    assert "is no address of a page" in said
    assert len(said.splitlines()) == 1
