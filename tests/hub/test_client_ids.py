"""Client ids that clients choose in their URL (option ``client_ids``)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect

from rtmon.errors import ProtocolError
from rtmon.hub import User
from rtmon.protocol.codecs import JSON
from rtmon.testing import until
from tests.hub.clients import SocketClient
from tests.hub.conftest import ONE_EACH
from tests.hub.nodes import Nodes
from tests.hub.redis_server import RedisServer


async def by_token(credentials: Any) -> User | None:
    """Authenticate a client as the user whose id is its token."""
    return None if credentials.token is None else User(id=credentials.token)


async def arrive(place: Any, path: str, *, asgi: bool = False, token: str | None = None) -> Any:
    """Connect to this URL path, and return the client with its first message as its welcome."""
    base = f"ws://{await place.asgi()}" if asgi else place.url.rstrip("/")
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    client = SocketClient(
        await connect(f"{base}{path}", proxy=None, additional_headers=headers), JSON
    )
    place.clients.append(client)
    client.welcome = await client.wait(lambda _: True)
    return client


@pytest.mark.parametrize("asgi", [False, True])
@pytest.mark.parametrize("path", ["/ws/ada", "/ws?client_id=ada"])
async def test_client_gets_the_id_in_its_url_when_client_ids_is_true(
    start: Any, path: str, *, asgi: bool
) -> None:
    """Client gets the id in its URL with ``client_ids=True``, and other clients and the application
    see the client under this id.
    """
    place = await start(client_ids=True)
    bo = await place.connect("bo")
    ada = await arrive(place, path, asgi=asgi)
    assert ada.id == "ada"
    assert ada.welcome["payload"]["name"] == "ada"
    assert place.hub.client("ada").id == "ada"
    await bo.send("private_message", {"to": "ada", "text": "hi"})
    assert (await ada.next("private_message"))["payload"]["text"] == "hi"
    await ada.send("chat_message", {"text": "all"})
    assert (await bo.next("chat_message"))["payload"]["client_id"] == "ada"


@pytest.mark.parametrize("over", [name for name in ONE_EACH if name != "memory"])
async def test_client_chooses_its_id_over_every_transport(start: Any, over: str) -> None:
    """Client gets the id in its URL over WebSocket, Server-Sent Events and Socket.IO."""
    place = await start(client_ids=True)
    ada = await place.connect(over=over, client_id="ada")
    assert ada.id == "ada"


async def test_hub_refuses_client_whose_id_is_in_use(start: Any) -> None:
    """Hub closes a client with 1013 when its id is in use, and accepts the id after the first
    client has disconnected.
    """
    place = await start(client_ids=True)
    ada = await arrive(place, "/ws/ada")
    second = await arrive(place, "/ws/ada")
    assert second.welcome["payload"]["code"] == "client_id_in_use"
    assert second.welcome["payload"]["retry"] is True
    assert await second.close_code() == 1013
    assert (await ada.ask("ping"))["type"] == "pong"
    await ada.leave()
    await until(lambda: not place.hub.clients())
    assert (await arrive(place, "/ws/ada")).id == "ada"


async def test_authenticated_client_gets_only_ids_of_its_user(start: Any) -> None:
    """Hub accepts a client id that equals the user's id or starts with the user's id and a
    colon, and closes clients with other ids with 4500.
    """
    place = await start(client_ids=True, auth=by_token)
    for client_id, user in [("ada", "ada"), ("ada:phone", "ada"), ("a:b:phone", "a:b")]:
        assert (await arrive(place, f"/ws/{client_id}", token=user)).id == client_id
    for path, token in [("/ws/ada:tv", "bo"), ("/ws/a:b", "a:b"), ("/ws/adam", "ada")]:
        other = await arrive(place, path, token=token)
        assert other.welcome["payload"]["code"] == "forbidden"
        assert await other.close_code() == 4500


@pytest.mark.parametrize("path", ["/ws/a%20b", "/ws/-a", "/ws/" + "a" * 65, "/ws/%00", "/ws/a%2Fb"])
async def test_hub_refuses_malformed_client_id(start: Any, path: str) -> None:
    """Hub closes a client with 4500 and ``invalid_client_id`` when the id in its URL is too long
    or has a forbidden character.
    """
    place = await start(client_ids=True)
    client = await arrive(place, path)
    assert client.welcome["payload"]["code"] == "invalid_client_id"
    assert await client.close_code() == 4500


async def test_hub_ignores_client_id_in_the_url_without_client_ids(start: Any) -> None:
    """Hub chooses a client's id itself, and ignores the id in the URL, when ``client_ids`` is
    not set.
    """
    place = await start()
    first, second = await arrive(place, "/ws/ada"), await arrive(place, "/ws?client_id=ada")
    assert {first.id, second.id} & {"ada"} == set()
    third = await arrive(place, "/ws/ada", asgi=True)
    assert third.id != "ada"
    assert third.welcome["payload"]["name"] == "ada"


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    """The hub nodes of one test."""
    async with Nodes.opened() as opened:
        yield opened


async def test_hub_refuses_client_whose_id_is_in_use_on_another_node(
    redis: RedisServer, nodes: Nodes
) -> None:
    """Hub refuses a client whose id is in use on another node, and accepts the id after that
    client has disconnected.
    """
    one, two = [await nodes.open(redis.url, client_ids=True) for _ in range(2)]
    ada = await arrive(one, "/ws/ada")
    await ada.ask("ping")
    other = await arrive(two, "/ws/ada")
    assert other.welcome["payload"]["code"] == "client_id_in_use"
    await ada.leave()
    while True:
        ada = await arrive(two, "/ws/ada")
        if ada.welcome["type"] == "welcome":
            break
    found: Any = await one.hub.find("ada")
    assert found.address == two.hub.client("ada").address


@pytest.mark.parametrize("back", ["on the same node", "on the node that asks"])
async def test_stale_client_object_does_not_act_on_a_new_client_with_the_same_id(
    redis: RedisServer, nodes: Nodes, back: str
) -> None:
    """Client object returned by ``find()`` on another node raises ``unknown_client`` after the
    client has disconnected, even when a new client has the same id.
    """
    one, two = [await nodes.open(redis.url, client_ids=True) for _ in range(2)]
    ada = await arrive(two, "/ws/ada")
    await ada.ask("ping")
    gone: Any = await one.hub.find("ada")
    await ada.leave()
    await until(lambda: two.hub.client("ada") is None)
    next_node = two if back == "on the same node" else one
    while True:
        after = await arrive(next_node, "/ws/ada")
        if after.welcome["type"] == "welcome":
            break
    for act in (gone.send("mine"), gone.join("red"), gone.leave("red"), one.hub.send(gone, "mine")):
        with pytest.raises(ProtocolError) as caught:
            await act
        assert caught.value.code == "unknown_client"
    await gone.close(4600, "not this one")
    assert (await one.hub.send("ada", "mine")).total == 1
    assert [message["type"] for message in await after.quiet()].count("mine") == 1
    assert next_node.hub.client("ada").rooms == []
