"""A rolling file of lines: a full file is renamed, and a new one is started.

For example, ``samples.csv`` is the file that is being written. When it is full, it is renamed to
``samples.000001.csv``, the next one to ``samples.000002.csv``, and so on. Renamed files never
change. Sorted by name, the files are in the order of time, with the one being written at the end.
Each file begins with the header, and no line is split between two files.

If the process is killed, at worst the last line of the newest file is incomplete. The next process
removes this line and renames the file. A power failure can also destroy data that the operating
system has not yet written to the disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO

__all__ = ["RollingFile"]


class RollingFile:
    """A file to which lines are appended. Lines end with CRLF; quoted text may contain line ends.

    A file of an earlier run is renamed first.

    Args:
        path: the file to write; renamed files are in the same folder.
        header: the first line of each file, with its line end.
        max_bytes: maximum size of a file. A line that would exceed it begins the next file. None
            for no limit.
        keep: maximum number of renamed files; the oldest are deleted. None to keep them all.

    Raises:
        OSError: the file cannot be created.
    """

    def __init__(self, path: Path, header: str, *, max_bytes: int | None, keep: int | None) -> None:
        self._path = path
        self._header = header.encode()
        self._max_bytes = max_bytes
        self._keep = keep
        self._aside = re.compile(
            rf"{re.escape(path.stem)}\.(\d{{6,}}){re.escape(path.suffix)}", re.ASCII
        )
        self._file: IO[bytes] | None = None
        self._size = 0
        self._full_one = False
        self._waiting: list[bytes] = []
        if path.exists():
            if self._mend():
                self._put_aside()
            else:
                path.unlink()
        self._begin()

    def write(self, lines: Iterable[str]) -> None:
        """Add whole lines, and write them to the file; see :meth:`flush`."""
        self.add(lines)
        self.flush()

    def add(self, lines: Iterable[str]) -> None:
        """Add whole lines to the buffer; :meth:`flush` writes them."""
        self._waiting += [line.encode() for line in lines]

    def flush(self) -> None:
        """Write the buffered lines to the file.

        Raises:
            OSError: the file cannot be written now, for example because the disk is full. The file
                ends with a whole line. The other lines stay buffered, and the next call writes
                them.
        """
        while self._waiting:
            if self._full_one:
                self._put_aside()
                self._full_one = False
            if self._file is None:
                self._begin()
            count, size = 0, self._size
            for line in self._waiting:
                if self._full(size, len(line)):
                    break
                count, size = count + 1, size + len(line)
            self._append(b"".join(self._waiting[:count]))
            del self._waiting[:count]
            if self._waiting:
                self.close()
                self._full_one = True

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _full(self, size: int, more: int) -> bool:
        begun = size > len(self._header)
        return begun and self._max_bytes is not None and size + more > self._max_bytes

    def _append(self, data: bytes) -> None:
        # One write: if the process is killed between several, the file could end anywhere.
        file, written = self._file, 0
        assert file is not None  # noqa: S101 - for the type checker
        try:
            while written < len(data):
                written += file.write(data[written:])
        except OSError:
            if written:
                file.truncate(self._size)
            raise
        self._size += len(data)

    def _begin(self) -> None:
        # Unbuffered: after a full disk, buffered data would be written twice.
        self._file, self._size = self._path.open("ab", buffering=0), 0
        try:
            self._file.truncate(0)  # remove an incomplete header
            self._append(self._header)
        except OSError:
            self.close()
            raise

    def _put_aside(self) -> None:
        before = self._before()
        number = max(before, default=0) + 1
        name = f"{self._path.stem}.{number:06}{self._path.suffix}"
        self._path.replace(self._path.with_name(name))
        if self._keep is not None:
            for old in sorted(before)[: len(before) + 1 - self._keep]:
                before[old].unlink(missing_ok=True)

    def _before(self) -> dict[int, Path]:
        """Return the renamed files by their numbers."""
        names = ((self._aside.fullmatch(path.name), path) for path in self._path.parent.iterdir())
        return {int(match[1]): path for match, path in names if match}

    def _mend(self) -> bool:
        """Cut off an incomplete last line. Returns True if a line after the header remains."""
        with self._path.open("rb+") as file:
            first = file.readline()
            if not self._header.startswith(first):
                return True  # the file of another program: leave it unchanged
            end = position = len(first)
            quotes = 0
            for piece in file:
                position += len(piece)
                quotes += piece.count(b'"')
                if quotes % 2 == 0 and piece.endswith(b"\r\n"):  # the line end is not quoted
                    end = position
            file.truncate(end)
        return end > len(self._header)
