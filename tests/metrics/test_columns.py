from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from rtmon.client.result_types import ClientStats
from rtmon.metrics.collector import Collector
from rtmon.metrics.columns import (
    CONNECTION,
    LEDGER_COUNTERS,
    METER_COUNTERS,
    METER_FIELDS,
    SAMPLE,
    TABLES,
    Column,
    names,
)
from rtmon.metrics.meter import Ending
from rtmon.metrics.records import (
    AddressInfo,
    ChannelInfo,
    ConnectionInfo,
    Event,
    Latency,
    Sample,
    Snapshot,
    SocketIOInfo,
)

RECORDS = {
    "samples": Sample,
    "connections": ConnectionInfo,
    "events": Event,
    "channels": ChannelInfo,
    "socketio": SocketIOInfo,
    "clients": ClientStats,
    "latencies": Latency,
    "addresses": AddressInfo,
}


@pytest.mark.parametrize("table", TABLES)
def test_record_has_the_columns_of_its_table(table: str) -> None:
    """Record class of each metrics table has one field per stored column of the table, in the order
    of the columns.
    """
    record: Any = RECORDS[table]
    assert tuple(field.name for field in fields(record)) == names(TABLES[table], derived=False)


def test_sample_without_messages_has_null_in_derived_columns() -> None:
    """Monitor's sample without messages has null in each column that is derived from other
    columns.
    """
    sample = Sample(node="n", epoch="e", seq=1, time=0.0, elapsed=1.0)
    assert [getattr(sample, column.name) for column in SAMPLE if column.derived] == [None] * sum(
        column.derived for column in SAMPLE
    )


def test_snapshot_has_a_total_for_every_counter_of_a_sample() -> None:
    """Monitor's snapshot has a total for every counter of a sample."""
    counters = {column.name for column in SAMPLE if column.kind == "counter"}
    assert counters <= {field.name for field in fields(Snapshot)}


def test_every_column_has_a_definition_and_numbers_have_a_unit() -> None:
    """Every column of the metrics tables is defined by a sentence, and every numeric column except
    a code has a unit.
    """
    for column in (column for table in TABLES.values() for column in table):
        assert column.definition.endswith("."), column.name
        if column.kind in {"counter", "gauge", "histogram"} and "code" not in column.name:
            assert column.unit, column.name


def test_sample_and_connection_have_every_counter_of_a_meter() -> None:
    """Samples table and connections table have every counter of a connection's meter, in the same
    order.
    """
    for table in (SAMPLE, CONNECTION):
        assert [name for name in names(table) if name in METER_COUNTERS] == list(METER_COUNTERS)


@pytest.mark.parametrize("counter", LEDGER_COUNTERS)
def test_counter_that_a_probe_increases_is_in_row_sample_and_snapshot(counter: str) -> None:
    """Connection counter that a probe increases appears in the connection's row, the sample and
    the totals, and changes no other counter.
    """
    collector = Collector(node="n", epoch="e", now=0.0)
    meter = collector.meter()
    collector.opened(meter, 0.0, 0.0)
    meter.bump(counter, 7)
    sample = collector.tick(1.0, 1.0).sample
    shown: list[Any] = [meter.info(), sample, collector.published()]
    assert [getattr(record, counter) for record in shown] == [7, 7, 7]
    others = set(LEDGER_COUNTERS) - {counter}
    assert not any(getattr(record, name) for record in shown for name in others)


@pytest.mark.parametrize("column", METER_FIELDS, ids=lambda column: column.name)
def test_attribute_that_a_probe_sets_is_in_the_column_of_the_same_name(column: Column) -> None:
    """Attribute that a probe sets on a connection's meter appears in the column of the same name
    and in no other column.
    """
    collector = Collector(node="n", epoch="e", now=0.0)
    meter = collector.meter()
    before = meter.info()
    value: Any = "some text" if column.kind == "text" else 7
    setattr(meter, column.name, value)
    after = meter.info()
    changed = [f.name for f in fields(after) if getattr(before, f.name) != getattr(after, f.name)]
    assert (changed, getattr(after, column.name)) == ([column.name], value)


def test_row_of_a_closed_connection_has_its_times_codes_and_cause() -> None:
    """Table row of a closed connection has its state, its wall-clock times, its close codes and
    its cause.
    """
    collector = Collector(node="n", epoch="e", now=0.0)
    meter = collector.meter(role="client", transport="sse")
    meter.last = 12.0
    collector.opened(meter, 10.0, 1000.0)
    ending = Ending(
        close_code=1001,
        code_sent=1000,
        reason_sent="sent",
        code_received=1001,
        reason_received="received",
        initiator="remote",
        cause="closed",
    )
    collector.closed(meter, 15.0, 9.0, ending)
    row = meter.info()
    assert (row.role, row.transport, row.state) == ("client", "sse", "closed")
    assert (row.opened, row.last_activity, row.closed) == (1000.0, 1002.0, 1005.0)
    assert {f.name: getattr(row, f.name) for f in fields(ending)} == {
        f.name: getattr(ending, f.name) for f in fields(ending)
    }


def test_row_shortens_every_text_that_a_client_or_application_chose() -> None:
    """Connection's table row shortens every text from a client or application to 256 characters
    of valid Unicode.
    """
    meter = Collector(node="n", epoch="e", now=0.0).meter()
    external = [column.name for column in CONNECTION if column.external]
    assert external == ["name", "user", "client_id", "remote", "path", "subprotocol", "user_agent"]
    for name in external:
        setattr(meter, name, "\ud800" + "x" * 300)
    assert {getattr(meter.info(), name) for name in external} == {"?" + "x" * 255}
    setattr(meter, "name", 7)  # noqa: B010 - wrong type, as applications may set it
    assert meter.info().name == "7"
