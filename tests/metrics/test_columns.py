from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from rtmon.metrics.columns import CONNECTION, EVENT, METER_COUNTERS, SAMPLE, TABLES, Column, names
from rtmon.metrics.records import ConnectionInfo, Event, Sample, Snapshot


@pytest.mark.parametrize(
    ("table", "record"), [(SAMPLE, Sample), (CONNECTION, ConnectionInfo), (EVENT, Event)]
)
def test_a_record_has_the_columns_of_its_table(table: tuple[Column, ...], record: Any) -> None:
    """A record's fields are its table's columns, in their order."""
    assert tuple(field.name for field in fields(record)) == names(table, derived=False)


def test_derived_columns_can_be_read_from_a_record() -> None:
    """What a table derives, its record computes."""
    sample = Sample(node="n", epoch="e", seq=1, time=0.0, elapsed=1.0)
    assert [getattr(sample, column.name) for column in SAMPLE if column.derived] == [None] * sum(
        column.derived for column in SAMPLE
    )


def test_a_snapshot_totals_every_counter_of_a_sample() -> None:
    """Each counter of a Sample has its lifetime total in the Snapshot."""
    counters = {column.name for column in SAMPLE if column.kind == "counter"}
    assert counters <= {field.name for field in fields(Snapshot)}


def test_every_column_is_defined() -> None:
    """Each column has a sentence that says what it is, and a unit if it is a number."""
    for column in (column for table in TABLES.values() for column in table):
        assert column.definition.endswith("."), column.name
        if column.kind in {"counter", "gauge", "histogram"} and "code" not in column.name:
            assert column.unit, column.name


def test_a_connection_has_the_counters_of_its_meter() -> None:
    """What a meter counts, a connection's row and a Sample show under the same names."""
    for table in (SAMPLE, CONNECTION):
        assert [name for name in names(table) if name in METER_COUNTERS] == list(METER_COUNTERS)
