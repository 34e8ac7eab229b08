"""Hub nodes that share a Redis server over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from rtmon.errors import ProtocolError
from rtmon.hub import Hub
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.testing import until
from tests.certificates import Authority
from tests.hub.redis_server import RedisServer


class SecureRedis(RedisServer):
    """A Redis server that accepts only TLS connections.

    Attributes:
        authority: the certificate authority that signed the server's certificate.
    """

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self._files = folder / "cert.pem", folder / "key.pem"
        self.authority.issue(*self._files)
        super().__init__(folder)

    def start(self, *options: str) -> None:
        words = {
            "--port": "0",
            "--tls-port": self.port,
            "--tls-cert-file": self._files[0],
            "--tls-key-file": self._files[1],
            "--tls-ca-cert-file": self.authority.certificate,
            "--tls-auth-clients": "no",
        }
        super().start(*(str(word) for pair in words.items() for word in pair), *options)

    def client(self) -> Any:
        authority = str(self.authority.certificate)
        return redis.Redis(port=self.port, ssl=True, ssl_ca_certs=authority)


@pytest.fixture
def secure_redis(own_redis: RedisServer, tmp_path: Path) -> Iterator[SecureRedis]:
    """A Redis server over TLS; the test is skipped when the installed Redis has no TLS."""
    if not own_redis.ask("CONFIG", "GET", "tls-port"):
        pytest.skip("this redis-server is built without TLS")
    server = SecureRedis(tmp_path)
    yield server
    server.close()


async def test_nodes_exchange_publications_over_redis_with_tls(secure_redis: SecureRedis) -> None:
    """Nodes exchange publications over a ``rediss://`` URL, and a node that does not trust the
    certificate cannot publish.
    """
    url = f"rediss://localhost:{secure_redis.port}/0"
    trusting = f"{url}?ssl_ca_certs={secure_redis.authority.certificate}"
    hubs = [Hub(broker=RedisBroker(trusting, prefix="t:")) for _ in range(2)]
    stranger = Hub(broker=RedisBroker(url, prefix="t:"))
    heard: list[Any] = []
    for hub in hubs:
        await hub.start()
    hubs[1].subscribe("news", lambda publication: heard.append(publication.data))
    await until(lambda: all(hub.away is None for hub in hubs))
    async with asyncio.timeout(60):
        while not heard:
            await hubs[0].publish("news", {"over": "tls"})
            await asyncio.sleep(0.05)
    assert heard[0] == {"over": "tls"}
    await stranger.start()
    await until(lambda: stranger.away is not None)
    with pytest.raises(ProtocolError):
        await stranger.publish("news", 1)
    for hub in (*hubs, stranger):
        await hub.aclose()
