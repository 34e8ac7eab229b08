"""Channel history: read in pages, and sent to clients that subscribe again."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.core.batch_buffer import Batch
from rtmon.hub import ChannelOptions
from rtmon.testing import until

Place = Any
WAITING = 1_048_576
"""Send queue limit of a client in bytes; history is paused while a quarter of it is queued."""


async def test_client_reads_history_in_pages_and_gets_recovered_false_for_another_epoch(
    place: Place,
) -> None:
    """Client without a subscription reads a channel's history in pages with ``recovered`` true,
    and gets ``recovered`` false for a position with another epoch.
    """
    ada = await place.connect("ada")
    for number in range(7):
        await place.hub.publish("news", number)
    got: list[int] = []
    since, more = None, True
    while more:
        ask = {"channel": "news", "limit": 3, **({"since": since} if since else {})}
        page = (await ada.ask("history", ask))["payload"]
        got += [m["payload"]["data"] for m in page["messages"]]
        since, more = {"epoch": page["epoch"], "offset": page["offset"]}, page["more"]
        assert page["recovered"] is True
    assert got == list(range(7))
    strange = {"epoch": "another", "offset": 3}
    page = (await ada.ask("history", {"channel": "news", "since": strange}))["payload"]
    assert page["recovered"] is False


@pytest.mark.parametrize("batching", [None, Batch(size=3, delay=0.05)])
async def test_client_recovers_more_history_than_its_send_queue_holds(
    start: Any, batching: Batch | None
) -> None:
    """Client that missed more bytes than its send queue holds receives all of them, then newer
    publications, each once and in order.
    """
    rules = {"c": ChannelOptions(batch=batching)}
    place = await start(max_waiting=WAITING, channels=rules)
    first = await place.hub.publish("c", 0)
    for number in range(1, 60):
        await place.hub.publish("c", [number, "x" * 500_000])
    ada = await place.connect("ada", compression=None)
    ada.connection.transport.pause_reading()
    since = {"epoch": first.epoch, "offset": first.offset}
    await ada.send("subscribe", {"channel": "c", "since": since}, id="s")
    session = place.hub.connections[ada.id]
    await until(lambda: session.peer.waiting > WAITING / 4)
    for number in range(60, 70):
        await place.hub.publish("c", [number, ""])
    ada.connection.transport.resume_reading()
    got: list[int] = []
    while len(got) < 69:
        message = await ada.wait(lambda m: m["type"] in {"batch", "publication", "ack"})
        inner = message["payload"].get("messages", [message])
        got += [m["payload"]["data"][0] for m in inner if m["type"] == "publication"]
    assert got == list(range(1, 70))
    await place.hub.publish("c", [70, ""])
    assert [d[0] for d in await ada.published(1)] == [70]


async def test_hub_closes_client_with_1013_when_it_does_not_read_its_history(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hub closes a client with 1013 when it requests history and reads nothing, while other
    clients can still publish.
    """
    monkeypatch.setattr("rtmon.hub.history_recovery._PATIENCE", 0.2)
    place = await start(max_waiting=WAITING)
    first = await place.hub.publish("c", 0)
    for _ in range(60):
        await place.hub.publish("c", "x" * 500_000)
    ada = await place.connect("ada", compression=None)
    ada.connection.transport.pause_reading()
    since = {"epoch": first.epoch, "offset": first.offset}
    await ada.send("subscribe", {"channel": "c", "since": since})
    peer = place.hub.connections[ada.id].peer
    await until(lambda: peer.waiting > WAITING / 4)
    bo = await place.connect("bo")
    assert (await bo.ask("publish", {"channel": "c", "data": 1, "ack": True}))["type"] == "ack"
    await until(lambda: not peer.open)
    ada.connection.transport.resume_reading()
    assert await ada.close_code() == 1013
    assert ada.connection.close_reason == "you read too slowly"
