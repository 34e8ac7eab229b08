"""Open the SQLite file of a recording for writing or reading, and convert SQLite's errors.

One process writes a recording; other processes can read it at the same time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..errors import FileFormatError, OptionError
from ..metrics.columns import Column
from .schema import APPLICATION_ID, COLUMNS, MIGRATIONS, VERSION, definition, unmeasured

try:
    import fcntl
except ImportError:  # Windows has no fcntl module
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "WriteLock",
    "as_os_error",
    "network_file_system",
    "open_reader",
    "open_writer",
    "reading",
    "write_rows",
]

BUSY_SECONDS = 2.0
"""Seconds that an SQL statement waits for a lock that another SQLite connection holds."""

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "glusterfs"}
)

_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
    sqlite3.SQLITE_READONLY: errno.EBUSY,
    sqlite3.SQLITE_PERM: errno.EBUSY,
}
"""Primary result code of SQLite for a temporary error → the corresponding ``errno``."""

_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def primary_code(exc: sqlite3.Error) -> int:
    """Return the primary result code of an SQLite error; 0 if the error has no code."""
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF


def is_broken(exc: BaseException) -> bool:
    """Return True if an exception says that the file is damaged, or not an SQLite database."""
    return isinstance(exc, sqlite3.Error) and primary_code(exc) in _BROKEN


@contextlib.contextmanager
def as_os_error(path: Path) -> Iterator[None]:
    """Convert temporary SQLite errors in the ``with`` block, such as a full disk, to OSError.

    Args:
        path: the file, for the message.

    Raises:
        OSError: SQLite reported a temporary error.
        sqlite3.Error: SQLite reported any other error.
    """
    try:
        yield
    except sqlite3.Error as exc:
        number = _ERRNO.get(primary_code(exc))
        if number is None:
            raise
        raise OSError(number, str(exc), str(path)) from exc


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert errors of the ``with`` block, which reads a recording, to FileFormatError or OSError.

    Args:
        path: the recording, for the message.

    Raises:
        FileFormatError: the file is damaged, or not an SQLite database.
        OSError: the file cannot be read now.
    """
    try:
        with as_os_error(path):
            yield
    except (sqlite3.Error, msgspec.MsgspecError) as exc:
        if isinstance(exc, sqlite3.Error) and not is_broken(exc):
            raise
        raise FileFormatError(f"{path} is damaged: {exc}") from exc


class WriteLock:
    """An exclusive lock for writing a recording, so that only one writer uses the file.

    The lock is an ``flock`` on the file ``<recording>.lock``. The operating system releases it when
    the process ends, even if the process is killed. Windows has no ``flock``: there, the lock has
    no effect.

    Args:
        path: the recording.

    Raises:
        OptionError: another writer holds the lock.
        OSError: the lock file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise OptionError(
                f"{path} is being written by another recording: give this one another file"
            ) from None

    def release(self) -> None:
        """Release the lock and delete the lock file."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def forget(self) -> None:
        """Close the lock file in a forked child process; the parent process keeps the lock."""
        os.close(self._file)


def network_file_system(path: Path, mounts: str) -> str | None:
    """Return the type of the network file system that contains a path, such as ``nfs4``.

    Args:
        path: an absolute path.
        mounts: the text of ``/proc/mounts``.

    Returns:
        The type; None if the file system is local or unknown.
    """
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, fs, *_ = [*line.split(" "), "", "", ""]
        point = point.replace("\\040", " ")
        below = path == Path(point) or Path(point) in path.parents
        if below and len(point) >= len(best):
            best, kind = point, fs
    return kind if kind in _NETWORK else None


def _mounts() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    return ""


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a recording for writing; create the file if it does not exist.

    The SQLite connection may be used on any thread, but only by one thread at a time.

    Raises:
        FileFormatError: the file was written by a newer release, or is another database.
        OptionError: the file system does not support SQLite's write-ahead log.
        OSError: the file cannot be opened or written now.
        sqlite3.DatabaseError: the file is damaged, or not a database.
    """
    kind = network_file_system(path.resolve(), _mounts())
    if kind is not None:
        raise OptionError(_NO_LOG.format(path=path, why=f"a network file system ({kind})"))
    with as_os_error(path):
        db = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _check(db, path)
            (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                why = "a file system without shared memory"
                raise OptionError(_NO_LOG.format(path=path, why=why))  # noqa: TRY301
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA wal_autocheckpoint = 0")
            _make(db)
        except BaseException:
            db.close()
            raise
    return db


_NO_LOG = (
    "{path} is on {why}, where SQLite's write-ahead log does not work: record to a local disk, "
    "and copy the file when it is finished"
)


def _check(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == 0 and version == 0 and tables == 0:
        return
    if application != APPLICATION_ID:
        raise FileFormatError(f"{path} is an SQLite database, but not a recording of rtmon's")
    if version > VERSION:
        raise FileFormatError(
            f"{path} was written by a newer rtmon (format {version}, this one knows {VERSION}): "
            "upgrade rtmon to read it"
        )


def _make(db: sqlite3.Connection) -> None:
    """Create the tables in a new file; add missing tables and columns to an older rtmon's file."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version < VERSION:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only has an effect on an empty file
        db.execute("BEGIN IMMEDIATE")
        for number in range(version + 1, VERSION + 1):
            for statement in MIGRATIONS[number]:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    for table in COLUMNS:
        for column in _lacking(db, table):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {definition(column)}")


def _lacking(db: sqlite3.Connection, table: str) -> list[Column]:
    """Return the columns that a table does not have because an older rtmon created the table."""
    known = {name for _, name, *_ in db.execute(f"PRAGMA main.table_info({table})")}
    return [column for column in COLUMNS[table] if column.name not in known]


def _complete(db: sqlite3.Connection) -> None:
    """Create views with the missing columns of an older file, so that SQL statements can read them.

    The missing columns have the value for "not measured", which is usually NULL.
    """
    for table in COLUMNS:
        lacking = [f'{unmeasured(each)} AS "{each.name}"' for each in _lacking(db, table)]
        if lacking:
            selected = ", ".join(("*", *lacking))
            db.execute(f"CREATE TEMP VIEW {table} AS SELECT {selected} FROM main.{table}")  # noqa: S608


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a recording for reading, also while another process writes it.

    The SQLite connection may be used on any thread, but only by one thread at a time. Every
    statement is a transaction of its own.

    Raises:
        FileFormatError: the file is not a recording, is damaged, or was written by a newer rtmon.
        OSError: the file does not exist or cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, "there is no such recording", str(path))
    try:
        with as_os_error(path):
            # Not "immutable=1": another process may write the file while this one reads it.
            uri = f"{path.resolve().as_uri()}?mode=ro"
            db = sqlite3.connect(
                uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            _check(db, path)
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > 0:
                _complete(db)
    except sqlite3.Error as exc:
        raise FileFormatError(f"{path} cannot be read as a recording: {exc}") from exc
    if version == 0:
        raise FileFormatError(f"{path} holds nothing yet, or is not a recording of rtmon's")
    db.row_factory = sqlite3.Row
    return db


def write_rows(db: sqlite3.Connection, statement: str, rows: Sequence[Sequence[Any]]) -> int:
    """Execute an SQL statement once for each row, and return how many table rows were changed.

    SQLite cannot store lone surrogates in text. They are replaced by question marks.
    """
    before = db.total_changes
    try:
        db.executemany(statement, rows)
    except UnicodeEncodeError:
        safe = [[_safe(v) if isinstance(v, str) else v for v in row] for row in rows]
        db.executemany(statement, safe)
    return db.total_changes - before


def _safe(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def set_aside(path: Path) -> Path:
    """Rename a damaged recording and its write-ahead log to ``….broken-1``; return the new path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        log = path.with_name(path.name + suffix)
        with contextlib.suppress(FileNotFoundError):
            log.rename(aside.with_name(aside.name + suffix))
    return aside


def scalar(db: sqlite3.Connection, statement: str, *values: Any) -> Any:
    """Return the first column of the first row that an SQL statement selects; None without rows."""
    row = db.execute(statement, values).fetchone()
    return None if row is None else row[0]
