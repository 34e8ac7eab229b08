"""Statistics of the Python client, and its row in a Monitor."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from rtmon import Monitor
from rtmon.testing import until

Place = Any


async def test_client_stats_are_immutable_and_serializable(place: Place) -> None:
    """Python client's statistics cannot be changed, and can be converted to built-in types."""
    client = await place.connect()
    await client.publish("c", 1)
    await client.flush()
    stats = client.stats
    assert stats.rtt is not None
    assert stats.rtt > 0
    assert msgspec.to_builtins(stats)["state"] == "open"
    with pytest.raises(AttributeError):
        stats.sent = 0


async def test_monitor_lists_a_client_with_its_events_but_not_in_server_totals(place: Any) -> None:
    """Monitor lists a Python client with role ``client``, its statistics and Events, and does
    not count it in server totals.
    """
    monitor = Monitor(interval=1000)
    client = await place.connect(name="ada", monitor=monitor, heartbeat_interval=0.05)
    await client.publish("news", 1, ack=True)
    await until(lambda: client.stats.rtt is not None)
    place.proxy.cut()
    await until(lambda: client.stats.reconnects == 1)
    await client.close()
    monitor.tick()
    (row,) = monitor.clients().to_dict("records")
    assert row == dataclasses.asdict(client.stats)
    assert (row["name"], row["state"], row["reconnects"]) == ("ada", "closed", 1)
    connections = monitor.connections()
    assert set(connections["role"]) == {"client"}
    assert set(connections["name"]) == {"ada"}
    assert len(connections) == 2
    assert connections["rtt"].notna().any()
    assert connections["messages_out"].sum() >= 3
    told = [kind for kind in monitor.events()["kind"] if kind.startswith("client")]
    assert told == ["client open", "client close", "client reconnect", "client close"]
    snapshot = monitor.snapshot()
    assert (snapshot.opened, snapshot.messages_out) == (0, 0)
