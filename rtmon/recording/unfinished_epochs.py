"""End the epochs that an earlier process did not end, because it was killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from .database import scalar
from .rollup import Rollup
from .serialization import unpack_sample

__all__ = ["restored_rollup", "unfinished_epochs"]


def unfinished_epochs(db: sqlite3.Connection) -> list[tuple[int, str, str]]:
    """Return the id, node and name of each epoch that was not ended."""
    return db.execute("SELECT id, node, epoch FROM epochs WHERE ended IS NULL").fetchall()


def restored_rollup(db: sqlite3.Connection, epoch: int, node: str, name: str) -> Rollup:
    """Return a rollup with the ticks that are not part of a complete point yet.

    Args:
        db: the connection that writes.
        epoch: id of the epoch.
        node: its server process.
        name: its name.
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
