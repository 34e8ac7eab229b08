"""TLS of servers, pages and feeds, with a temporary certificate authority."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

import rtmon
from rtmon.asgi import serve as serve_asgi
from rtmon.errors import OptionError
from rtmon.servers.tls import server_context
from rtmon.testing import until
from tests.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that the test clients trust."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> tuple[Path, Path]:
    """Paths of a certificate and its key."""
    found = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue(*found, name="first")
    return found


async def shown(port: int, authority: Authority) -> str:
    """Return the common name in the certificate that a server presents."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=authority.client, server_hostname="localhost"
    )
    certificate: Any = writer.get_extra_info("peercert")
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    del reader
    names = dict(pair for (pair,) in certificate["subject"])
    return str(names["commonName"])


@contextlib.asynccontextmanager
async def secured(kind: str, context: ssl.SSLContext) -> AsyncIterator[Any]:
    """Serve a hub and its admin listener over TLS."""
    serving: Any = rtmon.serve if kind == "native" else serve_asgi
    hub = rtmon.Hub(announce=0.02)
    options = {"ssl": context, "admin": 0, "admin_ssl": context, "page": True}
    async with serving(hub, "127.0.0.1", 0, **options) as server:
        yield server
    await hub.aclose()


@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_client_chat_page_and_remote_feed_work_over_tls(
    authority: Authority,
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """Python client, chat page and remote feed work over TLS, and a client that does not trust
    the authority cannot connect.
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    async with secured(kind, server_context(*files)) as server:
        assert server.url.startswith("wss://")
        assert server.page_url.startswith("https://")
        assert server.admin_url.startswith("wss://")
        async with (
            rtmon.connect(server.url, ssl=authority.client) as ada,
            ada.subscribe("news") as news,
        ):
            await news.publish({"over": "tls"})
            assert (await anext(aiter(news))).payload == {"over": "tls"}
            feed = rtmon.open_feed(server.admin_url)
            await feed.start()
            await until(lambda: feed.status.state == "live")
            await feed.aclose()
        async with httpx.AsyncClient(verify=authority.client) as browser:
            page = await browser.get(server.page_url)
            assert page.status_code == 200
            if kind == "asgi":
                events = server.page_url + "events"
                async with browser.stream("GET", events) as stream:
                    assert stream.status_code == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(server.url, ssl=ssl.create_default_context(cafile=files[0]), proxy=None)


@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_server_presents_a_replaced_certificate_at_the_next_handshake(
    authority: Authority, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Server presents a replaced certificate at the next TLS handshake, keeps the old
    certificate when the new file is unusable, and keeps connections open.
    """
    async with secured(kind, server_context(*files)) as server:
        assert await shown(server.port, authority) == "first"
        async with connect(server.url, ssl=authority.client, proxy=None) as client:
            assert json.loads(await client.recv())["type"] == "welcome"
            authority.issue(*files, name="second")
            assert await shown(server.port, authority) == "second"
            whole = files[0].read_text()
            with caplog.at_level(logging.WARNING, "rtmon.servers"):
                files[0].write_text("half of a cert")
                assert await shown(server.port, authority) == "second"
                files[0].unlink()
                assert await shown(server.port, authority) == "second"
            assert len(caplog.records) == 1
            assert "stays in use" in caplog.text
            files[0].write_text(whole)
            authority.issue(files[0], files[1], name="third")
            assert await shown(server.port, authority) == "third"
            assert await shown(server.admin.port, authority) == "third"
            await client.send('{"type": "ping", "id": "1"}')
            while json.loads(await client.recv())["type"] != "pong":
                pass


def test_server_context_raises_option_error_for_unusable_certificate_files(
    authority: Authority, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """``server_context()`` raises OptionError for a missing file, a key of another certificate,
    or no key.
    """
    other = tmp_path / "other.pem", tmp_path / "other.key"
    authority.issue(*other)
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("nonsense")
    for certificate, key in (
        (tmp_path / "missing", files[1]),
        (files[0], other[1]),
        (nonsense, None),
        (files[0], None),
    ):
        with pytest.raises(OptionError, match="certificate with its key"):
            server_context(certificate, key)
    both = tmp_path / "both.pem"
    both.write_text(files[0].read_text() + files[1].read_text())
    server_context(both)
    with pytest.raises(OptionError, match="admin_ssl"):
        rtmon.serve(rtmon.Hub(), admin_ssl=server_context(both))
