"""Authentication of `rtmon serve`: keys come from files or the environment, not from options."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from rtmon.cli import main
from tests.cli.running import Command
from tests.hub.tokens import KEY, token

FREE = ("--port=0", "--admin-port=off")


def welcomed(url: str, **claims: Any) -> str:
    """Connect with a token; return the user id in the server's welcome message."""
    headers = {"Authorization": f"Bearer {token(**claims)}"}
    with connect(url, proxy=None, additional_headers=headers) as client:
        user: str = json.loads(client.recv())["payload"]["user"]
        return user


@pytest.mark.parametrize("asgi", [(), ("--asgi",)], ids=["native", "asgi"])
def test_serve_requires_a_valid_token_when_a_key_is_given(
    command: Callable[..., Command], asgi: tuple[str, ...], tmp_path: Path
) -> None:
    """`rtmon serve` with a JWT key accepts a client with a valid token, and closes a client
    whose token has a wrong audience.
    """
    environment = {"RTMON_JWT_SECRET": KEY}
    arguments = ["--jwt-audience=chat", "--connections-per-user=1"]
    if asgi:
        file = tmp_path / "key"
        file.write_text(f"{KEY}\n")
        environment = {}
        arguments = [*arguments, f"--jwt-key-file={file}", "--auth-close=1008"]
    server = command("serve", *FREE, *asgi, *arguments, environment=environment)
    server.read_until("Ctrl-C")
    url = server.output.splitlines()[0].split()[-1]
    assert welcomed(url, aud="chat") == "ada"
    shown = token()
    headers = {"Authorization": f"Bearer {shown}"}
    with connect(url, proxy=None, additional_headers=headers) as client:
        assert json.loads(client.recv())["payload"]["code"] == "invalid_token"
        with pytest.raises(ConnectionClosed):
            client.recv()
        assert client.close_code == (1008 if asgi else 4500)
    server.process.terminate()
    assert server.process.wait(60) == 0
    assert shown not in server.rest()
    assert KEY not in server.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--jwt-key-file=/nowhere"], "cannot be read"),
        (["--jwt-algorithm=ES256"], "no effect without --jwt-key-file or RTMON_JWT_SECRET"),
        (["--token-in-query"], "no effect"),
        (["--user-rate=5"], "need auth"),
        (["--address-burst=5"], "without --address-rate"),
        (["--at-limit=close_oldest"], "without a number of connections"),
        (["--at-limit=drop", "--connections-per-address=5"], "at_limit is 'drop'"),
        (["--rate=5", "--echo"], "there is no hub"),
        (["--jwt-secret=x"], "No such option"),
    ],
)
def test_serve_refuses_security_options_that_have_no_effect(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon serve` prints one line that says why and exits with an error when a security option
    would have no effect.
    """
    assert main(["serve", *FREE, *arguments]) != 0
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1


def test_serve_refuses_short_double_and_binary_keys_without_printing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon serve` refuses a JWT key that is too short, not text, or given twice, and does not
    print the key.
    """
    file = tmp_path / "key"
    file.write_text("short secret")
    assert main(["serve", *FREE, f"--jwt-key-file={file}"]) != 0
    monkeypatch.setenv("RTMON_JWT_SECRET", KEY)
    assert main(["serve", *FREE, f"--jwt-key-file={file}"]) != 0
    monkeypatch.delenv("RTMON_JWT_SECRET")
    file.write_bytes(b"\xff\xfe\x00" * 20)
    assert main(["serve", *FREE, f"--jwt-key-file={file}"]) != 0
    said = capsys.readouterr().err
    for words in ("too few for HS256", "there is another key", "it is no text"):
        assert words in said
    assert "short secret" not in said
    assert KEY not in said


@pytest.mark.parametrize(
    ("variable", "empty"),
    [("RTMON_JWT_SECRET", ""), ("RTMON_JWT_SECRET", " \n"), ("RTMON_JWT_KEY_FILE", "")],
)
def test_serve_refuses_an_empty_key(
    variable: str, empty: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rtmon serve` prints a one-line error and does not start when the JWT key in the environment
    is empty.
    """
    monkeypatch.setenv(variable, empty)
    assert main(["serve", *FREE]) != 0
    said = capsys.readouterr().err
    assert "empty" in said
    assert len(said.splitlines()) == 1
