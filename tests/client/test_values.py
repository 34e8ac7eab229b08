"""Values that the Python client may send and receive, and their maximum size."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

import rtmon
from rtmon.client import Batch, Position
from rtmon.errors import OptionError, ProtocolError
from rtmon.protocol import limits
from rtmon.testing import until

Place = Any

HALF = "\ud83d"

BAD: tuple[Any, ...] = (HALF, {HALF: 1}, float("nan"), 10**30, np.int64(1), (1,), [b"x"])


@pytest.fixture(params=["native", pytest.param("asgi", marks=pytest.mark.matrix)])
async def place(request: pytest.FixtureRequest, start: Any) -> Place:
    """A hub behind each kind of server."""
    return await start(asgi=request.param == "asgi")


async def _read(client: rtmon.Client, got: list[Any]) -> None:
    """Append each message of the channel ``news`` and its ``gap`` to ``got``."""
    async with client.subscribe("news") as news:
        async for message in news:
            got += [(message.payload, message.gap)]


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize("batch", [None, Batch(size=50, delay=0.05)], ids=["single", "batched"])
async def test_client_raises_option_error_for_a_bad_value_and_delivers_all_others(
    place: Place, codec: str, batch: Batch | None
) -> None:
    """Python client raises OptionError for a value that cannot be encoded, and all other values
    arrive in order.
    """
    client = await place.connect(codec=codec, batch=batch)
    heard: list[Any] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    errors: list[Any] = []
    client.on_error(errors.append)
    for number, bad in enumerate(BAD):
        await client.publish("log", number)
        with pytest.raises(OptionError, match="cannot be sent"):
            await client.publish("log", bad)
        with pytest.raises(OptionError, match="cannot be sent"):
            await client.request("mine", {"value": bad})
        with pytest.raises(OptionError, match="cannot be sent"):
            await client.send("publish", {"channel": "log", "data": b"x", "more": bad})
    for kind, payload in ((HALF, {}), ("chat_message", {"text": HALF})):
        with pytest.raises(OptionError):
            await client.send(kind, payload)
    value = {"v": np.float64(1.5), np.str_("k"): [np.str_("ä😀")]}
    await client.publish("log", value)
    value["v"] = object()
    await client.publish("log", bytearray(b"\x00\xff"))
    await client.flush()
    good = {"v": 1.5, "k": ["ä😀"]}
    await until(lambda: heard == [*range(len(BAD)), good, b"\x00\xff"])
    assert not errors


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_bad_value_published_by_the_application_does_not_affect_clients(
    place: Place, codec: str
) -> None:
    """Hub's ``publish()`` and handlers raise for a value that cannot be encoded, and clients
    receive all other values live, by recovery and in history.
    """
    values: asyncio.Queue[Any] = asyncio.Queue()

    @place.hub.on("value")
    async def answer(_session: Any, _payload: Any) -> Any:
        return values.get_nowait()

    client = await place.connect(codec=codec)
    got: list[Any] = []

    reader = asyncio.create_task(_read(client, got))
    await until(lambda: place.hub.registry.count("channel:news"))
    wanted: list[Any] = []
    for away in (False, True):
        if away:
            await until(lambda: len(got) == len(wanted))
            place.proxy.refusing = True
            place.proxy.cut()
            await until(lambda: client.state == "reconnecting")
        for number, bad in enumerate(BAD):
            with pytest.raises(OptionError, match="cannot be published"):
                await place.hub.publish("news", bad)
            value = {"n": np.float64(number + 0.5), np.str_("k"): [np.str_("ä😀")]}
            await place.hub.publish("news", value)
            wanted.append({"n": number + 0.5, "k": ["ä😀"]})
    place.proxy.refusing = False
    await until(lambda: len(got) == len(wanted))
    assert got == [(value, False) for value in wanted]
    page = await client.request("history", {"channel": "news"})
    assert [message["payload"]["data"] for message in page.payload["messages"]] == wanted
    for bad in BAD:
        values.put_nowait(bad)
        with pytest.raises(ProtocolError, match="logged"):
            await client.request("value")
    values.put_nowait(np.float64(2.5))
    assert (await client.request("value")).payload["data"] == 2.5
    assert client.stats.reconnects == 1
    reader.cancel()


async def test_client_raises_option_error_for_names_that_cannot_be_encoded(place: Place) -> None:
    """Python client raises OptionError for a channel, room, name or info that cannot be encoded,
    and can still reconnect.
    """
    client = await place.connect(name=np.str_("ada"), info={"age": np.float64(36.0)})
    (member,) = (await client.request("presence")).payload["members"]
    assert (member["name"], member["info"]) == ("ada", {"age": 36.0})
    for name in (HALF, 7):
        with pytest.raises(OptionError, match="no name"):
            client.subscribe(name)  # type: ignore[arg-type]
        with pytest.raises(OptionError, match="no name"):
            await client.join(name)  # type: ignore[arg-type]
    for options in ({"name": HALF}, {"user": HALF}, {"info": {"x": HALF}}, {"info": float("nan")}):
        with pytest.raises(OptionError, match="name, user or info"):
            rtmon.connect("ws://127.0.0.1:1", **options)
    place.proxy.cut()
    await until(lambda: client.stats.reconnects == 1)


async def test_client_sends_its_info_as_it_was_at_creation(place: Place) -> None:
    """Python client sends its ``info`` as it was when the client was created, although the dict
    is changed later.
    """
    info = {"age": 36}
    client = await place.connect(info=info)
    info["age"] = object()  # type: ignore[assignment]
    place.proxy.cut()
    await until(lambda: client.stats.reconnects == 1)

    members = (await client.request("presence")).payload["members"]
    assert {str(member["info"]) for member in members} == {"{'age': 36}"}


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_client_receives_data_of_maximum_size_live_by_recovery_and_in_history(
    place: Place, codec: str
) -> None:
    """Python client receives data of the maximum size live, after a reconnect and in history;
    the hub rejects larger data.
    """
    numbers = [1.0] * ((limits.DATA_SIZE - 5) // 9)
    largest: list[Any] = ["x" * (limits.DATA_SIZE - 5), numbers]
    client = await place.connect(codec=codec)
    got: list[Any] = []

    reader = asyncio.create_task(_read(client, got))
    await until(lambda: place.hub.registry.count("channel:news"))
    await place.hub.publish("news", largest[0])
    await until(lambda: len(got) == 1)
    place.proxy.refusing = True
    place.proxy.cut()
    await until(lambda: client.state == "reconnecting")
    await place.hub.publish("news", largest[1])
    with pytest.raises(OptionError, match="data may take"):
        await place.hub.publish("news", "x" * 1_100_000)
    place.proxy.refusing = False
    await until(lambda: len(got) == 2)
    await place.hub.publish("news", "after")
    await until(lambda: len(got) == 3)
    assert got == [(value, False) for value in (*largest, "after")]
    assert client.stats.reconnects == 1
    since: Position | None = None
    for value in (*largest, "after"):
        asked = {"channel": "news", "limit": 1}
        if since is not None:
            asked["since"] = {"epoch": since.epoch, "offset": since.offset}
        page = await client.request("history", asked)
        (message,) = page.payload["messages"]
        assert message["payload"]["data"] == value
        since = page.position
    reader.cancel()


async def test_client_batches_stay_within_the_servers_maximum_message_size(start: Any) -> None:
    """Python client's batches stay within the maximum message size in the server's welcome."""
    place = await start(max_size=8_192)
    client = await place.connect(batch=Batch(size=100, delay=0.05))
    heard: list[Any] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    for number in range(60):
        await client.publish("log", [number, "x" * 500])
    await client.flush()
    assert [number for number, _ in heard] == list(range(60))
    assert client.stats.reconnects == 0
