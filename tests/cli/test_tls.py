"""`rtmon serve` and `rtmon dashboard` with TLS, in real processes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.certificates import Authority
from tests.cli.running import Command, run


@pytest.mark.parametrize(
    "kind", ["--page", pytest.param("--asgi", marks=pytest.mark.matrix)], ids=["native", "asgi"]
)
def test_server_and_dashboard_use_tls_when_a_certificate_is_given(
    command: Callable[..., Command], tmp_path: Path, kind: str
) -> None:
    """Server, chat page, admin listener and dashboard use wss:// and https:// when --tls-cert is
    given.
    """
    authority = Authority(tmp_path)
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue(certificate, key)
    tls = (f"--tls-cert={certificate}", f"--tls-key={key}")
    trust = {"SSL_CERT_FILE": str(authority.certificate)}
    server = command("serve", "--port=0", "--admin-port=0", kind, "--admin-tls", *tls)
    server.read_until("Ctrl-C")
    url, page, admin = (
        re.findall(pattern, server.output)[0]
        for pattern in (r"on (wss://\S+)", r"(https://\S+)", r"rtmon dashboard (wss://\S+)")
    )
    with connect(url, ssl=authority.client, proxy=None) as client:
        assert json.loads(client.recv())["type"] == "welcome"
    assert httpx.get(page, verify=authority.client).status_code == 200
    dashboard = command("dashboard", admin, "--port=0", "--no-browser", *tls, environment=trust)
    dashboard.read_until("Ctrl-C")
    place = re.findall(r"https://\S+", dashboard.output)[0]
    answer = httpx.get(place, verify=authority.client, timeout=60)
    assert answer.status_code == 200
    assert "http://" not in re.sub(r"http://www\.w3\.org\S*", "", answer.text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve", "--tls-key=key.pem"), "--tls-cert"),
        (("serve", "--admin-tls"), "--tls-cert"),
        (("serve", "--tls-cert=missing.pem"), "certificate with its key"),
        (("dashboard", "--tls-key=key.pem"), "--tls-cert"),
    ],
)
def test_command_refuses_incomplete_or_missing_tls_files(
    arguments: tuple[str, ...], words: str
) -> None:
    """`rtmon` command exits with an error and without a traceback when a TLS option lacks its
    certificate or the certificate file is missing.
    """
    ended = run(*arguments)
    assert ended.returncode != 0
    assert words in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
