"""Find epochs that a killed process left without an end, and read their unmerged ticks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from .database import scalar
from .rollup import Rollup
from .serialization import unpack_sample

__all__ = ["restored_rollup", "unfinished_epochs"]


def unfinished_epochs(db: sqlite3.Connection) -> list[tuple[int, str, str]]:
    """Return id, node and name of each epoch in a recording that has no end."""
    return db.execute("SELECT id, node, epoch FROM epochs WHERE ended IS NULL").fetchall()


def restored_rollup(db: sqlite3.Connection, epoch: int, node: str, name: str) -> Rollup:
    """Return a Rollup that contains the recorded ticks that are not yet merged into points.

    Args:
        db: the SQLite connection that writes the recording.
        epoch: id of the epoch in the file.
        node: name of the epoch's server process.
        name: name of the epoch.
    """
    rollup = Rollup()
    last = "SELECT max(seq) FROM samples WHERE level = ? AND epoch = ?"
    tens, sixties = (scalar(db, last, level, epoch) or 0 for level in (10, 60))
    for row in _stored(db, 10, epoch, sixties):
        rollup.restore(unpack_sample(node, name, row["seq"], row, row["packed"]), row["ticks"])
    for row in _stored(db, 1, epoch, tens):
        rollup.add(unpack_sample(node, name, row["seq"], row, row["packed"]))
    return rollup


def _stored(db: sqlite3.Connection, level: int, epoch: int, after: int) -> Iterator[dict[str, Any]]:
    cursor = db.execute(
        "SELECT s.*, h.packed FROM samples s JOIN histograms h USING (level, epoch, seq) "
        "WHERE s.level = ? AND s.epoch = ? AND s.seq > ? ORDER BY s.seq LIMIT 1000",
        (level, epoch, after),
    )
    columns = [each[0] for each in cursor.description]
    for row in cursor.fetchall():
        yield dict(zip(columns, row, strict=True))
